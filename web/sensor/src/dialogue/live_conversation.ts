/** A conversation as it is spoken: sound cut into utterances, each with its text and frames: mer_sdk.LiveConversation. */
import { OptionError, SignalError } from "../errors.js";
import { checkedChannels } from "../frontends/audio.js";
import { checkFrame, type Frame } from "../frontends/face_crop.js";
import { checkRate } from "../frontends/resampler.js";
import { checkWords } from "../frontends/text.js";
import { type SpeechModel, VOICE_RATE } from "../frontends/voice_activity.js";
import { checkTime } from "../window/alignment.js";
import type { UtteranceEstimate } from "../window/estimate.js";
import type { Conversation } from "./conversation.js";
import { EstimateStream } from "./estimate_stream.js";
import { type LiveOptions, liveRules } from "./options.js";
import { type Turn, UtteranceQueue } from "./utterance_queue.js";

/** It is looked this often whether something that is waited for has become stale, ms. */
const LOOK_MS = 50;

/** Given an utterance's sound, mono in [-1, 1], and its rate in Hz; gives the words. */
export type Recogniser = (samples: Float32Array, sampleRate: number) => Promise<string> | string;

/**
 * - `recognise`: gives the words of an utterance. An error that it throws ends the conversation, as one of `onEstimate` does:
 *   the next push and `finish` throw a `StreamError` of it.
 * - `onEstimate`: called with each estimate; without it they are taken by iterating.
 * - `now`: seconds on a clock that never goes back, by which streams become stale.
 */
export interface LiveSettings extends LiveOptions {
  recognise?: Recogniser;
  onEstimate?: (estimate: UtteranceEstimate) => unknown;
  now?: () => number;
}

/**
 * What was left out so far, and which streams have stopped.
 *
 * - `dropped`: utterances that were not estimated, estimates that nobody took, and texts, that had no room.
 * - `droppedFrames`: frames that had no room: see `LiveOptions.frames`.
 * - `late`: pieces of sound, frames, texts and utterances that came too late.
 * - `short`: utterances that were shorter than `UtteranceOptions.minimum`.
 * - `refused`: pictures that were none.
 * - `stale`: names of the streams that have given nothing for `staleSeconds`, as of now; "" is the one without a name.
 */
export interface LiveCounts {
  dropped: number;
  droppedFrames: number;
  late: number;
  short: number;
  refused: number;
  stale: string[];
}

/**
 * Estimates of what is said, utterance by utterance.
 *
 * - Each stream of sound is cut by voice activity (`UtteranceOptions`). What comes out depends on time stamps alone, never on
 *   when or in what pieces something was pushed, as long as nothing is late, stale or dropped.
 * - Utterances of all streams are estimated in the order of their ends. `UtteranceEstimate.time` is the end.
 * - Who speaks is said with the sound, or else the stream's name is the speaker; a stream without a name is a person without
 *   one. Another speaker in a stream ends the utterance of the one before.
 * - Where the bundle reads text, it comes from `recognise`, or by `pushText`. A bundle that reads neither sound nor faces
 *   takes from the sound only where utterances begin and end.
 * - Time stamps are seconds on one clock for all streams.
 * - Of pushes that are not waited for, each begins when the one before has ended.
 */
export class LiveConversation implements AsyncIterable<UtteranceEstimate> {
  private readonly queue: UtteranceQueue;
  private readonly estimates: EstimateStream<UtteranceEstimate>;
  private readonly reads: readonly string[];
  private readonly recognise: Recogniser | undefined;
  private inputs: Promise<unknown> = Promise.resolve();
  private making: Promise<unknown> = Promise.resolve();
  private refused = 0;
  private finished = false;
  private closed = false;
  /** Whether something came since the queue was looked at, and what wakes whoever waits for that. */
  private news = false;
  private wake: () => void = () => undefined;

  /**
   * @param conversation a fresh one, which belongs to this object from now on.
   * @param voice makes what tells speech from other sound, one a stream; such as `() => silero.another()`.
   * @throws OptionError an option out of its range, or a recogniser for a bundle that reads no text.
   */
  constructor(
    private readonly conversation: Conversation,
    voice: () => SpeechModel,
    settings: LiveSettings = {},
  ) {
    const rules = liveRules(settings);
    const { manifest } = conversation.bundle;
    this.reads = conversation.reads;
    this.recognise = settings.recognise;
    if (this.recognise) this.checkReads("text", "recognise");
    const awaitsText = this.reads.includes("text") && !this.recognise;
    const now = settings.now ?? (() => performance.now() / 1000);
    this.queue = new UtteranceQueue(rules, awaitsText, manifest.clock.step_ms / 1000, now, voice);
    this.estimates = new EstimateStream("live conversation", rules.queue, settings.onEstimate);
    void this.work();
  }

