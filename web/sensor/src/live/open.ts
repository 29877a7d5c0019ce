/** A sensor or a conversation by addresses, in a worker unless the page says otherwise. */
import type { Stream } from "../window/alignment.js";
import type { EmotionEstimate, UtteranceEstimate } from "../window/estimate.js";
import type { SensorInfo, SpokenUtterance } from "./local.js";
import { type ModelOptions, type OpenOptions, type Progress, resolved } from "./options.js";
import { checkSimd } from "../runtimes/simd.js";
import { moved, type Picture, plain } from "./pictures.js";
import { callBy, opened, Remote } from "./remote.js";

/** An open sensor, wherever it runs: the methods of `EmotionSensor`, each a promise. */
export interface Sensor {
  /** The bundle's name, its labels, the rate of its sound in Hz, the length of its steps, and what finds faces. */
  readonly info: SensorInfo;
  /** Whether it runs in a worker. */
  readonly inWorker: boolean;
  /** See `EmotionSensor.pushAudio`. */
  pushAudio(channels: Float32Array[], sampleRate: number, time?: number | null): Promise<EmotionEstimate[]>;
  /** See `EmotionSensor.pushFrame`. A bitmap or a video frame is closed once it was read. */
  pushFrame(picture: Picture, time: number): Promise<EmotionEstimate[]>;
  flush(): Promise<EmotionEstimate[]>;
  reset(): Promise<void>;
  expect(stream: Stream): Promise<void>;
  release(stream: Stream): Promise<void>;
  /** The current person is neutral for the next seconds: see `EmotionSensor.enrol`. */
  enrol(seconds?: number): Promise<void>;
  forget(person?: number): Promise<void>;
  /** A person's baseline as a text for the app to keep; the current one's where none is named. */
  saveBaseline(person?: number): Promise<string>;
  /** Continue the current person's baseline from a text that was saved. */
  loadBaseline(profile: string): Promise<void>;
  /** End it, and its worker. */
  close(): void;
}

/** An open dialogue model, wherever it runs: the methods of `Conversation`, each a promise. */
export interface Talk {
  readonly info: { name: string; labels: string[] };
  readonly inWorker: boolean;
  pushText(text: string, speaker?: string | null, time?: number): Promise<UtteranceEstimate>;
  pushUtterance(utterance: SpokenUtterance): Promise<UtteranceEstimate>;
  timeline(): Promise<UtteranceEstimate[]>;
  /** A speaker's baseline of sound and face as a text for the app to keep. */
  saveBaseline(speaker?: string | null): Promise<string>;
  /** Continue a speaker's baseline from a text that was saved. */
  loadBaseline(profile: string, speaker?: string | null): Promise<void>;
  reset(): Promise<void>;
  close(): void;
}

/**
 * Open a window model by the address of its bundle.
 *
 * It runs in a worker, so that the page stays smooth; where no worker can be started, on the page's own thread.
 *
 * @throws BundleError, UntrustedBundle, RuntimeUnavailable, OptionError what is missing, damaged or out of its range.
 */
export async function openSensor(options: OpenOptions, progress?: Progress): Promise<Sensor> {
  checkSimd();
  const whole = resolved(options);
  const remote = whole.worker === false ? null : await Remote.start(progress);
  // What only a worker reads does not burden the page.
  if (!remote) return await (await import("./local.js")).LocalSensor.open(whole, progress);
  return { info: (await opened(remote, "sensor", whole)) as SensorInfo, inWorker: true, ...sensorBy(remote) };
}

/**
 * Open a dialogue model by the address of its bundle; see `openSensor`.
 *
 * @throws BundleError, UntrustedBundle, RuntimeUnavailable, OptionError see `openSensor`.
 */
export async function openConversation(options: ModelOptions, progress?: Progress): Promise<Talk> {
  checkSimd();
  const whole = resolved(options);
  const remote = whole.worker === false ? null : await Remote.start(progress);
  if (!remote) return await (await import("./local.js")).LocalConversation.open(whole, progress);
  const call = callBy(remote);
  return {
    info: (await opened(remote, "conversation", whole)) as Talk["info"],
    inWorker: true,
    pushText: (...given) => call("pushText", given),
    pushUtterance: (utterance) => {
      const pictures = utterance.frames?.map(({ picture }) => picture) ?? [];
      return call("pushUtterance", [utterance], pictures.flatMap(moved));
    },
    timeline: () => call("timeline", []),
    saveBaseline: (speaker) => call("saveBaseline", [speaker]),
    loadBaseline: (profile, speaker) => call("loadBaseline", [profile, speaker]),
    reset: () => call("reset", []),
    close: () => remote.close(),
  };
}

function sensorBy(remote: Remote): Omit<Sensor, "info" | "inWorker"> {
  const call = callBy(remote);
  return {
    pushAudio: (...given) => call("pushAudio", given),
    pushFrame: (picture, time) => call("pushFrame", [plain(picture), time], moved(picture)),
    flush: () => call("flush", []),
    reset: () => call("reset", []),
    expect: (stream) => call("expect", [stream]),
    release: (stream) => call("release", [stream]),
    enrol: (seconds) => call("enrol", [seconds]),
    forget: (person) => call("forget", [person]),
    saveBaseline: (person) => call("saveBaseline", [person]),
    loadBaseline: (profile) => call("loadBaseline", [profile]),
    close: () => remote.close(),
  };
}
