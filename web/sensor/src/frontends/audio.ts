/** From sound of any rate and channels, in pieces of any size, to the audio chunk of each step: mer_sdk.frontends.audio. */
import type { AudioContract, Clock } from "../contract/manifest_fields.js";
import { SignalError } from "../errors.js";
import { MonoMix } from "./downmix.js";
import { checkRate, joined, Resampler } from "./resampler.js";

// Time stamps jitter by some milliseconds; only a larger jump is a gap in the recording.
export const GAP_SECONDS = 0.05;
// Sound is silent where it moves by no more than a step and a half of 16 bits up or down: digital zeros, a muted track, a
// dead microphone, a constant. It is missing once it has been silent for so long, seconds, and before it first moves.
const STILL_SPAN = 3 / 32768;
const STILL_SECONDS = 1;
const LOUDEST_FLOAT = 8;

/** The chunk of one step, and whether it has sound: see `AudioFrontend`. */
export interface AudioStep {
  chunk: Float32Array;
  covered: boolean;
}

/** @throws SignalError a rate that is none, or bad samples: see `checkedChannels`. */
export function checkSound(channels: readonly Float32Array[], sampleRate: number): void {
  checkRate(sampleRate);
  checkedChannels(channels);
}

/**
 * The channels themselves, in [-1, 1]: a little over full scale, as lossy decoders give, is clipped.
 *
 * @param channels float32, one array a channel, all of one length, as an AudioBuffer or a worklet has them.
 * @param start position of the first sample in the stream, for messages.
 * @throws SignalError no channel or over 64, channels of different lengths, a value that is not finite or far over 1.
 */
export function checkedChannels(channels: readonly Float32Array[], start = 0): readonly Float32Array[] {
  const length = channels[0]?.length;
  if (length === undefined || channels.length > 64 || channels.some((channel) => channel.length !== length)) {
    throw new SignalError("sound needs 1 to 64 channels of the same length");
  }
  let loudest = 0;
  for (const channel of channels) {
    for (let i = 0; i < length; i++) {
      const size = Math.abs(channel[i]!);
      if (!(size < Infinity)) {
        throw new SignalError(`PCM sample ${start + i} is not a finite number; check the source, or replace it by 0`);
      }
      if (size > loudest) loudest = size;
    }
  }
  if (loudest > LOUDEST_FLOAT) {
    throw new SignalError(`float PCM must lie in -1 to 1, found ${loudest}; divide 16-bit samples by 32768`);
  }
  if (loudest <= 1) return channels;
  return channels.map((channel) => channel.map((value) => Math.min(1, Math.max(-1, value))));
}