  /** What was left out so far, and which streams have stopped. */
  get counts(): LiveCounts {
    const { dropped, droppedFrames, late, short } = this.queue;
    const stale = this.queue.stale();
    return { dropped: dropped + this.estimates.untaken, droppedFrames, late, short, refused: this.refused, stale };
  }

  /** Whether no further estimate will be made. */
  get over(): boolean {
    return this.estimates.over;
  }

  /** Once no further estimate will be made; gives the error that stopped it, if one did. */
  async ended(): Promise<unknown> {
    await this.estimates.ended();
    return this.estimates.cause;
  }

  /** All estimates so far, in order, whoever took them. */
  get timeline(): readonly UtteranceEstimate[] {
    return this.conversation.timeline;
  }

  /** See `EstimateStream.get`. */
  async get(timeout?: number): Promise<UtteranceEstimate | null> {
    return await this.estimates.get(timeout);
  }

  [Symbol.asyncIterator](): AsyncGenerator<UtteranceEstimate, void, undefined> {
    return this.estimates[Symbol.asyncIterator]();
  }

  /**
   * Give sound.
   *
   * @param channels see `EmotionSensor.pushAudio`. Of one piece, no more utterances find room than `queue` says.
   * @param sampleRate Hz. Another rate than before ends the utterance and begins the sound anew.
   * @param time seconds at the first sample; without it sound goes on where the stream's last piece ended.
   * @param stream which microphone or channel it is of, where there are several.
   * @param speaker who speaks in this piece, where that is known.
   * @returns false where the conversation was finished or closed, so that a capture loop can end.
   * @throws SignalError bad samples, a rate out of its range, or a time that is not finite.
   * @throws StreamError the conversation was stopped by an error.
   */
  async pushAudio(
    channels: readonly Float32Array[],
    sampleRate: number,
    time: number | null = null,
    stream: string | null = null,
    speaker: string | null = null,
  ): Promise<boolean> {
    checkRate(sampleRate);
    // Whoever gave them may write into these arrays again.
    const samples = checkedChannels(channels).map((channel) => channel.slice());
    if (time !== null) checkTime("sound", time);
    return await this.put(async () => {
      const begin = time ?? this.queue.due(stream);
      if (samples[0]!.length) await this.queue.addAudio(samples, sampleRate, begin, stream, speaker);
    });
  }

  /**
   * Give a video frame, which must not be written into afterwards. The last frame of each step counts.
   *
   * @param stream whose utterances it shows: the name of a stream of sound; none shows those of all streams that have no
   *   frames of their own.
   * @returns false where the conversation was finished or closed.
   * @throws OptionError the bundle reads no faces.
   * @throws SignalError a time that is not finite, or other values than RGBA. Empty pictures are counted: see `LiveCounts`.
   * @throws StreamError the conversation was stopped by an error.
   */
  async pushFrame(frame: Frame, time: number, stream: string | null = null): Promise<boolean> {
    this.checkReads("face", "pushFrame");
    checkTime("a frame", time);
    const empty = !(frame.width > 0 && frame.height > 0);
    if (empty) this.refused += 1;
    else checkFrame(frame);
    return await this.put(async () => {
      if (!empty) await this.queue.addFrame(frame, time, stream);
    });
  }

  /**
   * Give what a recogniser heard, a final result: it goes to the utterance that it overlaps most.
   *
   * An utterance waits for its text until one comes that reaches its end to half a second, at most `LiveOptions.patience`.
   * Several texts of one utterance are joined. A text that is over half a second from every utterance becomes one of its own,
   * without sound, as a typed message does; one whose utterance was estimated before is left out and counted as `late`.
   *
   * @param time seconds at which the words began.
   * @param speaker whose words they are, as with the sound: the stream's name where no speaker is given there; null where
   *   that is not known.
   * @param end seconds at which the words ended; without it `time` may be any within the utterance, and no more of it is
   *   waited for.
   * @returns false where the conversation was finished or closed.
   * @throws OptionError the bundle reads no text, or the words come from `recognise`.
   * @throws SignalError half of a surrogate pair, or times that are not finite or the wrong way round.
   * @throws StreamError the conversation was stopped by an error.
   */
  async pushText(text: string, time: number, speaker: string | null = null, end: number | null = null): Promise<boolean> {
    this.checkReads("text", "pushText");
    if (this.recognise) throw new OptionError("the words come from recognise; leave one of the two out");
    checkWords(text);
    checkTime("a text", time);
    if (end !== null) checkTime("a text", end);
    if (end !== null && end < time) throw new SignalError(`a text begins at ${time} s and ends at ${end} s; give the end last`);
    return await this.put(async () => await this.queue.addText(text, time, end, speaker));
  }

