/** The page's side of a worker: calls in, promises out. */
import { RuntimeUnavailable } from "../errors.js";
import { errorOf, type Kind, type Reply, type Request, told } from "./messages.js";
import type { ModelOptions, Progress } from "./options.js";

interface Waiting {
  resolve: (value: unknown) => void;
  reject: (error: Error) => void;
}

/** What a worker asks the page: to make something of what it gives. */
export type Answer = (...given: never[]) => unknown;

/** One worker with one model. */
export class Remote {
  /** What the worker may ask for, by name. */
  answers: Record<string, Answer> = {};
  private readonly waiting = new Map<number, Waiting>();
  private next = 0;
  private gone: Error | null = null;

  private constructor(
    private readonly worker: Worker,
    private readonly progress?: Progress,
  ) {
    worker.onmessage = ({ data }: MessageEvent<Reply>) => this.hear(data);
    worker.onerror = (event) => this.end(new RuntimeUnavailable(`the worker broke off (${event.message}); open it again`));
  }

  /** A worker that has begun; null where it cannot: its file is not there, or the page may not start workers. */
  static async start(progress?: Progress): Promise<Remote | null> {
    let worker: Worker;
    try {
      worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module", name: "mer-edge" });
    } catch {
      return null;
    }
    const begun = await new Promise<boolean>((resolve) => {
      worker.onmessage = () => resolve(true);
      worker.onerror = () => resolve(false);
    });
    if (begun) return new Remote(worker, progress);
    worker.terminate();
    return null;
  }

  async open(kind: Kind, options: ModelOptions): Promise<unknown> {
    return await this.send({ id: this.next++, open: kind, options }, []);
  }

  /** Call a method. What `transfer` names moves to the worker, and is gone here. */
  async call<T>(method: string, given: unknown[], transfer: Transferable[] = []): Promise<T> {
    return (await this.send({ id: this.next++, method, given }, transfer)) as T;
  }

  /** End the worker; calls that wait, and later ones, are refused. */
  close(): void {
    this.end(new RuntimeUnavailable("the sensor is closed; open another"));
  }

  private send(request: Extract<Request, { id: number }>, transfer: Transferable[]): Promise<unknown> {
    if (this.gone) return Promise.reject(this.gone);
    return new Promise((resolve, reject) => {
      this.waiting.set(request.id, { resolve, reject });
      this.worker.postMessage(request, transfer);
    });
  }

  private hear(reply: Reply): void {
    if (reply.kind === "progress") this.progress?.(reply.path, reply.done, reply.total);
    if (reply.kind === "ask") void this.answer(reply.id, reply.what, reply.given);
    if (reply.kind !== "done" && reply.kind !== "failed") return;
    const { resolve, reject } = this.waiting.get(reply.id)!;
    this.waiting.delete(reply.id);
    if (reply.kind === "done") resolve(reply.value);
    else reject(errorOf(reply));
  }

  private end(why: Error): void {
    this.gone ??= why;
    this.worker.terminate();
    for (const { reject } of this.waiting.values()) reject(why);
    this.waiting.clear();
  }

  private async answer(asked: number, what: string, given: unknown[]): Promise<void> {
    let reply: Request;
    try {
      reply = { asked, value: await this.answers[what]!(...(given as never[])) };
    } catch (error) {
      reply = { asked, failed: told(error) };
    }
    if (!this.gone) this.worker.postMessage(reply);
  }
}

/** Calls of a worker's model. */
export function callBy(remote: Remote): <T>(method: string, given: unknown[], transfer?: Transferable[]) => Promise<T> {
  return (method, given, transfer) => remote.call(method, given, transfer);
}

/** Open a model in a worker; the worker ends where that fails. */
export async function opened(remote: Remote, kind: Kind, options: ModelOptions): Promise<unknown> {
  try {
    return await remote.open(kind, options);
  } catch (error) {
    remote.close();
    throw error;
  }
}
