/** Streams in, estimates out: mer_sdk.EmotionSensor in the browser, with the same steps and the same numbers. */
import { toMono } from "./audio";
import type { PersonalBaseline } from "./baseline";
import type { Bundle } from "./bundle";
import { decide, norm, stateOf } from "./decision";
import { StepEngine } from "./engine";
import { cropFace, type FaceFinder, FaceTracker, type FaceView, type Frame } from "./face";
import { CentreFinder } from "./finder";
import { StreamAlignment, type StepInput } from "./alignment";
import { loadGraphs, type RuntimeOptions } from "./runtime";

/** One step's estimate; the fields are those of mer_sdk.EmotionEstimate. */
export interface EmotionEstimate {
  time: number;
  emotion: string;
  confidence: number;
  probabilities: Record<string, number>;
  valence: number;
  arousal: number;
  va_source: string;
  state: string;
  reliance: Record<string, number>;
  face: FaceView | null;
  latency_ms: number;
  dropped: number;
}

/**
 * - `finder`: finds faces, see `openFinder` and `browserFinder`; without one the middle of the frame is taken.
 * - `patience`: seconds by which a stream may lag before a step does without it.
 * - `waiting`: steps that may wait for the device; older ones are left out and counted in `dropped`.
 */
export interface SensorOptions extends RuntimeOptions {
  finder?: FaceFinder;
  baseline?: PersonalBaseline;
  patience?: number;
  waiting?: number;
}

/**
 * Emotion estimates, one per step. Sound and frames are each given in order; a step is finished, and its estimate
 * given, once every stream that began has passed its end.
 */
export class EmotionSensor {
  private alignment: StreamAlignment;
  private tracker = new FaceTracker();
  private queue: StepInput[] = [];
  private dropped = 0;
  private work: Promise<void> = Promise.resolve();

  private constructor(
    readonly bundle: Bundle,
    private readonly engine: StepEngine,
    private readonly options: SensorOptions,
    readonly finder: FaceFinder,
  ) {
    this.alignment = new StreamAlignment(bundle.manifest, options.patience ?? 2);
  }

  /**
   * Load a bundle's graphs and begin a stream.
   *
   * @throws BundleError, RuntimeUnavailable, OptionError see `loadGraphs` and `StepEngine`.
   */
  static async open(bundle: Bundle, options: SensorOptions = {}): Promise<EmotionSensor> {
    bundle.manifest.labels.forEach(norm);
    const graphs = await loadGraphs(bundle, options);
    const engine = new StepEngine(bundle.manifest, graphs);
    engine.reset(options.baseline);
    return new EmotionSensor(bundle, engine, options, options.finder ?? new CentreFinder());
  }

  /** The baseline of the current person. */
  get baseline(): PersonalBaseline {
    return this.engine.baseline;
  }

  /** Wait for a stream before anything of it has come, so that both begin together. */
  expect(stream: "audio" | "video"): void {
    this.alignment.expect(stream);
  }

  /** Do without a stream from now on. */
  release(stream: "audio" | "video"): void {
    this.alignment.release(stream);
  }

  /** Begin a new stream at time 0: empty window, and the baseline given to `open`, or a cold one. */
  async reset(): Promise<void> {
    await this.work;
    this.engine.reset(this.options.baseline);
    this.alignment = new StreamAlignment(this.bundle.manifest, this.options.patience ?? 2);
    this.tracker = new FaceTracker();
    this.queue = [];
    this.dropped = 0;
  }

  /**
   * Give sound; get the estimates of the steps that it finishes.
   *
   * @param channels float32 in [-1, 1], one array a channel.
   * @param sampleRate Hz, the same for the whole stream.
   * @param time seconds from the stream's start to the first sample; null continues where the last piece ended.
   * @throws SignalError not finite, a wrong rate, or sound out of order.
   */
  async pushAudio(
    channels: readonly Float32Array[],
    sampleRate: number,
    time: number | null = null,
  ): Promise<EmotionEstimate[]> {
    this.alignment.addAudio(toMono(channels), sampleRate, time);
    return await this.finished();
  }

  /**
   * Give a video frame; get the estimates of the steps that it finishes. The frame is kept, not copied.
   *
   * @throws SignalError a time that is not finite or goes back.
   */
  async pushFrame(frame: Frame, time: number): Promise<EmotionEstimate[]> {
    this.alignment.addFrame(frame, time);
    return await this.finished();
  }

  /** End the stream: the estimates still due. */
  async flush(): Promise<EmotionEstimate[]> {
    const end = this.alignment.end();
    while (this.alignment.taken < end) this.queue.push(this.alignment.take());
    return await this.estimates();
  }

  private finished(): Promise<EmotionEstimate[]> {
    while (this.alignment.ready()) this.queue.push(this.alignment.take());
    return this.estimates();
  }

  /** Steps are worked off one after the other, whoever asked for them. */
  private estimates(): Promise<EmotionEstimate[]> {
    const made: EmotionEstimate[] = [];
    const turn = this.work.then(async () => {
      while (this.queue.length) {
        const given = this.queue.shift()!;
        if (this.queue.length >= (this.options.waiting ?? Infinity)) {
          this.engine.skip();
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
    const look = await this.look(given);
    const begin = performance.now();
    const features = await this.engine.encode(given.chunk, look?.crop ?? null);
    const output = await this.engine.advance(features, look?.view.id ?? null);
    const state = stateOf(output.present);
    const decided = decide(output.probabilities, manifest, state);
    const dropped = this.dropped;
    this.dropped = 0;
    return {
      time: ((given.number + 1) * manifest.clock.step_ms) / 1000,
      ...decided,
      va_source: manifest.va_source,
      state,
      reliance: output.reliance,
      face: look?.view ?? null,
      latency_ms: performance.now() - begin,
      dropped,
    };
  }

  /** The last face of a step's frames. */
  private async look(given: StepInput): Promise<{ crop: Float32Array; view: FaceView } | null> {
    for (const { time, frame } of given.frames) {
      const view = this.tracker.follow(await this.finder.detect(frame), time);
      const crop = view && cropFace(frame, view.box, this.bundle.manifest.face);
      if (view && crop) return { crop, view };
    }
    return null;
  }
}
