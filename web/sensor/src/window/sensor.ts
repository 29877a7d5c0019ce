/** Streams in, estimates out: mer_sdk.EmotionSensor in the browser, with the same steps and the same numbers. */
import type { Bundle } from "../contract/bundle.js";
import { OptionError } from "../errors.js";
import type { FaceFinder, Frame } from "../frontends/face_crop.js";
import { CentreFinder } from "../frontends/face_finder.js";
import { type FaceOptions, FaceTracks } from "../frontends/face_tracks.js";
import { halfEven } from "../frontends/rounding.js";
import { type SpeechModel, VOICE_RATE, VoiceActivity, type VoiceOptions } from "../frontends/voice_activity.js";
import { loadGraphs, type RuntimeOptions } from "../runtimes/runtime.js";
import { type Stream, StreamAlignment, type StepInput } from "./alignment.js";
import { PersonalBaseline } from "./baseline.js";
import { norm } from "./decision.js";
import { StepEngine } from "./engine.js";
import type { EmotionEstimate } from "./estimate.js";
import { postprocess } from "./postprocessing.js";
import { Smoother, type Smoothing } from "./smoothing.js";

// A stream that lags by more than this is taken as missing, so that a camera that stops does not stop the sound.
const PATIENCE_SECONDS = 2;
// Seconds: nobody is at rest for longer.
const LONGEST_ENROLMENT = 3600;

/**
 * - `finder`: finds faces, see `openFinder` and `browserFinder`; without one the middle of the frame is taken.
 * - `faces`: how faces are followed, and how many.
 * - `smoothing`: how steady the output is; without it every step is as its window says.
 * - `voice`: steps without speech count as steps without sound; without it all sound counts.
 * - `baseline`: to begin each stream with, as a copy; without it a stream begins cold.
 * - `patience`: seconds by which a stream may lag before a step does without it; 2 unless said otherwise.
 * - `waiting`: steps that may wait for the device; older ones are left out and counted in `dropped`.
 */
export interface SensorOptions extends RuntimeOptions {
  finder?: FaceFinder;
  faces?: FaceOptions;
  smoothing?: Smoothing;
  voice?: VoiceOptions & { model: SpeechModel };
  baseline?: PersonalBaseline;
  patience?: number;
  waiting?: number;
}

/**
 * Emotion estimates, one per step. Sound and frames are each given in order; a step is finished, and its estimate
 * given, once every stream that began has passed its end. Each person (`face.id`) has a baseline of their own.
 */
export class EmotionSensor {
  private readonly tracks: FaceTracks;
  private readonly voice: VoiceActivity | null;
  private readonly smoother: Smoother;
  private readonly otherSmoother: Smoother;
  private readonly step: number;
  private readonly stepSamples: number;
  private alignment: StreamAlignment;
  private beforeSpeech: (Float32Array | null)[] = [];
  private queue: (StepInput | number)[] = [];
  private dropped = 0;
  private work: Promise<void> = Promise.resolve();

  private constructor(
    readonly bundle: Bundle,
    private readonly engine: StepEngine,
    private readonly options: SensorOptions,
    readonly finder: FaceFinder,
    // Each stream begins with a copy: what one stream learns is no part of the next one.
    private readonly given: PersonalBaseline | undefined,
  ) {
    const { manifest } = bundle;
    const { voice } = options;
    if (voice && manifest.audio.sample_rate !== VOICE_RATE) {
      throw new OptionError(
        `voice activity hears ${VOICE_RATE} Hz, ${manifest.name} reads ${manifest.audio.sample_rate} Hz; leave voice out`,
      );
    }
    this.step = manifest.clock.step_ms / 1000;
    this.stepSamples = Math.floor((manifest.audio.sample_rate * manifest.clock.step_ms) / 1000);
    this.tracks = new FaceTracks(finder, manifest.face, options.faces);
    this.voice = voice ? new VoiceActivity(voice.model, voice) : null;
    this.smoother = new Smoother(options.smoothing);
    this.otherSmoother = new Smoother(options.smoothing);
    this.alignment = this.aligned();
  }

