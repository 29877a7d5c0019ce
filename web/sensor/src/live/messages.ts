/** What a page and its worker tell one another. */
import * as errors from "../errors.js";
import { MerError } from "../errors.js";
import type { ModelOptions } from "./options.js";

/** What a worker can open. */
export type Kind = "sensor" | "conversation" | "live";

/** An error as it can be sent. */
export interface Told {
  name: string;
  message: string;
}

/** To the worker: open a model, call a method of it, or answer what it asked. */
export type Request =
  | { id: number; open: Kind; options: ModelOptions }
  | { id: number; method: string; given: unknown[] }
  | { asked: number; value: unknown }
  | { asked: number; failed: Told };

/** From the worker. */
export type Reply =
  | { kind: "ready" }
  | { kind: "progress"; path: string; done: number; total: number }
  | { kind: "done"; id: number; value: unknown }
  | ({ kind: "failed"; id: number } & Told)
  | { kind: "ask"; id: number; what: string; given: unknown[] };

export function told(error: unknown): Told {
  const { name, message } = (error ?? {}) as Partial<Told>;
  return { name: name ?? "", message: message ?? String(error) };
}

/** The error of a reply, of its own class again. */
export function errorOf({ name, message }: Told): Error {
  const kinds: Record<string, unknown> = { ...errors };
  const kind = kinds[name];
  if (typeof kind === "function" && (kind === MerError || kind.prototype instanceof MerError)) {
    return new (kind as new (message: string) => MerError)(message);
  }
  const error = new Error(message);
  if (name) error.name = name;
  return error;
}
