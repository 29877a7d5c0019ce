/** Voice activity: whether somebody speaks, 32 ms at a time: mer_sdk.frontends.voice_activity. */
import { OptionError, SignalError } from "../errors.js";
import { halfEven } from "./rounding.js";
import { joined } from "./resampler.js";

export const VOICE_RATE = 16000;
export const PIECE_SAMPLES = 512;

/** What tells speech from other sound, piece by piece; it carries its state from one piece to the next. */
export interface SpeechModel {
  /** Begin a new stream. */
  reset(): void;
  /** The probability of speech, 0-1, in the next [512] samples at 16 kHz. */
  probability(piece: Float32Array): Promise<number>;
}

/**
 * When somebody counts as speaking.
 *
 * - `threshold`: a piece of 32 ms is voiced from this probability on; above 0, at most 1; 0.5 unless said otherwise.
 * - `hangover`: seconds for which speech holds on after the last voiced piece, 0 or more; 2 unless said otherwise. From
 *   the beginning of a stream so long it is open whether somebody speaks.
 * - `pause`: an utterance is over, for the sensor's window, once nobody was voiced for so many seconds, above 0: what is
 *   said next is seen without what was said before; 0.75 unless said otherwise; null lets the window slide over all of it.
 * - `lead`: seconds before an utterance's first voiced piece that the window still holds of it, 0 or more; 0.5 by default.
 */
export interface VoiceOptions {
  threshold?: number;
  hangover?: number;
  pause?: number | null;
  lead?: number;
}

/** @throws OptionError a value outside its range. */
export function voiceOptions(given: VoiceOptions = {}): Required<VoiceOptions> {
  const { threshold = 0.5, hangover = 2, pause = 0.75, lead = 0.5 } = given;
  if (!(threshold > 0 && threshold <= 1)) {
    throw new OptionError(`the threshold is ${threshold}; allowed is above 0 to 1, such as 0.5`);
  }
  if (!(hangover >= 0 && hangover < Infinity)) {
    throw new OptionError(`the hangover is ${hangover} s; allowed is 0 or more, such as 2`);
  }
  if (pause !== null && !(pause > 0 && pause < Infinity)) {
    throw new OptionError(`the pause is ${pause}; allowed is more than 0, such as 0.75, or null for windows that slide`);
  }
  if (!(lead >= 0 && lead < Infinity)) throw new OptionError(`the lead is ${lead} s; allowed is 0 or more, such as 0.5`);
  return { threshold, hangover, pause, lead };
}

/**
 * Hears whether somebody speaks, in consecutive sound of any lengths. What was not recorded is told by `gap`: the piece
 * that had begun is thrown away, the network begins anew, and the hangover runs on through the gap.
 */
export class VoiceActivity {
  /** The highest probability of speech of the pieces that ended in what was given last; 0 where none ended there. */
  probability = 0;
  /** Whether the stream is no older than the hangover and no piece of it was voiced. */
  undecided = false;
  private readonly options: Required<VoiceOptions>;
  private readonly hold: number;
  private left = new Float32Array(0);
  private position = 0;
  private heldUntil = 0;
  /** Where the present utterance, or the pause after it, begins; and where the last voiced piece ended. */
  private begin = 0;
  private last: number | null = null;

  /** @throws OptionError see `voiceOptions`. */
  constructor(
    private readonly model: SpeechModel,
    options?: VoiceOptions,
  ) {
    this.options = voiceOptions(options);
    this.hold = halfEven(this.options.hangover * VOICE_RATE);
    this.reset();
  }

  /** Begin a new stream. */
  reset(): void {
    this.probability = 0;
    this.undecided = this.hold > 0;
    this.left = new Float32Array(0);
    this.position = 0;
    this.heldUntil = 0;
    this.begin = 0;
    this.last = null;
    this.model.reset();
  }

  /** Whether an utterance ends what a window holds: see `VoiceOptions.pause`. */
  get cuts(): boolean {
    return this.options.pause !== null;
  }

  /**
   * Samples up to now that belong to the present utterance, or to the pause that goes on; what is older is of another
   * utterance. Without `pause` all that was heard so far.
   */
  get fresh(): number {
    return this.position - this.begin;
  }

  /**
   * The probability of speech of each piece that these samples complete.
   *
   * @param samples mono at 16 kHz in [-1, 1], any number; they go on from those before.
   * @throws SignalError a sample that is not finite.
   */
  async pieces(samples: Float32Array): Promise<number[]> {
    const wrong = samples.findIndex((value) => !Number.isFinite(value));
    if (wrong >= 0) throw new SignalError(`sample ${this.position + wrong} for voice activity is not a finite number`);
    const all = joined(this.left, samples);
    // Where the first of these pieces ends, counted from the start of the stream.
    const first = this.position - this.left.length + PIECE_SAMPLES;
    const found: number[] = [];
    let place = 0;
    for (; place + PIECE_SAMPLES <= all.length; place += PIECE_SAMPLES) {
      found.push(await this.model.probability(all.slice(place, place + PIECE_SAMPLES)));
    }
    this.left = all.slice(place);
    this.position += samples.length;
    this.probability = Math.max(0, ...found);
    for (const [number, one] of found.entries()) this.follow(first + number * PIECE_SAMPLES, one >= this.options.threshold);
    const voiced = found.findLastIndex((one) => one >= this.options.threshold);
    this.undecided &&= voiced < 0 && this.position < this.hold;
    if (voiced >= 0) this.heldUntil = first + voiced * PIECE_SAMPLES + this.hold;
    return found;
  }

  /** Take the samples of one step; say whether its sound counts as speech. */
  async step(samples: Float32Array): Promise<boolean> {
    const begin = this.position;
    await this.pieces(samples);
    return this.heldUntil > begin;
  }

  /** So many samples at 16 kHz are missing, as in a step that the sensor has no sound of. */
  gap(samples: number): void {
    this.probability = 0;
    this.position += samples;
    this.undecided &&= this.position < this.hold;
    this.left = new Float32Array(0);
    this.model.reset();
    this.follow(this.position, false);
  }

  /** What a piece, or a gap, that ends at this sample says of utterances. */
  private follow(end: number, voiced: boolean): void {
    if (this.options.pause === null) return;
    const pause = halfEven(this.options.pause * VOICE_RATE);
    if (voiced) {
      const begin = end - PIECE_SAMPLES;
      if (this.last === null || begin - this.last >= pause) {
        this.begin = Math.max(this.begin, begin - halfEven(this.options.lead * VOICE_RATE));
      }
      this.last = end;
    } else if (this.last !== null && end - this.last >= pause) {
      this.begin = Math.max(this.begin, this.last);
    }
  }
}
