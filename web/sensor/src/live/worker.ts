/** The worker: opens one model, and calls its methods as they come, without waiting for one to end before the next. */
import { LocalConversation, LocalSensor } from "./local.js";
import type { Reply, Request } from "./messages.js";
import type { OpenOptions } from "./options.js";

type Model = LocalSensor | LocalConversation;
// The same global is a page's by its type.
const scope = globalThis as unknown as { onmessage: unknown; postMessage(reply: Reply): void };
let model: Model | null = null;

async function answer(request: Request): Promise<unknown> {
  if ("open" in request) {
    const progress = (path: string, done: number, total: number) => scope.postMessage({ kind: "progress", path, done, total });
    const kind = request.open === "sensor" ? LocalSensor : LocalConversation;
    model = await kind.open(request.options as OpenOptions, progress);
    return model.info;
  }
  const method = (model as unknown as Record<string, (...given: unknown[]) => unknown>)[request.method]!;
  return await method.apply(model, request.given);
}

scope.onmessage = ({ data }: MessageEvent<Request>) => {
  const { id } = data;
  answer(data).then(
    (value) => scope.postMessage({ kind: "done", id, value }),
    (error) => scope.postMessage({ kind: "failed", id, name: error?.name ?? "", message: error?.message ?? String(error) }),
  );
};
scope.postMessage({ kind: "ready" });