  /**
   * No more comes: what is being said ends, and what is still due is estimated.
   *
   * With a callback this waits until all was given to it; otherwise iteration ends after the last estimate.
   *
   * @returns whether the conversation is over.
   * @throws StreamError it was stopped by an error.
   */
  async finish(): Promise<boolean> {
    await this.locked(async () => {
      if (this.finished || this.closed || this.over) return;
      await this.queue.finish();
      this.finished = true;
      this.tell();
    });
    if (this.estimates.called) await this.estimates.ended();
    this.estimates.check();
    return this.over;
  }

  /** Stop: what was not made or not taken is thrown away. Closing twice is allowed. */
  close(): void {
    this.closed = true;
    this.queue.turns = [];
    this.estimates.clear();
    this.estimates.end();
    this.tell();
  }

  /**
   * Use the conversation itself while no estimate is made: to save or load a speaker's baseline, or to reset it. Keep it
   * short, and push nothing to it.
   */
  async betweenUtterances<T>(use: (conversation: Conversation) => T | Promise<T>): Promise<T> {
    return await this.alone(async () => await use(this.conversation));
  }

  private checkReads(modality: string, what: string): void {
    if (!this.reads.includes(modality)) {
      throw new OptionError(
        `${this.conversation.bundle.manifest.name} reads ${this.reads.join(", ")}, no ${modality}: leave ${what} out, or ` +
          "open a bundle that reads it",
      );
    }
  }

  /** Change the queue, after whoever does so already; whether it still took something. */
  private async put(change: () => Promise<void>): Promise<boolean> {
    return await this.locked(async () => {
      this.estimates.check();
      if (this.finished || this.closed || this.over) return false;
      await change();
      this.tell();
      return true;
    });
  }

  private locked<T>(use: () => Promise<T>): Promise<T> {
    const turn = this.inputs.then(use);
    this.inputs = turn.catch(() => undefined);
    return turn;
  }

  private alone<T>(use: () => Promise<T>): Promise<T> {
    const turn = this.making.then(use);
    this.making = turn.catch(() => undefined);
    return turn;
  }

  private tell(): void {
    this.news = true;
    this.wake();
  }

  /** The turn to estimate next, once there is one; null where there will be none. */
  private async next(): Promise<Turn | null> {
    while (!this.closed) {
      this.news = false;
      // What is there need not wait for pushes to end.
      const ready = this.queue.turns.shift();
      if (ready) return ready;
      const [turn, last] = await this.locked(async () => {
        if (!this.finished) await this.queue.move();
        return [this.queue.turns.shift() ?? null, this.finished] as const;
      });
      if (turn || last) return turn;
      await new Promise<void>((resolve) => {
        this.wake = resolve;
        if (this.news) resolve();
        else if (this.queue.waits()) setTimeout(resolve, LOOK_MS);
      });
    }
    return null;
  }

  private async work(): Promise<void> {
    try {
      for (let turn = await this.next(); turn; turn = await this.next()) {
        const given = turn;
        await this.estimates.give(await this.alone(async () => await this.make(given)));
      }
      this.estimates.end();
    } catch (error) {
      // Whatever a callback or a runtime throws ends the conversation, and is told.
      this.estimates.end(error);
    }
  }

  private async make({ speaker, text, samples, frames, end }: Turn): Promise<UtteranceEstimate> {
    const words = this.recognise && samples ? await this.recognise(samples.slice(), VOICE_RATE) : text;
    return await this.conversation.pushUtterance({
      speaker,
      time: end,
      ...(words === null ? {} : { text: words }),
      ...(samples && this.reads.includes("audio") ? { audio: { channels: [samples], sampleRate: VOICE_RATE } } : {}),
      ...(frames.length ? { frames } : {}),
    });
  }
}
