/** Utterances of a dialogue in, estimates out: mer_sdk.Conversation in the browser. */
import type { Bundle } from "../contract/bundle.js";
import { type Manifest, modalities } from "../contract/manifest_fields.js";
import { OptionError, SignalError } from "../errors.js";
import { AudioFrontend } from "../frontends/audio.js";
import type { FaceFinder } from "../frontends/face_crop.js";
import { CentreFinder } from "../frontends/face_finder.js";
import { FaceTracks, type TimedFrame } from "../frontends/face_tracks.js";
import { loadGraphs, type RuntimeOptions } from "../runtimes/runtime.js";
import type { PersonalBaseline } from "../window/baseline.js";
import { decide, norm } from "../window/decision.js";
import { stepNumber } from "../window/alignment.js";
import { stateOf, type UtteranceEstimate } from "../window/estimate.js";
import { DialogueEngine, type DialogueOutput, type EncodeText } from "./engine.js";

/**
 * - `finder`: see `SensorOptions`; used where the bundle reads faces.
 * - `encodeText`: gives the features of a text where the bundle has no text graph.
 */
export interface ConversationOptions extends RuntimeOptions {
  finder?: FaceFinder;
  encodeText?: EncodeText;
}

/**
 * One utterance, whole. What is left out is a missing modality; a text without a word is one, too.
 *
 * - `speaker`: who said it; none where that is unknown.
 * - `text`: what was said.
 * - `audio`: one array a channel, in [-1, 1], and its rate in Hz.
 * - `frames`: in order, stamped in seconds since the utterance began.
 * - `time`: seconds since the dialogue began, not before the last utterance's; only handed on to the estimate.
 */
export interface Utterance {
  speaker?: string | null;
  text?: string;
  audio?: { channels: readonly Float32Array[]; sampleRate: number };
  frames?: readonly TimedFrame[];
  time?: number;
}

/**
 * Emotion estimates, one per utterance, made from it and the utterances before. The window holds the last N utterances;
 * of speakers the network is told numbers in order of first appearance there.
 */
export class Conversation {
  /** What the bundle reads of text, audio and face. */
  readonly reads: string[];
  private made: UtteranceEstimate[] = [];
  private time = -Infinity;
  private work: Promise<unknown> = Promise.resolve();

  private constructor(
    readonly bundle: Bundle,
    private readonly engine: DialogueEngine,
    private readonly finder: FaceFinder,
  ) {
    this.reads = [...modalities(bundle.manifest)];
  }

  /**
   * Load a dialogue bundle's graphs.
   *
   * @throws BundleError, RuntimeUnavailable, OptionError see `loadGraphs` and `DialogueEngine`.
   */
  static async open(bundle: Bundle, options: ConversationOptions = {}): Promise<Conversation> {
    bundle.manifest.labels.forEach(norm);
    // Before the graphs are loaded, which take longer.
    const { dialogue, name } = bundle.manifest;
    if (!dialogue) throw new OptionError(`${name} is no dialogue model: open it with openSensor or openFinder`);
    const engine = new DialogueEngine(bundle.manifest, await loadGraphs(bundle, options), options.encodeText);
    return new Conversation(bundle, engine, options.finder ?? new CentreFinder());
  }

  /** All estimates of this dialogue so far, in order. */
  get timeline(): readonly UtteranceEstimate[] {
    return this.made;
  }

  /** A speaker's baseline of sound and face. */
  baseline(speaker: string | null = null): PersonalBaseline {
    return this.engine.baseline(speaker);
  }

  /** Begin a new dialogue: empty window, empty timeline, cold baselines. */
  async reset(): Promise<void> {
    await this.work;
    this.engine.reset();
    this.made = [];
    this.time = -Infinity;
  }

  /** `pushUtterance` with nothing but words. */
  async pushText(text: string, speaker: string | null = null, time?: number): Promise<UtteranceEstimate> {
    return await this.pushUtterance({ text, speaker, ...(time === undefined ? {} : { time }) });
  }

