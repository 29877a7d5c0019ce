/** What opens a sensor, in plain values: addresses and numbers, which a worker can be sent. */
import type { LiveOptions } from "../dialogue/options.js";
import type { FaceOptions } from "../frontends/face_tracks.js";
import type { VoiceOptions } from "../frontends/voice_activity.js";
import type { RuntimeOptions } from "../runtimes/runtime.js";
import type { Smoothing } from "../window/smoothing.js";

/**
 * What both kinds of model are opened with. All addresses are read from where the page is.
 *
 * - `bundle`: address of the bundle's folder.
 * - `finder`: address of a face finder's bundle; "browser" for the browser's own where it has one; without it a square in
 *   the middle of the picture is taken.
 * - `trust`: public keys, "ed25519:BASE64", of which one must have signed each bundle.
 * - `worker`: false runs everything on the page's own thread.
 */
export interface ModelOptions extends RuntimeOptions {
  bundle: string;
  finder?: string;
  trust?: string | string[];
  worker?: boolean;
}

/**
 * What a sensor is opened with.
 *
 * - `voice`: steps without speech count as steps without sound; `model` is the address of Silero VAD's silero_vad.onnx.
 * - `baseline`: a profile that was saved before, to begin with.
 * - `faces`, `smoothing`, `patience`, `waiting`: see `SensorOptions`.
 */
export interface OpenOptions extends ModelOptions {
  faces?: FaceOptions;
  smoothing?: Smoothing;
  voice?: VoiceOptions & { model: string };
  baseline?: string;
  patience?: number;
  waiting?: number;
}

/**
 * What a live conversation is opened with; see `LiveOptions` for the rest.
 *
 * - `voice`: `model` is the address of Silero VAD's silero_vad.onnx. When somebody counts as speaking is said by
 *   `utterance.voice`.
 */
export interface LiveTalkOptions extends ModelOptions, LiveOptions {
  voice: { model: string };
}

/** Called while bundles are read: a file that was read, how many of its bundle are, and how many there are. */
export type Progress = (path: string, done: number, total: number) => void;

/** The same options with whole addresses: a worker's own address is another one. */
export function resolved<T extends ModelOptions & { voice?: { model: string } }>(options: T): T {
  const base = globalThis.document?.baseURI ?? globalThis.location?.href;
  const whole = (url: string) => new URL(url, base).href;
  const folder = (url: string) => whole(url.endsWith("/") ? url : `${url}/`);
  const found = { ...options, bundle: folder(options.bundle) };
  if (found.finder && found.finder !== "browser") found.finder = folder(found.finder);
  if (found.ort) found.ort = folder(found.ort);
  if (found.litert) found.litert = folder(found.litert);
  if (found.voice) found.voice = { ...found.voice, model: whole(found.voice.model) };
  return found;
}