  /**
   * Load a bundle's graphs and begin a stream.
   *
   * @throws BundleError, RuntimeUnavailable, OptionError see `loadGraphs` and `StepEngine`; an option out of its range.
   */
  static async open(bundle: Bundle, options: SensorOptions = {}): Promise<EmotionSensor> {
    bundle.manifest.labels.forEach(norm);
    const graphs = await loadGraphs(bundle, options);
    const engine = new StepEngine(bundle.manifest, graphs);
    const given = options.baseline?.copy();
    engine.reset(given?.copy());
    return new EmotionSensor(bundle, engine, options, options.finder ?? new CentreFinder(), given);
  }

  /** The baseline of the current person. */
  get baseline(): PersonalBaseline {
    return this.engine.baseline;
  }

  /** Ids of those who have a baseline, the current person last. */
  get persons(): number[] {
    return this.engine.persons;
  }

  /** How often the finder has searched a frame in this stream. */
  get searches(): number {
    return this.tracks.searches;
  }

  /** Seconds of sound or face that the enrolment begun by `enrol` still wants; 0 where there is none. */
  get enrolling(): number {
    return this.engine.enrolling * this.step;
  }

  /** The baseline of a person, by `face.id`. @throws OptionError nobody of that id is known. */
  baselineOf(person: number): PersonalBaseline {
    return this.engine.baselineOf(person);
  }

  /**
   * Learn how the current person is at rest: the baseline begins anew with the next seconds, which are neutral. Where
   * somebody else comes to the fore meanwhile the enrolment ends early.
   *
   * @throws OptionError not a positive number of at most an hour.
   */
  async enrol(seconds = 4): Promise<void> {
    if (!(seconds > 0 && seconds <= LONGEST_ENROLMENT)) {
      throw new OptionError(`an enrolment of ${seconds} s was asked for; give a positive number, such as 4, of at most ${LONGEST_ENROLMENT}`);
    }
    await this.betweenSteps(() => this.engine.enrol(Math.max(1, halfEven(seconds / this.step))));
  }

  /**
   * Forget a person, by `face.id`, baseline and looks; the current one where none is named. Who is still in the picture
   * is somebody new from the next step on.
   *
   * @throws OptionError nobody of that id is known.
   */
  async forget(person?: number): Promise<void> {
    await this.betweenSteps(() => {
      const who = person ?? this.engine.person;
      this.engine.forget(who);
      this.tracks.forget(who);
    });
  }

  /** Wait for a stream before anything of it has come, so that both begin together. */
  expect(stream: Stream): void {
    this.alignment.expect(stream);
  }

  /** Do without a stream from now on. */
  release(stream: Stream): void {
    this.alignment.release(stream);
  }

  /** Begin a new stream at time 0: empty window, and the baseline given to `open`, or a cold one. */
  async reset(): Promise<void> {
    await this.work;
    this.engine.reset(this.given?.copy());
    this.tracks.reset();
    this.voice?.reset();
    this.smoother.reset();
    this.otherSmoother.reset();
    this.alignment = this.aligned();
    this.beforeSpeech = [];
    this.queue = [];
    this.dropped = 0;
  }

  /**
   * Give sound; get the estimates of the steps that it finishes.
   *
   * @param channels float32 in [-1, 1], one array a channel.
   * @param sampleRate Hz. Another rate than before begins the sound anew.
   * @param time seconds at the first sample, on the clock of the frames; null continues where the last piece ended.
   *   Where the first stamp is over a window (4 s) from 0, time begins there.
   * @throws SignalError not finite, a wrong rate, or sound out of order.
   */
  async pushAudio(
    channels: readonly Float32Array[],
    sampleRate: number,
    time: number | null = null,
  ): Promise<EmotionEstimate[]> {
    this.alignment.addAudio(channels, sampleRate, time);
    return await this.finished();
  }

  /**
   * Give a video frame; get the estimates of the steps that it finishes. The frame is kept, not copied, and is shown
   * until the next one, for 10 s at most.
   *
   * @throws SignalError a time that is not finite or goes back.
   */
  async pushFrame(frame: Frame, time: number): Promise<EmotionEstimate[]> {
    this.alignment.addFrame(frame, time);
    return await this.finished();
  }

  /** End the stream: the estimates still due, and what is left in the window goes into the baseline. */
  async flush(): Promise<EmotionEstimate[]> {
    const end = this.alignment.end();
    while (this.alignment.taken < end) this.take();
    const made = await this.estimates();
    this.engine.finish();
    return made;
  }

