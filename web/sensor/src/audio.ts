/** From mono sound of any rate, in pieces of any size, to the audio chunk of each step: mer_sdk.frontends.audio. */
import { SignalError } from "./errors";
import type { AudioContract, Clock } from "./manifest";
import { joined, Resampler } from "./resampler";

// Time stamps jitter by some milliseconds; only a larger jump is a gap in the recording.
const GAP_SECONDS = 0.05;

/** The chunk of one step, and whether at least half of the step's own samples were recorded. */
export interface AudioStep {
  chunk: Float32Array;
  covered: boolean;
}

/**
 * Mono samples in [-1, 1] from the channels of an AudioBuffer or a worklet.
 *
 * @param channels float32 of one length each; a little over full scale, as lossy decoders give, is clipped.
 * @param start position of the first sample in the stream, for messages.
 * @throws SignalError no channel, channels of different lengths, or a value that is not finite.
 */
export function toMono(channels: readonly Float32Array[], start = 0): Float32Array {
  const length = channels[0]?.length;
  if (length === undefined || channels.some((channel) => channel.length !== length)) {
    throw new SignalError("sound needs one or more channels of the same length");
  }
  const mono = new Float32Array(length);
  for (let i = 0; i < length; i++) {
    let sum = 0;
    for (const channel of channels) sum += channel[i]!;
    if (!Number.isFinite(sum)) {
      throw new SignalError(`PCM sample ${start + i} is not a finite number; check the source, or replace it by 0`);
    }
    mono[i] = Math.min(1, Math.max(-1, sum / channels.length));
  }
  return mono;
}

/** Cuts samples at the contract's rate into chunks: the last `chunk` samples before the end of each step. */
class ChunkBuffer {
  private buffer: Float32Array;
  private readonly context: number;

  constructor(
    private readonly chunk: number,
    private readonly step: number,
  ) {
    this.context = Math.max(0, chunk - step);
    this.buffer = new Float32Array(this.context);
  }

  /** Samples of the step that is not complete yet. */
  get pending(): number {
    return this.buffer.length - this.context;
  }

  push(samples: Float32Array): Float32Array[] {
    this.buffer = joined(this.buffer, samples);
    const chunks: Float32Array[] = [];
    while (this.buffer.length >= this.context + this.step) {
      const end = this.context + this.step;
      chunks.push(this.buffer.slice(Math.max(0, end - this.chunk), end));
      this.buffer = this.buffer.slice(this.step);
    }
    return chunks;
  }
}

/**
 * Sound with time stamps in, the chunk of each step out. Before a late start and in gaps a step is not covered.
 */
export class AudioFrontend {
  private readonly step: number;
  private readonly chunks: ChunkBuffer;
  private rate = 0;
  private resampler: Resampler | null = null;
  private taken = 0;
  private made = 0;
  private gaps: [number, number][] = [];
  private ended = false;

  constructor(
    private readonly contract: AudioContract,
    clock: Clock,
  ) {
    this.step = Math.floor((contract.sample_rate * clock.step_ms) / 1000);
    this.chunks = new ChunkBuffer(contract.chunk_samples, this.step);
  }

  /** Seconds of the stream that have been taken in. */
  get time(): number {
    return this.rate ? this.taken / this.rate : 0;
  }

  /**
   * Take sound, give the steps that it completes.
   *
   * @param mono samples in [-1, 1]; see `toMono`.
   * @param sampleRate Hz, the same for the whole stream.
   * @param time seconds from the stream's start to the first sample; null continues where the last piece ended.
   * @throws SignalError a changed rate, or a time that lies in what was already given.
   */
  push(mono: Float32Array, sampleRate: number, time: number | null = null): AudioStep[] {
    if (!this.resampler) {
      this.resampler = new Resampler(sampleRate, this.contract.sample_rate);
      this.rate = sampleRate;
    } else if (this.rate !== sampleRate) {
      throw new SignalError(
        `the sample rate changed from ${this.rate} to ${sampleRate} Hz; call reset() before another recording`,
      );
    }
    const steps: AudioStep[] = [];
    let samples = mono;
    if (time !== null && Math.abs(time - this.time) > GAP_SECONDS) {
      const missing = Math.round((time - this.time) * this.rate);
      if (missing < 0 && this.taken) {
        throw new SignalError(
          `audio for ${time.toFixed(3)} s came after ${this.time.toFixed(3)} s was given; push it in order`,
        );
      }
      if (missing < 0) {
        // Samples before the stream's start (encoder priming) are left out.
        samples = mono.slice(-missing);
      } else {
        this.gaps.push([this.time, time]);
        steps.push(...this.advance(new Float32Array(missing)));
      }
    }
    steps.push(...this.advance(samples));
    return steps;
  }

  /** End the stream: the steps still held back. An incomplete last step counts where half of it is there. */
  flush(): AudioStep[] {
    if (!this.resampler || this.ended) return [];
    this.ended = true;
    const steps = this.cut(this.resampler.flush());
    const pending = this.chunks.pending;
    if (pending && (2 * pending >= this.step || this.made === 0)) {
      const covered = this.covered(pending);
      steps.push({ chunk: this.chunks.push(new Float32Array(this.step - pending))[0]!, covered });
    }
    return steps;
  }

  private advance(mono: Float32Array): AudioStep[] {
    this.taken += mono.length;
    return this.cut(this.resampler!.push(mono));
  }

  private cut(samples: Float32Array): AudioStep[] {
    return this.chunks.push(samples).map((chunk) => ({ chunk, covered: this.covered(this.step) }));
  }

  private covered(samples: number): boolean {
    const begin = (this.made * this.step) / this.contract.sample_rate;
    const end = begin + samples / this.contract.sample_rate;
    this.made += 1;
    let missing = 0;
    for (const [start, stop] of this.gaps) missing += Math.max(0, Math.min(end, stop) - Math.max(begin, start));
    this.gaps = this.gaps.filter((gap) => gap[1] > end);
    return missing <= 0.5 * (end - begin);
  }
}
