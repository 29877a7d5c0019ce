/** What a page and its worker tell one another. */
import * as errors from "../errors.js";
import { MerError } from "../errors.js";
import type { ModelOptions } from "./options.js";

/** To the worker: open a model, or call a method of it. */
export type Request =
  | { id: number; open: "sensor" | "conversation"; options: ModelOptions }
  | { id: number; method: string; given: unknown[] };

/** From the worker. */
export type Reply =
  | { kind: "ready" }
  | { kind: "progress"; path: string; done: number; total: number }
  | { kind: "done"; id: number; value: unknown }
  | { kind: "failed"; id: number; name: string; message: string };

/** The error of a reply, of its own class again. */
export function errorOf({ name, message }: { name: string; message: string }): Error {
  const kinds: Record<string, unknown> = { ...errors };
  const kind = kinds[name];
  if (typeof kind === "function" && (kind === MerError || kind.prototype instanceof MerError)) {
    return new (kind as new (message: string) => MerError)(message);
  }
  return new Error(message);
}
