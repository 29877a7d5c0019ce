/** The worker: opens one model, and calls its methods as they come, without waiting for one to end before the next. */
import { LocalConversation, LocalSensor } from "./local.js";
import { LocalLive } from "./local_live.js";
import { errorOf, type Reply, type Request, type Told, told } from "./messages.js";
import type { LiveTalkOptions, OpenOptions } from "./options.js";

type Model = LocalSensor | LocalConversation | LocalLive;
// The same global is a page's by its type.
const scope = globalThis as unknown as { onmessage: unknown; postMessage(reply: Reply): void };
const asked = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
let questions = 0;
let model: Model | null = null;

/** Let the page do something: a callback of the app's. */
function ask(what: string, ...given: unknown[]): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const id = questions++;
    asked.set(id, { resolve, reject });
    scope.postMessage({ kind: "ask", id, what, given });
  });
}

async function opened(request: Extract<Request, { open: unknown }>): Promise<Model> {
  const progress = (path: string, done: number, total: number) => scope.postMessage({ kind: "progress", path, done, total });
  if (request.open === "conversation") return await LocalConversation.open(request.options, progress);
  if (request.open === "sensor") return await LocalSensor.open(request.options as OpenOptions, progress);
  const options = request.options as LiveTalkOptions & { recognises: boolean };
  const recognise = async (samples: Float32Array, rate: number) => (await ask("recognise", samples, rate)) as string;
  const live = await LocalLive.open(options, {
    onEstimate: (estimate) => void ask("estimate", estimate).catch(() => undefined),
    ...(options.recognises ? { recognise } : {}),
    progress,
  });
  void live.ended().then((error?: unknown) => ask("end", error === undefined ? null : told(error)));
  return live;
}

async function answer(request: Exclude<Request, { asked: number }>): Promise<unknown> {
  if ("open" in request) {
    model = await opened(request);
    return model.info;
  }
  const method = (model as unknown as Record<string, (...given: unknown[]) => unknown>)[request.method]!;
  return await method.apply(model, request.given);
}

function take(reply: { asked: number; value?: unknown; failed?: Told }): void {
  const { resolve, reject } = asked.get(reply.asked)!;
  asked.delete(reply.asked);
  if (reply.failed) reject(errorOf(reply.failed));
  else resolve(reply.value);
}

scope.onmessage = ({ data }: MessageEvent<Request>) => {
  if ("asked" in data) return take(data);
  const { id } = data;
  answer(data).then(
    (value) => scope.postMessage({ kind: "done", id, value }),
    (error) => scope.postMessage({ kind: "failed", id, ...told(error) }),
  );
};
scope.postMessage({ kind: "ready" });
