/** From pieces of sound and frames, each in order, to what every step reads: mer_sdk.window.alignment. */
import type { Manifest } from "../contract/manifest_fields.js";
import { SignalError } from "../errors.js";
import { AudioFrontend, type AudioStep, checkSound } from "../frontends/audio.js";
import type { Frame } from "../frontends/face_crop.js";
import { searched, type TimedFrame } from "../frontends/face_tracks.js";

// Time stamps are compared with this slack, seconds.
const SLACK = 1e-6;
// Seconds; more are milliseconds, microseconds or nanoseconds of a clock, and no arithmetic of steps holds them.
const LATEST = 1e11;

/** The number of the step that a time lies in, both in seconds. */
export function stepNumber(time: number, step: number): number {
  return Math.floor((time + SLACK) / step);
}
// A picture lasts until the next one, for so long at most, seconds: the one before a pause says nothing of the pause.
const HELD_SECONDS = 10;
const STREAMS = ["audio", "video"] as const;
export type Stream = (typeof STREAMS)[number];

/** What one step reads: its number from 0, its sound or null, and the frames that may be searched, in order. */
export interface StepInput {
  number: number;
  chunk: Float32Array | null;
  frames: TimedFrame[];
}

/**
 * Cuts two streams into steps. A step is over once every stream that is waited for has passed its end. Time counts from 0
 * or, where the first stamp is over a window later, from the step of that stamp: any clock will do. Sound that goes on
 * after a gap of over a window, or at another rate, begins anew.
 */
export class StreamAlignment {
  private readonly step: number;
  private readonly window: number;
  private readonly expected = new Set<Stream>();
  private audio: AudioFrontend;
  private done = 0;
  private first = 0;
  /** Step at which the present sound began, and steps of sound that are complete. */
  private audioBase = 0;
  private audioMade = 0;
  private audioRate: number | null = null;
  private audioSteps: { number: number; step: AudioStep }[] = [];
  private readonly frames = new Map<number, TimedFrame[]>();
  private held: TimedFrame | null = null;
  private began = false;
  private beganVideo = false;
  private ended = false;
  private videoTime = 0;
  private videoEnd = 0;

  /** @param patience seconds by which a stream may lag behind the other before a step does without it. */
  constructor(
    private readonly manifest: Manifest,
    private readonly patience: number,
  ) {
    this.step = manifest.clock.step_ms / 1000;
    this.window = manifest.clock.window_steps * this.step;
    this.audio = new AudioFrontend(manifest.audio, manifest.clock);
  }

  /** Seconds up to which sound was given. */
  get audioTime(): number {
    return this.audioBase * this.step + this.audio.time;
  }

  /** Steps taken so far, or passed over. */
  get taken(): number {
    return this.done;
  }

  /** Wait for a stream although nothing of it has come yet. */
  expect(stream: Stream): void {
    this.expected.add(stream);
  }

  /** Do not wait for a stream any more, such as a camera that was switched off. */
  release(stream: Stream): void {
    this.expected.delete(stream);
  }

  /** See `EmotionSensor.pushAudio`. */
  addAudio(channels: readonly Float32Array[], sampleRate: number, given: number | null): void {
    let time = given;
    this.checkOpen();
    // What is refused changes nothing.
    checkSound(channels, sampleRate);
    if (time !== null) {
      checkTime("sound", time);
      this.begin(time);
    }
    // What was missed is over.
    if (time === null && this.done * this.step - this.audioTime > this.window) time = this.done * this.step;
    const changed = this.audioRate !== null && this.audioRate !== sampleRate;
    if (changed) time ??= this.audioTime;
    if (time !== null && (changed || time - this.audioTime > this.window)) this.restartAudio(time);
    const base = this.audioBase * this.step;
    if (time !== null && this.audio.time === 0 && base - time > this.window) {
      throw new SignalError(
        `sound at ${time.toFixed(3)} s, and the stream began at ${base.toFixed(3)} s: stamp sound and pictures by one clock`,
      );
    }
    this.queue(this.audio.push(channels, sampleRate, time === null ? null : time - base));
    this.began = true;
    this.expected.add("audio");
    this.audioRate = sampleRate;
  }

  /** See `EmotionSensor.pushFrame`. */
  addFrame(frame: Frame, time: number): void {
    this.checkOpen();
    checkTime("a frame", time);
    if (time < this.videoTime - SLACK) {
      throw new SignalError(
        `a frame at ${time} s came after one at ${this.videoTime.toFixed(3)} s; push frames in order`,
      );
    }
    this.begin(time);
    this.expected.add("video");
    this.hold(this.number(time), time);
    // A frame is shown until the next one: the last frame's end is guessed from the gap before it.
    const gap = this.beganVideo ? Math.min(time - this.videoTime, this.step) : 0;
    const [number, last] = [this.number(time), this.number(this.videoTime)];
    const before = this.frames.get(last);
    if (number > last && before) this.frames.set(last, kept(before));
    this.began = this.beganVideo = true;
    this.videoTime = time;
    this.videoEnd = time + gap;
    this.held = { time, frame };
    if (number < this.done) return;
    const present = this.frames.get(number) ?? [];
    present.push({ time, frame });
    this.frames.set(number, present);
  }

