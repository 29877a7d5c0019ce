/** From a stream of sound to its utterances, cut by voice activity: mer_sdk.dialogue.utterances. */
import { OptionError } from "../errors.js";
import { joined } from "../frontends/resampler.js";
import { halfEven } from "../frontends/rounding.js";
import {
  PIECE_SAMPLES,
  type SpeechModel,
  VOICE_RATE,
  VoiceActivity,
  type VoiceOptions,
  voiceOptions,
} from "../frontends/voice_activity.js";

/**
 * Where an utterance begins and ends. All times in seconds.
 *
 * - `voice`: when somebody counts as speaking. Its hangover, 0.7 unless said otherwise, is the pause that ends an utterance.
 * - `minimum`: an utterance whose voiced part (first to last voiced piece) is shorter is left out and counted; 0.25 by default.
 * - `longest`: an utterance that goes on for longer is cut here, after its last voiced piece; the next one follows on; 15 by default.
 * - `preRoll`: sound kept before the first voiced piece, as far as no utterance before has it; 0.2 by default.
 */
export interface UtteranceOptions {
  voice?: VoiceOptions;
  minimum?: number;
  longest?: number;
  preRoll?: number;
}

/** The same with nothing left open. */
export interface UtteranceRules {
  voice: Required<VoiceOptions>;
  minimum: number;
  longest: number;
  preRoll: number;
}

/** @throws OptionError a value outside its range. */
export function utteranceRules(given: UtteranceOptions = {}): UtteranceRules {
  const { minimum = 0.25, longest = 15, preRoll = 0.2 } = given;
  for (const [name, value] of Object.entries({ minimum, preRoll })) {
    if (!(value >= 0 && value < Infinity)) throw new OptionError(`${name} is ${value} s; allowed is 0 or more, such as 0.2`);
  }
  const least = minimum + preRoll + PIECE_SAMPLES / VOICE_RATE;
  if (!(longest >= least && longest < Infinity)) {
    throw new OptionError(
      `longest is ${longest} s; with this minimum and preRoll it must be at least ${Number(least.toPrecision(6))} s`,
    );
  }
  return { voice: voiceOptions({ hangover: 0.7, ...given.voice }), minimum, longest, preRoll };
}

/** An utterance's place, in samples at 16 kHz from the beginning of the sound, and its samples. */
export interface Cut {
  begin: number;
  end: number;
  samples: Float32Array;
}

/**
 * Takes consecutive mono sound at 16 kHz in pieces of any length, gives utterances as soon as they are over.
 *
 * An utterance reaches from `preRoll` before its first voiced piece of 32 ms to the end of its last one. It is over once
 * no piece was voiced for the hangover. What comes out depends on the sound alone, not on how it was pushed.
 */
export class UtteranceCutter {
  /** Utterances left out so far as they were shorter than the minimum. */
  short = 0;
  private readonly voice: VoiceActivity;
  private readonly minimum: number;
  private readonly longest: number;
  private readonly preRoll: number;
  private readonly hold: number;
  /** Samples from `soundBegin` on that an utterance may still want. */
  private sound = new Float32Array(0);
  private soundBegin = 0;
  /** Where the pieces heard so far end, and where the last utterance ended. */
  private heard = 0;
  private floor = 0;
  /** Of the utterance that has begun: its beginning, its first voiced piece's, and its last voiced piece's end. */
  private start = 0;
  private first: number | null = null;
  private last = 0;

  constructor(
    model: SpeechModel,
    private readonly rules: UtteranceRules = utteranceRules(),
  ) {
    const samples = (seconds: number) => halfEven(seconds * VOICE_RATE);
    this.voice = new VoiceActivity(model, rules.voice);
    this.minimum = samples(rules.minimum);
    this.longest = samples(rules.longest);
    this.preRoll = samples(rules.preRoll);
    this.hold = samples(rules.voice.hangover);
  }

  /** Whether an utterance has begun and is not over. */
  get speaking(): boolean {
    return this.first !== null;
  }

  /** Every utterance that is still to come ends after this sample. */
  get settled(): number {
    return this.speaking ? this.last - 1 : this.heard;
  }

  /** No utterance that is still to come begins before this sample. */
  get nextBegin(): number {
    return this.speaking ? this.start : Math.max(this.floor, this.heard - this.preRoll);
  }

  /** Take samples; give the utterances that they end. @throws SignalError a sample that is not finite. */
  async push(samples: Float32Array): Promise<Cut[]> {
    const probabilities = await this.voice.pieces(samples);
    this.sound = joined(this.sound, samples) as Float32Array<ArrayBuffer>;
    const cuts = probabilities.flatMap((one) => this.piece(one >= this.rules.voice.threshold));
    const done = Math.max(0, this.nextBegin - this.soundBegin);
    this.sound = this.sound.slice(done);
    this.soundBegin += done;
    return cuts;
  }

  /** The sound ends here: the utterance that had begun, if any. What is pushed next is another sound, from 0. */
  end(): Cut[] {
    const cuts = this.close();
    this.voice.reset();
    this.sound = new Float32Array(0);
    this.soundBegin = this.heard = this.floor = this.start = this.last = 0;
    return cuts;
  }

  private piece(voiced: boolean): Cut[] {
    const begin = this.heard;
    this.heard = begin + PIECE_SAMPLES;
    if (!voiced) return this.speaking && this.heard - this.last >= this.hold ? this.close() : [];
    const cuts = this.speaking && this.heard - this.start > this.longest ? this.close() : [];
    if (!this.speaking) {
      this.first = begin;
      this.start = Math.max(this.floor, begin - this.preRoll);
    }
    this.last = this.heard;
    return cuts;
  }

  private close(): Cut[] {
    if (this.first === null) return [];
    const voiced = this.last - this.first;
    [this.floor, this.first] = [this.last, null];
    if (voiced < this.minimum) {
      this.short += 1;
      return [];
    }
    const samples = this.sound.slice(this.start - this.soundBegin, this.last - this.soundBegin);
    return [{ begin: this.start, end: this.last, samples }];
  }
}
