/** One live stream of sound: pieces with time stamps put in order, gaps, and the utterances in it: mer_sdk.live.sound_stream. */
import { GAP_SECONDS } from "../frontends/audio.js";
import { MonoMix } from "../frontends/downmix.js";
import { Resampler } from "../frontends/resampler.js";
import { halfEven } from "../frontends/rounding.js";
import { type SpeechModel, VOICE_RATE } from "../frontends/voice_activity.js";
import { nextPiece, Repeats, SEAMLESS } from "./piece_order.js";
import { type Cut, UtteranceCutter, type UtteranceRules } from "./utterances.js";

/** A time stamp this far ahead of everything before counts only once the next one confirms it, seconds. */
const FAR_SECONDS = 4;
/** Pieces that may wait for earlier ones, whatever their time stamps say. */
const MOST_HELD = 256;

/** An utterance of a stream; `begin` and `end` in seconds on the clock of all streams, `samples` mono at 16 kHz. */
export interface Spoken {
  stream: string | null;
  speaker: string | null;
  begin: number;
  end: number;
  samples: Float32Array;
}

interface Piece {
  channels: readonly Float32Array[];
  rate: number;
  speaker: string | null;
}

interface Held {
  time: number;
  order: number;
  piece: Piece;
}

/**
 * Takes pieces of one stream, gives its utterances. It knows nothing of other streams.
 *
 * A piece that joins the sound before it, to within 50 ms, goes on from there. Up to the hangover, missing sound is
 * silence; a longer gap, another rate, or another speaker ends the utterance, and the sound begins anew.
 */
export class SoundStream {
  /** Seconds up to which sound came, by its time stamps; -Infinity before the first. */
  time = -Infinity;
  /** Pieces left out so far, as sound of their time had been used or was given up. */
  late = 0;
  private readonly cutter: UtteranceCutter;
  private held: Held[] = [];
  private order = 0;
  private readonly repeats = new Repeats();
  private newest = -Infinity;
  /** The last piece, if its time stamp was far ahead and none has confirmed it yet. */
  private doubtful: { time: number; piece: Piece } | null = null;
  /** The sound that goes on: when it began, the samples taken of it, their rate (null: it has ended), who speaks. */
  private base = -Infinity;
  private taken = 0;
  private rate: number | null = null;
  private who: string | null = null;
  private resampler: Resampler | null = null;
  private mix: MonoMix | null = null;

  /**
   * @param tolerance seconds by which a piece may come after a later one.
   * @param model this stream's own.
   */
  constructor(
    readonly name: string | null,
    private readonly rules: UtteranceRules,
    private readonly tolerance: number,
    model: SpeechModel,
  ) {
    this.cutter = new UtteranceCutter(model, rules);
  }

  /** See `UtteranceCutter.short`. */
  get short(): number {
    return this.cutter.short;
  }

  /** Who speaks in the sound that was used last. */
  get speaker(): string | null {
    return this.who;
  }

  /** Every utterance that is still to come ends after this time, as long as none is late; -Infinity before any. */
  get settled(): number {
    return this.timeOf(this.cutter.settled);
  }

  /** No utterance that is still to come begins before this time, as long as none is late; -Infinity before any. */
  get nextBegin(): number {
    return this.timeOf(this.cutter.nextBegin);
  }

  /** Where sound without a time stamp begins: where the latest piece ended; 0 before the first. */
  get due(): number {
    return Math.max(0, this.time);
  }

  /** Take sound of `rate` Hz, one array a channel, the first sample at `time` seconds; give what is over. */
  async push(channels: readonly Float32Array[], rate: number, time: number, speaker: string | null): Promise<Spoken[]> {
    const piece = { channels, rate, speaker };
    if (this.repeats.seen(time, channels, rate)) {
      this.late += 1;
      return [];
    }
    const doubtful = this.doubtful;
    this.doubtful = null;
    if (doubtful && Math.abs(time - doubtful.time) <= FAR_SECONDS) this.hold(doubtful.time, doubtful.piece);
    else if (doubtful) this.late += 1;
    if (this.time !== -Infinity && time - this.time > FAR_SECONDS) this.doubtful = { time, piece };
    else this.hold(time, piece);
    return await this.release(this.tolerance);
  }