  /** Whether the next step is over. */
  ready(): boolean {
    const ahead = Math.max(this.audioMade * this.step, this.videoTime) - (this.done + 1) * this.step;
    const waits = STREAMS.some((name) => this.expected.has(name) && this.lags(name) && ahead <= this.patience);
    return !waits && !STREAMS.every((name) => this.lags(name));
  }

  /** The next step, with what is there of it. */
  take(): StepInput {
    const number = this.done++;
    let chunk: Float32Array | null = null;
    while (this.audioSteps.length && this.audioSteps[0]!.number <= number) {
      const { number: owner, step } = this.audioSteps.shift()!;
      if (owner === number && step.covered) chunk = step.chunk;
    }
    const frames = kept(this.frames.get(number) ?? []);
    this.frames.delete(number);
    return { number, chunk, frames };
  }

  /** Where the next step is over: go on to the first that can hold anything, if over `least` before it cannot. */
  skipEmpty(least: number): void {
    const starts = this.audioSteps.length ? [this.audioSteps[0]!.number] : [];
    if (this.frames.size) starts.push(Math.min(...this.frames.keys()));
    if (!starts.length) {
      if (!this.lags("audio")) starts.push(this.audioMade);
      if (!this.lags("video")) starts.push(this.number(this.videoTime));
    }
    const next = Math.min(...starts);
    if (starts.length && next - this.done > least) this.done = next;
  }

  /** End the streams; gives the number of steps in all. An incomplete last step counts where half of it is there. */
  end(): number {
    this.ended = true;
    this.queue(this.audio.flush());
    const videoSteps = this.beganVideo ? Math.floor(this.videoEnd / this.step + 0.5) : 0;
    this.hold(this.number(this.videoEnd) + 1, this.videoEnd);
    return Math.max(this.audioMade, videoSteps, this.frames.size && this.done === this.first ? this.done + 1 : 0);
  }

  private checkOpen(): void {
    if (this.ended) {
      throw new SignalError("the stream was ended by flush(): reset() begins another one, to push to");
    }
  }

  /** Sound goes on after a long gap, or at another rate; the new sound has nothing before it. */
  private restartAudio(time: number): void {
    this.queue(this.audio.flush());
    this.audio = new AudioFrontend(this.manifest.audio, this.manifest.clock);
    this.audioBase = this.audioMade = Math.max(this.audioMade, this.number(time));
  }

  /** Where this is the first stamp, and far from 0, begin there. */
  private begin(time: number): void {
    if (!this.began && time > this.window) {
      this.done = this.first = this.audioBase = this.audioMade = this.number(time);
      this.videoTime = this.done * this.step;
    }
    this.began = true;
  }

  /** Show the present picture up to `until` seconds in the steps before `number`, which have none of their own. */
  private hold(number: number, until: number): void {
    if (!this.held) return;
    const { time: begin, frame } = this.held;
    const last = Math.min(number, this.number(Math.min(until, begin + HELD_SECONDS) - 2 * SLACK) + 1);
    for (let place = Math.max(this.done, this.number(begin) + 1); place < last; place++) {
      this.frames.set(place, [{ time: place * this.step, frame }]);
    }
  }

  private lags(stream: Stream): boolean {
    if (stream === "audio") return this.audioMade <= this.done;
    // A frame at the very end belongs to the next step, so it also proves that this step is over.
    return this.videoTime < (this.done + 1) * this.step - SLACK;
  }

  private number(time: number): number {
    return stepNumber(time, this.step);
  }

  private queue(steps: AudioStep[]): void {
    for (const step of steps) {
      if (this.audioMade >= this.done) this.audioSteps.push({ number: this.audioMade, step });
      this.audioMade += 1;
    }
  }
}

/** @throws SignalError a time stamp of what is named that is not finite, or too large for seconds. */
export function checkTime(what: string, time: number): void {
  if (!Number.isFinite(time)) {
    throw new SignalError(`${what} at ${time} s: give a number of seconds, on the clock that all streams share`);
  }
  if (Math.abs(time) > LATEST) {
    throw new SignalError(`${what} at ${time} s: give seconds; divide milliseconds by 1e3 and nanoseconds by 1e9`);
  }
}

/** Those of a step's frames that may be looked at; the others need not be kept. */
function kept(frames: TimedFrame[]): TimedFrame[] {
  return searched(frames.length).map((pick) => frames[pick]!);
}
