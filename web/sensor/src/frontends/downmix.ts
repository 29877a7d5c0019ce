/**
 * Which of several channels are heard, and as how much of the one that the graphs read: mer_sdk.media.layout.
 */
import { joined } from "./resampler.js";
import { halfEven } from "./rounding.js";

// The choice is made anew for every block from what the last ones held, whose weight falls by 20 dB in so long, seconds.
const BLOCK_SECONDS = 0.05;
const FORGET_SECONDS = 0.25;
const DECAY = 0.01 ** (BLOCK_SECONDS / FORGET_SECONDS);
// A channel that is this far below the loudest is left out, and counts again once it is less far below (power).
const DEAD = 10 ** -2.6;
const ALIVE = 10 ** -1.4;
// Channels cancel where their mean has less than this share of the power that unrelated channels would have.
const CANCELS = 0.1;
// The power of sound that moves by no more than a step and a half of 16 bits.
const NOTHING = (1.5 / 32768) ** 2 / 2;

/**
 * Several channels to one, in pieces: pieces of any size give the same samples. The mean of all channels, as a rule; one
 * that is silent, or over 26 dB below the loudest, is left out; where channels cancel one another, the loudest is heard
 * alone. A browser does not name its channels, so that none is known as the centre.
 */
class Downmix {
  private readonly size: number;
  private readonly power: Float64Array;
  private alive = new Set<number>();
  private heard: readonly number[];
  private decided = false;
  private left: Float32Array[];

  constructor(
    readonly channels: number,
    rate: number,
  ) {
    this.size = Math.max(1, halfEven(rate * BLOCK_SECONDS));
    this.power = new Float64Array(channels * channels);
    this.heard = Array.from({ length: channels }, (_, place) => place);
    this.left = this.heard.map(() => new Float32Array(0));
  }

  push(planes: readonly Float32Array[]): Float32Array {
    const given = planes.map((plane, place) => (this.left[place]!.length ? joined(this.left[place]!, plane) : plane));
    const whole = Math.floor(given[0]!.length / this.size) * this.size;
    this.left = given.map((plane) => plane.slice(whole));
    return this.mixed(given.map((plane) => plane.subarray(0, whole)));
  }

  flush(): Float32Array {
    const rest = this.left;
    this.left = rest.map(() => new Float32Array(0));
    return this.mixed(rest);
  }

  private mixed(planes: readonly Float32Array[]): Float32Array {
    const length = planes[0]!.length;
    const result = new Float32Array(length);
    const size = Math.min(this.size, length);
    let done = 0;
    for (let start = 0; size && start < length; start += size) {
      const [before, ramp] = [this.heard, this.decided];
      this.decide(planes, start, size);
      if (this.heard.join() === before.join()) continue;
      mix(planes, before, result, done, start);
      done = start;
      if (!ramp) continue;
      // Over one block, so that a change of the choice is no click.
      done += size;
      const old = new Float32Array(length);
      mix(planes, before, old, start, done);
      mix(planes, this.heard, result, start, done);
      for (let place = start; place < done; place++) {
        const share = Math.fround(Math.fround(place - start + 1) / size);
        result[place] = Math.fround(share * result[place]!) + Math.fround(Math.fround(1 - share) * old[place]!);
      }
    }
    mix(planes, this.heard, result, done, length);
    return result;
  }

  /** Which channels are heard from the block at `start` on. */
  private decide(planes: readonly Float32Array[], start: number, size: number): void {
    const { channels, power } = this;
    const means = planes.map((plane) => sumOf(size, (i) => plane[start + i]!) / size);
    for (let a = 0; a < channels; a++) {
      for (let b = a; b < channels; b++) {
        const sum = sumOf(size, (i) => (planes[a]![start + i]! - means[a]!) * (planes[b]![start + i]! - means[b]!));
        power[a * channels + b] = power[b * channels + a] = power[a * channels + b]! * DECAY + sum / size;
      }
    }
    const loud = planes.map((_, place) => power[place * (channels + 1)]!);
    const most = Math.max(...loud);
    if (most <= NOTHING) return; // nothing to choose by: what was chosen stays
    let chosen = loud.flatMap((one, place) => (one >= (this.alive.has(place) ? DEAD : ALIVE) * most ? [place] : []));
    this.alive = new Set(chosen);
    if (chosen.length > 1) {
      let [all, unrelated] = [0, 0];
      for (const a of chosen) for (const b of chosen) all += power[a * channels + b]!;
      for (const place of chosen) unrelated += loud[place]!;
      if (all < CANCELS * unrelated) chosen = [loud.indexOf(most)];
    }
    this.heard = chosen;
    this.decided = true;
  }
}

/** Sound of any number of channels to one, in pieces; the number may change on the way. */
export class MonoMix {
  private mix: Downmix | null = null;

  /** @param rate sample rate, Hz. */
  constructor(private readonly rate: number) {}

  /** Take one array a channel, give mono as far as the choice of channels is made. */
  push(channels: readonly Float32Array[]): Float32Array {
    let rest = new Float32Array(0);
    if (this.mix && this.mix.channels !== channels.length) {
      rest = this.mix.flush() as Float32Array<ArrayBuffer>;
      this.mix = null;
    }
    if (channels.length > 1) this.mix ??= new Downmix(channels.length, this.rate);
    const mono = this.mix ? this.mix.push(channels) : channels[0]!;
    return rest.length ? joined(rest, mono) : mono;
  }

  /** The samples still held back. */
  flush(): Float32Array {
    return this.mix ? this.mix.flush() : new Float32Array(0);
  }
}

/** Write the mean of the channels that are heard. */
function mix(planes: readonly Float32Array[], heard: readonly number[], result: Float32Array, from: number, to: number): void {
  const share = Math.fround(1 / heard.length);
  for (let place = from; place < to; place++) {
    let sum = Math.fround(planes[heard[0]!]![place]! * share);
    for (let one = 1; one < heard.length; one++) sum = Math.fround(sum + Math.fround(planes[heard[one]!]![place]! * share));
    result[place] = sum;
  }
}

function sumOf(length: number, value: (index: number) => number): number {
  let sum = 0;
  for (let index = 0; index < length; index++) sum += value(index);
  return sum;
}