/** Mono samples in [-1, 1] of a whole recording. @throws SignalError see `checkedChannels`. */
export function toMono(channels: readonly Float32Array[], start = 0): Float32Array {
  // The rate only says how long a block is, in which the choice of channels stays.
  const mix = new MonoMix(48000);
  const mono = mix.push(checkedChannels(channels, start));
  return joined(mono, mix.flush());
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

/** For how many steps in a row a sound has been silent. */
class Motion {
  private taken = 0;
  /** Step -> lowest and highest sample of it, of the steps that were not asked about yet. */
  private readonly spans = new Map<number, [number, number]>();
  // Before it first moves, a sound has been silent for ever.
  private silent = Infinity;

  /** @param step samples of a step, at the sound's own rate; need not be whole. */
  constructor(private readonly step: number) {}

  take(mono: Float32Array): void {
    let place = 0;
    while (place < mono.length) {
      const number = Math.floor((this.taken + 0.5) / this.step);
      const stop = Math.min(mono.length, place + Math.max(1, Math.ceil((number + 1) * this.step - 0.5) - this.taken));
      let [low, high] = this.spans.get(number) ?? [Infinity, -Infinity];
      for (let i = place; i < stop; i++) {
        if (mono[i]! < low) low = mono[i]!;
        if (mono[i]! > high) high = mono[i]!;
      }
      this.spans.set(number, [low, high]);
      this.taken += stop - place;
      place = stop;
    }
  }

  /** How many steps in a row have been silent, with this one; each is asked about once, in order. */
  still(number: number): number {
    const [low, high] = this.spans.get(number) ?? [0, 0];
    this.spans.delete(number);
    this.silent = high - low <= STILL_SPAN ? this.silent + 1 : 0;
    return this.silent;
  }
}

/**
 * Sound with time stamps in, the chunk of each step out, and whether the step is covered: at least half of its own
 * samples were recorded, which before a late start and in gaps they were not, and they are no silence.
 */
export class AudioFrontend {
  private readonly step: number;
  private readonly seconds: number;
  private readonly chunks: ChunkBuffer;
  private rate = 0;
  private resampler: Resampler | null = null;
  private mix: MonoMix | null = null;
  private motion: Motion | null = null;
  private taken = 0;
  private made = 0;
  private gaps: [number, number][] = [];
  private ended = false;

  constructor(
    private readonly contract: AudioContract,
    clock: Clock,
  ) {
    this.seconds = clock.step_ms / 1000;
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
   * @param channels see `checkedChannels`; their number may change.
   * @param sampleRate Hz, the same for the whole stream.
   * @param time seconds from the stream's start to the first sample; null continues where the last piece ended.
   * @throws SignalError bad samples, a changed rate, or a time that lies in what was already given.
   */
  push(channels: readonly Float32Array[], sampleRate: number, time: number | null = null): AudioStep[] {
    if (!this.resampler) {
      this.resampler = new Resampler(sampleRate, this.contract.sample_rate);
      this.rate = sampleRate;
      this.mix = new MonoMix(sampleRate);
      this.motion = new Motion(sampleRate * this.seconds);
    } else if (this.rate !== sampleRate) {
      throw new SignalError(
        `the sample rate changed from ${this.rate} to ${sampleRate} Hz; call reset() before another recording`,
      );
    }
    let samples = checkedChannels(channels, this.taken);
    const steps: AudioStep[] = [];
    const missing = time === null ? 0 : Math.round((time - this.time) * this.rate);
    if (missing < 0 && !this.taken) {
      // Samples before the stream's start (encoder priming) are left out, so that sound begins at 0 in any pieces.
      samples = samples.map((channel) => channel.slice(-missing));
    } else if (time !== null && Math.abs(time - this.time) > GAP_SECONDS) {
      if (missing < 0) {
        throw new SignalError(
          `audio for ${time.toFixed(3)} s came after ${this.time.toFixed(3)} s was given; push it in order`,
        );
      }
      this.gaps.push([this.time, time]);
      this.taken += missing;
      steps.push(...this.advance(joined(this.mix!.flush(), new Float32Array(missing))));
    }
    this.taken += samples[0]!.length;
    steps.push(...this.advance(this.mix!.push(samples)));
    return steps;
  }

  /** End the stream: the steps still held back. An incomplete last step counts where half of it is there. */
  flush(): AudioStep[] {
    if (!this.resampler || this.ended) return [];
    this.ended = true;
    const steps = this.advance(this.mix!.flush());
    steps.push(...this.cut(this.resampler.flush()));
    const pending = this.chunks.pending;
    if (pending && (2 * pending >= this.step || this.made === 0)) {
      const covered = this.covered(pending);
      steps.push({ chunk: this.chunks.push(new Float32Array(this.step - pending))[0]!, covered });
    }
    return steps;
  }

  private advance(mono: Float32Array): AudioStep[] {
    this.motion!.take(mono);
    return this.cut(this.resampler!.push(mono));
  }

  private cut(samples: Float32Array): AudioStep[] {
    return this.chunks.push(samples).map((chunk) => ({ chunk, covered: this.covered(this.step) }));
  }

  private covered(samples: number): boolean {
    const begin = (this.made * this.step) / this.contract.sample_rate;
    const end = begin + samples / this.contract.sample_rate;
    const still = this.motion!.still(this.made) * this.seconds;
    this.made += 1;
    let missing = 0;
    for (const [start, stop] of this.gaps) missing += Math.max(0, Math.min(end, stop) - Math.max(begin, start));
    this.gaps = this.gaps.filter((gap) => gap[1] > end);
    return missing <= 0.5 * (end - begin) && still < STILL_SECONDS;
  }
}
