/**
 * Band-limited resampling by a Kaiser-windowed sinc, in pieces: mer_sdk.frontends.resampling.Resampler in TypeScript.
 * Output sample k is at input time k * source / target. It has no imports but the errors, so that an AudioWorklet
 * stays small.
 */
import { SignalError } from "../errors.js";

// All usual rates have at most so many phases; another is taken as the nearest ratio that has.
const MOST_PHASES = 640;
const ZERO_CROSSINGS = 16;
const ROLLOFF = 0.945;
const KAISER_BETA = 8.6;
const RATES = [1000, 768000] as const;

/** @throws SignalError a sample rate, Hz, outside 1000 to 768000, or a broken one. */
export function checkRate(rate: number): void {
  if (!(Number.isInteger(rate) && rate >= RATES[0] && rate <= RATES[1])) {
    throw new SignalError(`the sample rate is ${rate} Hz; allowed are ${RATES[0]} to ${RATES[1]}, whole`);
  }
}

export class Resampler {
  private readonly up: number;
  private readonly down: number;
  private readonly half: number;
  /** Filter of every phase, one after the other; each sums to one, so that a constant stays that constant. */
  private readonly weights: Float32Array;
  private buffer = new Float32Array(0);
  private first = 0;
  private received = 0;
  private sent = 0;

  /**
   * @param source sample rate of the input, Hz, 1000 to 768000.
   * @param target sample rate of the output, Hz.
   * @throws SignalError a sample rate outside that range.
   */
  constructor(source: number, target: number) {
    checkRate(source);
    [this.down, this.up] = ratioOf(source, target);
    const cutoff = ROLLOFF * Math.min(1, this.up / this.down);
    this.half = Math.ceil(ZERO_CROSSINGS / cutoff);
    this.weights = new Float32Array(this.up * 2 * this.half);
    for (let phase = 0; phase < this.up; phase++) this.fillPhase(phase, cutoff);
    this.reset();
  }

  /** Begin a new stream. */
  reset(): void {
    // The buffer begins `half - 1` samples before the first input sample: silence before the stream.
    this.buffer = new Float32Array(this.half - 1);
    this.first = -(this.half - 1);
    this.received = 0;
    this.sent = 0;
  }

  /** Take mono samples, give those that can be computed now. */
  push(samples: Float32Array): Float32Array {
    this.received += samples.length;
    if (this.up === this.down) return samples;
    this.buffer = joined(this.buffer, samples);
    // Output k reads up to input floor(k * down / up) + half.
    return this.emit(Math.max(0, Math.ceil(((this.received - this.half) * this.up) / this.down)));
  }

  /** The samples still held back, with silence after the end; then the stream is over until `reset`. */
  flush(): Float32Array {
    if (this.up === this.down) return new Float32Array(0);
    this.buffer = joined(this.buffer, new Float32Array(this.half + this.down));
    return this.emit(Math.ceil((this.received * this.up) / this.down));
  }

  private emit(until: number): Float32Array {
    if (until <= this.sent) return new Float32Array(0);
    const taps = 2 * this.half;
    const result = new Float32Array(until - this.sent);
    for (let index = this.sent; index < until; index++) {
      const position = index * this.down;
      const start = Math.floor(position / this.up) - (this.half - 1) - this.first;
      const filter = (position % this.up) * taps;
      let sum = 0;
      for (let tap = 0; tap < taps; tap++) sum += this.buffer[start + tap]! * this.weights[filter + tap]!;
      result[index - this.sent] = sum;
    }
    this.sent = until;
    const keep = Math.max(0, Math.floor((until * this.down) / this.up) - (this.half - 1) - this.first);
    this.buffer = this.buffer.slice(keep);
    this.first += keep;
    return result;
  }

  private fillPhase(phase: number, cutoff: number): void {
    const taps = 2 * this.half;
    const raw = new Float64Array(taps);
    let sum = 0;
    for (let tap = 0; tap < taps; tap++) {
      const distance = phase / this.up - (tap - (this.half - 1));
      const inside = Math.max(0, 1 - (distance / this.half) ** 2);
      raw[tap] = sinc(cutoff * distance) * bessel0(KAISER_BETA * Math.sqrt(inside));
      sum += raw[tap]!;
    }
    for (let tap = 0; tap < taps; tap++) this.weights[phase * taps + tap] = raw[tap]! / sum;
  }
}

/** Both arrays one after the other. */
export function joined(a: Float32Array, b: Float32Array): Float32Array<ArrayBuffer> {
  const result = new Float32Array(a.length + b.length);
  result.set(a);
  result.set(b, a.length);
  return result;
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

/** The modified Bessel function I0 by its power series; arguments here are at most 8.6. */
function bessel0(x: number): number {
  let term = 1;
  let sum = 1;
  for (let k = 1; term > sum * 1e-17; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}

/** source / target in lowest terms; with over 640 phases the nearest ratio that has as many. */
function ratioOf(source: number, target: number): [number, number] {
  const divisor = gcd(source, target);
  const [numerator, denominator] = [source / divisor, target / divisor];
  if (denominator <= MOST_PHASES) return [numerator, denominator];
  // The convergents of the continued fraction, and the last one between two of them that is small enough.
  let [p0, q0, p1, q1, n, d] = [0, 1, 1, 0, numerator, denominator];
  for (;;) {
    const whole = Math.floor(n / d);
    if (q0 + whole * q1 > MOST_PHASES) break;
    [p0, q0, p1, q1] = [p1, q1, p0 + whole * p1, q0 + whole * q1];
    [n, d] = [d, n - whole * d];
  }
  const k = Math.floor((MOST_PHASES - q0) / q1);
  const [p, q] = [p0 + k * p1, q0 + k * q1];
  const exact = source / target;
  return Math.abs(p1 / q1 - exact) <= Math.abs(p / q - exact) ? [p1, q1] : [p, q];
}