  /** The utterance that has begun ends here, with what is held back; what comes next begins the sound anew. */
  async end(): Promise<Spoken[]> {
    if (this.doubtful) this.hold(this.doubtful.time, this.doubtful.piece);
    this.doubtful = null;
    return [...(await this.release(-Infinity)), ...(await this.endSound())];
  }

  private hold(time: number, piece: Piece): void {
    this.held.push({ time, order: this.order++, piece });
    this.held.sort((a, b) => a.time - b.time || a.order - b.order);
    this.newest = Math.max(this.newest, time);
    this.time = Math.max(this.time, time + piece.channels[0]!.length / piece.rate);
  }

  /** Use what is old enough that nothing can come before it any more. */
  private async release(tolerance: number): Promise<Spoken[]> {
    const spoken: Spoken[] = [];
    while (this.held.length) {
      let { time, piece } = this.held[0]!;
      // Nothing can come before sound that joins what was used, or that begins with the clock.
      const seamless = Math.abs(time - Math.max(0, this.reached)) * piece.rate <= SEAMLESS;
      if (!seamless && time > this.newest - tolerance && this.held.length <= MOST_HELD) break;
      if (seamless) {
        this.held.shift();
      } else {
        const places = this.held.map((one) => ({
          begin: one.time,
          end: one.time + one.piece.channels[0]!.length / one.piece.rate,
          order: one.order,
        }));
        [{ time, piece }] = this.held.splice(nextPiece(places, piece.rate), 1) as [(typeof this.held)[number]];
      }
      spoken.push(...(await this.use(time, piece)));
    }
    return spoken;
  }

  /** Seconds up to which sound was used. */
  private get reached(): number {
    return this.base + (this.rate ? this.taken / this.rate : 0);
  }

  private async use(time: number, { channels, rate, speaker }: Piece): Promise<Spoken[]> {
    let missing = time - this.reached;
    if (missing < -GAP_SECONDS) {
      const early = halfEven(-missing * rate);
      channels = channels.map((channel) => channel.slice(early));
      [time, missing] = [this.reached, 0];
      if (!channels[0]!.length) {
        this.late += 1;
        return [];
      }
    }
    const spoken: Spoken[] = [];
    if (rate !== this.rate || speaker !== this.who || missing > Math.max(GAP_SECONDS, this.rules.voice.hangover)) {
      // Sound that is a little early begins where the sound before it ended, so that no two utterances overlap.
      const begin = Math.max(time, this.reached);
      spoken.push(...(await this.endSound()));
      [this.base, this.taken, this.rate, this.who] = [begin, 0, rate, speaker];
      [this.resampler, this.mix] = [new Resampler(rate, VOICE_RATE), new MonoMix(rate)];
    } else if (missing > GAP_SECONDS) {
      const silence = new Float32Array(halfEven(missing * rate));
      spoken.push(...(await this.cut(channels.map(() => silence))));
    }
    return [...spoken, ...(await this.cut(channels))];
  }

  private async cut(channels: readonly Float32Array[]): Promise<Spoken[]> {
    this.taken += channels[0]!.length;
    const cuts = await this.cutter.push(this.resampler!.push(this.mix!.push(channels)));
    return cuts.map((one) => this.spoken(one));
  }

  private async endSound(): Promise<Spoken[]> {
    const { resampler, mix } = this;
    if (!resampler || !mix) return [];
    const cuts = await this.cutter.push(resampler.push(mix.flush()));
    cuts.push(...(await this.cutter.push(resampler.flush())));
    const spoken = [...cuts, ...this.cutter.end()].map((one) => this.spoken(one));
    [this.base, this.taken, this.rate, this.resampler] = [this.reached, 0, null, null];
    return spoken;
  }

  private spoken({ begin, end, samples }: Cut): Spoken {
    return { stream: this.name, speaker: this.who, begin: this.timeOf(begin), end: this.timeOf(end), samples };
  }

  private timeOf(sample: number): number {
    return this.base + sample / VOICE_RATE;
  }
}