  /**
   * Give one utterance; get its estimate.
   *
   * @throws OptionError a modality that the bundle does not read.
   * @throws SignalError half of a surrogate pair, bad sound or frames, or a time that is not finite or goes back.
   */
  pushUtterance(utterance: Utterance): Promise<UtteranceEstimate> {
    // One after the other, whoever asks; one that failed leaves the dialogue as it was.
    const turn = this.work.then(() => this.push(utterance));
    this.work = turn.catch(() => undefined);
    return turn;
  }

  private async push(utterance: Utterance): Promise<UtteranceEstimate> {
    const { manifest } = this.bundle;
    this.check(utterance);
    const { text, audio, frames, speaker = null, time } = utterance;
    const crops = frames ? await this.crops(frames) : [];
    const begin = performance.now();
    const features = new Map<string, readonly Float32Array[]>();
    const words = text === undefined ? null : await this.engine.read(text);
    if (words) features.set("text", words);
    const heard = audio ? await this.hear(audio) : null;
    if (heard) features.set("audio", heard);
    if (crops.length) features.set("face", await this.engine.encode("face", crops));
    const output = await this.engine.advance(features, speaker);
    this.time = time ?? this.time;
    const estimate = estimateOf(output, manifest, this.made.length, utterance, begin);
    this.made.push(estimate);
    return estimate;
  }

  /** Refuse before anything is changed, so that a bad utterance leaves the dialogue as it was. */
  private check({ text, audio, frames, time }: Utterance): void {
    for (const [name, value] of Object.entries({ text, audio, face: frames })) {
      if (value !== undefined && !this.reads.includes(name)) {
        throw new OptionError(
          `${this.bundle.manifest.name} reads ${this.reads.join(", ")}, no ${name}: leave it out, or open a bundle ` +
            "that reads it",
        );
      }
    }
    if (time !== undefined && !(Number.isFinite(time) && time >= this.time)) {
      throw new SignalError(`an utterance at ${time} s came after one at ${this.time.toFixed(3)} s; push them in order`);
    }
  }

  /** Audio features of each step; null where there is no sample. */
  private async hear({ channels, sampleRate }: NonNullable<Utterance["audio"]>): Promise<Float32Array[] | null> {
    const frontend = new AudioFrontend(this.bundle.manifest.audio, this.bundle.manifest.clock);
    const steps = [...frontend.push(channels, sampleRate), ...frontend.flush()];
    return steps.length ? await this.engine.encode("audio", steps.map(({ chunk }) => chunk)) : null;
  }

  /** The face of each step of an utterance, as the sensor finds it; steps without one are left out. */
  private async crops(frames: readonly TimedFrame[]): Promise<Float32Array[]> {
    const { clock, face } = this.bundle.manifest;
    const steps = new Map<number, TimedFrame[]>();
    let last = 0;
    for (const one of frames) {
      if (!(Number.isFinite(one.time) && one.time >= last)) {
        throw new SignalError(`a frame at ${one.time} s came after one at ${last.toFixed(3)} s; give frames in order`);
      }
      last = one.time;
      const step = stepNumber(one.time, clock.step_ms / 1000);
      steps.set(step, [...(steps.get(step) ?? []), one]);
    }
    // An utterance shows its speaker, so each is watched anew.
    const tracks = new FaceTracks(this.finder, face);
    const crops: Float32Array[] = [];
    for (const step of [...steps.keys()].sort((a, b) => a - b)) {
      for (const { crop } of await tracks.look(steps.get(step)!, null)) crops.push(crop);
    }
    return crops;
  }
}

function estimateOf(
  output: DialogueOutput,
  manifest: Manifest,
  index: number,
  { text, speaker, time }: Utterance,
  begin: number,
): UtteranceEstimate {
  const state = stateOf(output.present);
  return {
    index,
    time: time ?? null,
    speaker: speaker ?? null,
    text: text ?? null,
    ...decide(output.probabilities, manifest, state),
    va_source: manifest.va_source,
    state,
    reliance: output.reliance,
    latency_ms: performance.now() - begin,
  };
}
