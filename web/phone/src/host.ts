/** The computer that serves the page: begins a session, hears how far the check is, takes the report. */
import { MerError } from "@mer-edge/web";
import type { Settings } from "./messages";

const GONE = "The computer cannot be reached: the network is gone, or the command there has ended.";

/** An answer of the host that is no success, in its own sentence. */
export class Refusal extends MerError {}

/** The network did not carry it; worth another try. */
export class Unreachable extends MerError {}

/** Take a place in the check. @throws Refusal every place is taken. @throws Unreachable */
export async function begin(): Promise<Settings> {
  await post("begin", {});
  return (await (await answered(fetch("check.json"))).json()) as Settings;
}

/** @throws Refusal the report is not accepted. @throws Unreachable */
export async function sendReport(report: object): Promise<void> {
  await post("report", report);
}

/** Tells the host how far the check is, at most once a second, and every five seconds that the page is still there. */
export class Progress {
  private last = { what: "starting", done: 0, total: 1 };
  private sent = 0;
  private readonly timer = setInterval(() => this.send(), 5000);

  /** @param reached called with whether the host could be reached. */
  constructor(private readonly reached: (there: boolean) => void) {}

  set(what: string, done: number, total: number): void {
    this.last = { what, done, total };
    if (performance.now() - this.sent >= 1000) this.send();
  }

  end(): void {
    clearInterval(this.timer);
  }

  private send(): void {
    this.sent = performance.now();
    post("progress", this.last).then(
      () => this.reached(true),
      (error) => this.reached(!(error instanceof Unreachable)),
    );
  }
}

async function post(path: string, body: object): Promise<Response> {
  return await answered(fetch(path, { method: "POST", body: JSON.stringify(body) }));
}

async function answered(request: Promise<Response>): Promise<Response> {
  let response: Response;
  try {
    response = await request;
  } catch {
    throw new Unreachable(GONE);
  }
  if (!response.ok) throw new Refusal(await response.text());
  return response;
}
