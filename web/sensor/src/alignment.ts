/** From pieces of sound and frames, each in order, to what every step reads: mer_sdk.window.alignment. */
import { AudioFrontend } from "./audio";
import { SignalError } from "./errors";
import type { Frame } from "./face";
import type { Manifest } from "./manifest";

// Finding a face costs more than all graphs together, so a step looks at no more frames than this.
const FRAMES_TRIED = 3;
// Time stamps are compared with this slack, seconds.
const SLACK = 1e-6;

export interface TimedFrame {
  time: number;
  frame: Frame;
}

/** What one step reads: its number from 0, its sound or null, and the frames that may be searched, in order. */
export interface StepInput {
  number: number;
  chunk: Float32Array | null;
  frames: TimedFrame[];
}

type Stream = "audio" | "video";

/** Cuts two streams into steps. A step is over once every stream that is waited for has passed its end. */
export class StreamAlignment {
  private readonly step: number;
  private readonly audio: AudioFrontend;
  private readonly expected = new Set<Stream>();
  private done = 0;
  private audioMade = 0;
  /** Step -> its chunk, null where the sound has a gap; complete and not taken yet. */
  private readonly chunks = new Map<number, Float32Array | null>();
  private readonly frames = new Map<number, TimedFrame[]>();
  private beganVideo = false;
  private videoTime = 0;
  private frameGap = 0;

  /** @param patience seconds by which a stream may lag behind the other before a step does without it. */
  constructor(
    manifest: Manifest,
    private readonly patience: number,
  ) {
    this.step = manifest.clock.step_ms / 1000;
    this.audio = new AudioFrontend(manifest.audio, manifest.clock);
  }

  /** Seconds up to which sound was given. */
  get audioTime(): number {
    return this.audio.time;
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
  addAudio(mono: Float32Array, sampleRate: number, time: number | null): void {
    this.queue(this.audio.push(mono, sampleRate, time));
    this.expected.add("audio");
  }

  /** See `EmotionSensor.pushFrame`. */
  addFrame(frame: Frame, time: number): void {
    if (!Number.isFinite(time) || time < this.videoTime - SLACK) {
      throw new SignalError(
        `a frame at ${time} s came after one at ${this.videoTime.toFixed(3)} s; push frames in order`,
      );
    }
    this.expected.add("video");
    // A frame is shown until the next one: the last frame's end is guessed from the gap before it.
    this.frameGap = this.beganVideo ? time - this.videoTime : 0;
    const number = this.number(time);
    this.beganVideo = true;
    this.videoTime = time;
    if (number < this.done) return;
    const kept = this.frames.get(number) ?? [];
    kept.push({ time, frame });
    this.frames.set(number, kept);
  }

  /** Whether the next step is over. */
  ready(): boolean {
    const streams = ["audio", "video"] as const;
    const lead = Math.max(this.audioMade * this.step, this.videoTime) - (this.done + 1) * this.step;
    const waits = streams.some((name) => this.expected.has(name) && this.lags(name) && lead <= this.patience);
    return !waits && !streams.every((name) => this.lags(name));
  }

  /** The next step, with what is there of it. */
  take(): StepInput {
    const number = this.done++;
    const chunk = this.chunks.get(number) ?? null;
    const frames = this.frames.get(number) ?? [];
    this.chunks.delete(number);
    this.frames.delete(number);
    return { number, chunk, frames: searched(frames) };
  }

  /** End the streams; gives the number of steps in all. An incomplete last step counts where half of it is there. */
  end(): number {
    this.queue(this.audio.flush());
    const videoEnd = this.videoTime + Math.min(this.frameGap, this.step);
    const videoSteps = this.beganVideo ? Math.floor(videoEnd / this.step + 0.5) : 0;
    return Math.max(this.audioMade, videoSteps, this.frames.size && this.done === 0 ? 1 : 0);
  }

  /** Steps taken so far. */
  get taken(): number {
    return this.done;
  }

  private lags(stream: Stream): boolean {
    if (stream === "audio") return this.audioMade <= this.done;
    // A frame at the very end belongs to the next step, so it also proves that this step is over.
    return this.videoTime < (this.done + 1) * this.step - SLACK;
  }

  private number(time: number): number {
    return Math.floor((time + SLACK) / this.step);
  }

  private queue(steps: { chunk: Float32Array; covered: boolean }[]): void {
    for (const { chunk, covered } of steps) {
      if (this.audioMade >= this.done) this.chunks.set(this.audioMade, covered ? chunk : null);
      this.audioMade += 1;
    }
  }
}

/** Those of a step's frames that are searched for a face, the last one first: spread evenly over the step. */
function searched(frames: TimedFrame[]): TimedFrame[] {
  const count = Math.min(FRAMES_TRIED, frames.length);
  const picks = new Set<number>();
  for (let i = 0; i < count; i++) picks.add(count === 1 ? 0 : halfEven((i * (frames.length - 1)) / (count - 1)));
  return [...picks].sort((a, b) => b - a).map((pick) => frames[pick]!);
}

/** Rounding as numpy does it: halves to the even neighbour. */
function halfEven(value: number): number {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
