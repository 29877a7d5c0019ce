/** A sensor and a conversation that are opened by addresses; they run where they are made, in a worker or on a page. */
import { Bundle } from "../contract/bundle.js";
import { Conversation } from "../dialogue/conversation.js";
import type { FaceFinder } from "../frontends/face_crop.js";
import { browserFinder, openFinder } from "../frontends/face_finder.js";
import { fetchVoiceModel, SileroModel } from "../frontends/silero.js";
import { warmUp } from "../runtimes/onnx.js";
import type { Stream } from "../window/alignment.js";
import { PersonalBaseline } from "../window/baseline.js";
import type { EmotionEstimate, UtteranceEstimate } from "../window/estimate.js";
import { EmotionSensor } from "../window/sensor.js";
import type { ModelOptions, OpenOptions, Progress } from "./options.js";
import { type Picture, Pixels } from "./pictures.js";

/** What is known of a sensor once it is open; `finder` is "bundle", "browser" or "centre". */
export interface SensorInfo {
  name: string;
  labels: string[];
  sampleRate: number;
  stepSeconds: number;
  finder: string;
}

/** One utterance with pictures: see `Utterance`. */
export interface SpokenUtterance {
  speaker?: string | null;
  text?: string;
  audio?: { channels: Float32Array[]; sampleRate: number };
  frames?: { picture: Picture; time: number }[];
  time?: number;
}

export async function finderBundleOf({ finder, trust }: ModelOptions, progress?: Progress): Promise<Bundle | null> {
  return finder && finder !== "browser" ? await Bundle.open(finder, false, progress, trust) : null;
}

export async function finderOf(options: ModelOptions, bundle: Bundle | null): Promise<FaceFinder | undefined> {
  if (bundle) return await openFinder(bundle, options);
  return options.finder ? ((await browserFinder()) ?? undefined) : undefined;
}

/** `EmotionSensor` by addresses: see `openSensor` for its methods. */
export class LocalSensor {
  readonly inWorker = false;
  readonly info: SensorInfo;
  private readonly pixels = new Pixels();

  private constructor(private readonly sensor: EmotionSensor) {
    const { name, labels, audio, clock } = sensor.bundle.manifest;
    const finder = sensor.finder.name;
    this.info = { name, labels, sampleRate: audio.sample_rate, stepSeconds: clock.step_ms / 1000, finder };
  }

  static async open(options: OpenOptions, progress?: Progress): Promise<LocalSensor> {
    const { voice, baseline, faces, smoothing, patience, waiting, ort } = options;
    // Everything is fetched together, and the runtime compiles meanwhile; only a TFLite bundle needs another one.
    if (!options.litert && options.provider !== "webgpu") void warmUp(options.threads ?? 1, ort).catch(() => undefined);
    const [bundle, finderBundle, model] = await Promise.all([
      Bundle.open(options.bundle, false, progress, options.trust),
      finderBundleOf(options, progress),
      voice ? fetchVoiceModel(voice.model) : null,
    ]);
    const finder = await finderOf(options, finderBundle);
    const profile = baseline ? new PersonalBaseline(bundle.manifest.baseline) : null;
    await profile?.load(baseline!);
    const given = { faces, smoothing, patience, waiting };
    const chosen = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
    const sensor = await EmotionSensor.open(bundle, {
      ...runtimeOf(options),
      ...chosen,
      ...(finder ? { finder } : {}),
      ...(voice && model ? { voice: { ...voice, model: await SileroModel.open(model, ort) } } : {}),
      ...(profile ? { baseline: profile } : {}),
    });
    return new LocalSensor(sensor);
  }

  async pushAudio(channels: Float32Array[], sampleRate: number, time: number | null = null): Promise<EmotionEstimate[]> {
    return await this.sensor.pushAudio(channels, sampleRate, time);
  }

  async pushFrame(picture: Picture, time: number): Promise<EmotionEstimate[]> {
    return await this.sensor.pushFrame(this.pixels.of(picture), time);
  }

  async flush(): Promise<EmotionEstimate[]> {
    return await this.sensor.flush();
  }

  async reset(): Promise<void> {
    await this.sensor.reset();
  }

  async expect(stream: Stream): Promise<void> {
    this.sensor.expect(stream);
  }

  async release(stream: Stream): Promise<void> {
    this.sensor.release(stream);
  }

  async enrol(seconds?: number): Promise<void> {
    await this.sensor.enrol(seconds);
  }

  async forget(person?: number): Promise<void> {
    await this.sensor.forget(person);
  }

  async saveBaseline(person?: number): Promise<string> {
    return await (person === undefined ? this.sensor.baseline : this.sensor.baselineOf(person)).save();
  }

  async loadBaseline(profile: string): Promise<void> {
    await this.sensor.baseline.load(profile);
  }

  close(): void {
    // Nothing to stop on this thread.
  }
}

/** `Conversation` by addresses: see `openConversation` for its methods. */
export class LocalConversation {
  readonly inWorker = false;
  readonly info: { name: string; labels: string[] };
  private readonly pixels = new Pixels();

  private constructor(private readonly talk: Conversation) {
    const { name, labels } = talk.bundle.manifest;
    this.info = { name, labels };
  }

  static async open(options: ModelOptions, progress?: Progress): Promise<LocalConversation> {
    const bundle = await Bundle.open(options.bundle, false, progress, options.trust);
    const finder = await finderOf(options, await finderBundleOf(options, progress));
    const talk = await Conversation.open(bundle, { ...runtimeOf(options), ...(finder ? { finder } : {}) });
    return new LocalConversation(talk);
  }

  async pushText(text: string, speaker?: string | null, time?: number): Promise<UtteranceEstimate> {
    return await this.talk.pushText(text, speaker, time);
  }

  async pushUtterance({ frames, ...utterance }: SpokenUtterance): Promise<UtteranceEstimate> {
    const seen = frames?.map(({ picture, time }) => ({ frame: this.pixels.of(picture), time }));
    return await this.talk.pushUtterance({ ...utterance, ...(seen ? { frames: seen } : {}) });
  }

  async timeline(): Promise<UtteranceEstimate[]> {
    return [...this.talk.timeline];
  }

  async saveBaseline(speaker: string | null = null): Promise<string> {
    return await this.talk.baseline(speaker).save();
  }

  async loadBaseline(profile: string, speaker: string | null = null): Promise<void> {
    await this.talk.baseline(speaker).load(profile);
  }

  async reset(): Promise<void> {
    await this.talk.reset();
  }

  close(): void {
    // Nothing to stop on this thread.
  }
}

export function runtimeOf({ provider, threads, ort, litert }: ModelOptions): Pick<ModelOptions, "provider" | "threads" | "ort" | "litert"> {
  return Object.fromEntries(Object.entries({ provider, threads, ort, litert }).filter(([, value]) => value !== undefined));
}