  /** Once the steps that are due are made, and before any later one. */
  private betweenSteps(change: () => void): Promise<void> {
    const turn = this.work.then(change);
    this.work = turn.catch(() => undefined);
    return turn;
  }

  private aligned(): StreamAlignment {
    return new StreamAlignment(this.bundle.manifest, this.options.patience ?? PATIENCE_SECONDS);
  }

  private finished(): Promise<EmotionEstimate[]> {
    while (this.alignment.ready()) this.take();
    return this.estimates();
  }

  /** Queue the next step that may hold anything, or how many steps of a long pause are passed over. */
  private take(): void {
    const due = this.alignment.taken;
    this.alignment.skipEmpty(this.bundle.manifest.clock.window_steps);
    const passed = this.alignment.taken - due;
    this.queue.push(passed || this.alignment.take());
  }

  /** Steps are worked off one after the other, whoever asked for them. */
  private estimates(): Promise<EmotionEstimate[]> {
    const made: EmotionEstimate[] = [];
    const turn = this.work.then(async () => {
      while (this.queue.length) {
        const given = this.queue.shift()!;
        if (typeof given === "number") {
          this.skip(given);
        } else if (this.queue.length >= (this.options.waiting ?? Infinity)) {
          this.skip(1);
          this.dropped += 1;
        } else {
          made.push(await this.estimate(given));
        }
      }
    });
    // A step that failed is told to whoever asked for it, and does not stop the next one.
    this.work = turn.catch(() => undefined);
    return turn.then(() => made);
  }

  private async estimate(given: StepInput): Promise<EmotionEstimate> {
    const { manifest } = this.bundle;
    const end = (given.number + 1) * this.step;
    this.tracks.passTime(given.number * this.step);
    const [first, ...rest] = await this.tracks.look(given.frames, given.chunk);
    const speech = await this.hears(given.chunk);
    const begin = performance.now();
    const features = await this.engine.encode(speech === false ? null : given.chunk, first?.crop ?? null);
    await this.recall(given.chunk, speech);
    // Of the steps before this one those stay in the window that belong to the same utterance.
    if (this.voice?.cuts) this.engine.beginWindow(Math.max(0, Math.floor(this.voice.fresh / this.stepSamples) - 1));
    const faces = new Map<number, Float32Array>();
    for (const { crop, view } of rest) faces.set(view.id, (await this.engine.encode(null, crop)).face!);
    const output = await this.engine.advance(features, first?.view.id ?? null, faces);
    const others: EmotionEstimate[] = [];
    for (const { view } of rest) {
      const seen = await this.engine.lookAt(view.id);
      others.push(postprocess(seen, manifest, this.otherSmoother, end, view, begin));
    }
    const estimate = postprocess(output, manifest, this.smoother, end, first?.view ?? null, begin, speech);
    const dropped = this.dropped;
    this.dropped = 0;
    return { ...estimate, others, enrolling: this.enrolling, dropped };
  }

  /** Steps without an estimate: they stand in the window as missing. */
  private skip(steps: number): void {
    const most = Math.min(steps, this.bundle.manifest.clock.window_steps);
    if (this.voice) {
      if (this.voice.undecided) for (let step = 0; step < most; step++) this.beforeSpeech.push(null);
      this.voice.gap(steps * this.stepSamples);
    }
    for (let step = 0; step < most; step++) this.engine.skip();
  }

  /** Hold back the sound of a stream's first steps, and let it count once somebody speaks. */
  private async recall(chunk: Float32Array | null, speech: boolean | null): Promise<void> {
    if (!this.voice) return;
    if (speech && this.beforeSpeech.length) this.engine.recallSound(this.beforeSpeech);
    if (this.voice.undecided) this.beforeSpeech.push(chunk && (await this.engine.encode(chunk, null)).audio);
    else this.beforeSpeech = [];
  }

  /** Whether a step's sound counts as speech; null where that is not asked, or there is no sound. */
  private async hears(chunk: Float32Array | null): Promise<boolean | null> {
    if (!this.voice) return null;
    if (chunk) return await this.voice.step(chunk.slice(-this.stepSamples));
    this.voice.gap(this.stepSamples);
    return null;
  }
}
