/** Utterances of several streams in the order of their ends, with texts and frames: mer_sdk.live.utterance_queue. */
import type { Frame } from "../frontends/face_crop.js";
import type { TimedFrame } from "../frontends/face_tracks.js";
import type { SpeechModel } from "../frontends/voice_activity.js";
import type { LiveRules } from "./options.js";
import { SoundStream, type Spoken } from "./sound_stream.js";

/**
 * A text belongs to an utterance that it does not overlap if it is at most this far from it, and one that ends at most this
 * long before the utterance does is its last, seconds: recognisers' times and voice activity's differ so much.
 */
const REACH = 0.5;
/** Texts that may wait for their utterance, and utterances remembered to tell that a text came too late for them. */
const MOST_TEXTS = 64;
const REMEMBERED = 32;

/** An utterance with all that is known of it; frames are stamped in seconds since its beginning, in order. */
export interface Turn {
  begin: number;
  end: number;
  speaker: string | null;
  samples: Float32Array | null;
  text: string | null;
  frames: TimedFrame[];
}

/** Words said from `begin` to `end`; `final` where no more of the same utterance is to be expected. */
interface Words {
  words: string;
  begin: number;
  end: number;
  speaker: string | null;
  final: boolean;
}

/** An utterance that is over and not handed on yet. */
interface Waiting {
  begin: number;
  end: number;
  speaker: string | null;
  stream: string | null;
  samples: Float32Array | null;
  since: number;
  texts: Words[];
}

type Kind = "audio" | "video";

/** Sound, frames and texts in, turns out, in the order of their ends. One call at a time: each waits for voice activity. */
export class UtteranceQueue {
  /** Those that wait to be estimated. */
  turns: Turn[] = [];
  /** Turns, and texts, that had no room so far. */
  dropped = 0;
  /** Frames that had no room so far. */
  droppedFrames = 0;
  private tooLate = 0;
  private readonly sound = new Map<string | null, SoundStream>();
  /** By stream: step number -> frame; and the latest time stamp. */
  private readonly frames = new Map<string | null, Map<number, TimedFrame>>();
  private readonly seen = new Map<string | null, number>();
  /** When each stream gave something last, and the stale streams of sound that were ended. */
  private readonly came = { audio: new Map<string | null, number>(), video: new Map<string | null, number>() };
  private readonly ended = new Set<string | null>();
  private origin = Infinity;
  private waiting: Waiting[] = [];
  private texts: Words[] = [];
  private gone: Waiting[] = [];
  private lastEnd = -Infinity;

  /**
   * @param awaitsText whether utterances wait for texts.
   * @param step seconds; one frame a step and stream is kept.
   * @param now seconds on a clock that never goes back, by which streams become stale.
   * @param model makes what tells speech from other sound, one a stream.
   */
  constructor(
    private readonly rules: LiveRules,
    private readonly awaitsText: boolean,
    private readonly step: number,
    private readonly now: () => number,
    private readonly model: () => SpeechModel,
  ) {
    for (const name of rules.streams) this.stream(name);
  }

  /** Pieces of sound, frames, texts and whole utterances that came too late, so far. */
  get late(): number {
    return this.tooLate + sum([...this.sound.values()].map((stream) => stream.late));
  }

  /** See `UtteranceCutter.short`. */
  get short(): number {
    return sum([...this.sound.values()].map((stream) => stream.short));
  }

  /** Where sound of a stream without a time stamp begins. */
  due(stream: string | null): number {
    return this.sound.get(stream)?.due ?? 0;
  }

  /** Take sound of `rate` Hz, one array a channel, the first sample at `time` seconds. */
  async addAudio(
    channels: readonly Float32Array[],
    rate: number,
    time: number,
    stream: string | null,
    speaker: string | null,
  ): Promise<void> {
    const sound = this.stream(stream);
    this.mark("audio", stream, time);
    this.ended.delete(stream);
    this.take(await sound.push(channels, rate, time, speaker ?? stream));
    await this.move();
  }

  /** Take a frame; of the frames of a step the last counts. */
  async addFrame(frame: Frame, time: number, stream: string | null): Promise<void> {
    this.mark("video", stream, time);
    if (time < this.lastEnd) this.tooLate += 1;
    const frames = this.frames.get(stream) ?? new Map<number, TimedFrame>();
    this.frames.set(stream, frames);
    const number = Math.floor(time / this.step);
    const before = frames.get(number);
    if (!before || before.time <= time) frames.set(number, { time, frame });
    this.seen.set(stream, Math.max(this.seen.get(stream) ?? -Infinity, time));
    await this.move();
    if (sum([...this.frames.values()].map((kept) => kept.size)) > this.rules.frames) {
      const oldest = [...this.frames.values()].filter((kept) => kept.size).map((kept) => [Math.min(...kept.keys()), kept] as const);
      const [first, kept] = oldest.reduce((a, b) => (b[0] < a[0] ? b : a));
      kept.delete(first);
      this.droppedFrames += 1;
    }
  }

  /** Take what was said from `begin` to `end` seconds; without an end, at about `begin`. */
  async addText(words: string, begin: number, end: number | null, speaker: string | null): Promise<void> {
    this.origin = Math.min(this.origin, begin);
    this.texts.push({ words, begin, end: end ?? begin, speaker, final: end === null });
    if (this.texts.length > MOST_TEXTS) {
      this.texts.shift();
      this.dropped += 1;
    }
    await this.move();
  }

  /** Queue the turns that nothing is missing of. */
  async move(): Promise<void> {
    for (const [name, stream] of this.sound) {
      if (this.isStale("audio", name) && !this.ended.has(name)) {
        this.ended.add(name);
        this.take(await stream.end());
      }
    }
    this.texts = this.texts.filter((text) => !this.place(text));
    while (this.waiting.length) {
      const first = this.waiting.reduce((a, b) => (compare(b, a) < 0 ? b : a));
      if (!(this.settled(first.end) && this.complete(first))) break;
      this.handOn(first);
    }
    this.forgetFrames();
  }

  /** Queue all turns that are left; nothing may be added afterwards. */
  async finish(): Promise<void> {
    for (const stream of this.sound.values()) this.take(await stream.end());
    for (const text of this.texts) this.place(text, true);
    this.texts = [];
    for (const waiting of [...this.waiting].sort(compare)) this.handOn(waiting);
  }

  /** Whether something may come to its end by waiting alone, as streams become stale. */
  waits(): boolean {
    const open = [...this.sound].some(([name, stream]) => !this.ended.has(name) && stream.time > -Infinity);
    return this.waiting.length > 0 || this.texts.length > 0 || open;
  }

  /** Names of the streams, of sound or frames, that have given nothing for `staleSeconds`; "" is the unnamed. */
  stale(): string[] {
    const kinds: Kind[] = ["audio", "video"];
    const names = kinds.flatMap((kind) => [...this.came[kind].keys()].filter((name) => this.isStale(kind, name)));
    return [...new Set(names.map((name) => name ?? ""))].sort();
  }

  private stream(name: string | null): SoundStream {
    let found = this.sound.get(name);
    if (!found) {
      found = new SoundStream(name, this.rules.utterance, this.rules.tolerance, this.model());
      this.sound.set(name, found);
      this.came.audio.set(name, this.now());
    }
    return found;
  }

  private mark(kind: Kind, stream: string | null, time: number): void {
    this.came[kind].set(stream, this.now());
    this.origin = Math.min(this.origin, time);
  }

  private isStale(kind: Kind, name: string | null): boolean {
    return this.now() - this.came[kind].get(name)! > this.rules.staleSeconds;
  }

  private take(spoken: Spoken[]): void {
    const since = this.now();
    this.waiting.push(...spoken.map((one) => ({ ...one, since, texts: [] })));
  }

  private awaited(kind: Kind, name: string | null, settled: number): boolean {
    const times = [...this.sound.values()].map((stream) => stream.time);
    const lag = Math.max(...times, ...this.seen.values(), this.origin) - Math.max(settled, this.origin);
    return !this.isStale(kind, name) && lag <= this.rules.queueSeconds;
  }

  /** Whether nothing that is still to come ends at this time or before, or shows it. */
  private settled(time: number): boolean {
    const marks: [Kind, string | null, number][] = [
      ...[...this.sound].map(([name, stream]) => ["audio", name, stream.settled] as [Kind, string | null, number]),
      ...[...this.seen].map(([name, seen]) => ["video", name, seen - this.rules.tolerance] as [Kind, string | null, number]),
    ];
    const waits = marks.some(([kind, name, mark]) => mark < time && this.awaited(kind, name, mark));
    return !waits && this.texts.every((text) => text.end > time);
  }

  /** Whether an utterance's text is there, or is not waited for any longer. */
  private complete(waiting: Waiting): boolean {
    if (!this.awaitsText || !waiting.samples) return true;
    if (waiting.texts.some((text) => text.final || text.end >= waiting.end - REACH)) return true;
    const streams = [...this.sound].filter(([name, one]) => this.awaited("audio", name, one.settled));
    const times = streams.map(([, one]) => one.time);
    // Where no sound comes its clock stands still, so the wall's counts.
    const passed = times.length ? Math.min(...times) - waiting.end : this.now() - waiting.since;
    return passed >= this.rules.patience;
  }

  /** Give a text to the utterance that it overlaps most; false while a better one may come. */
  private place(text: Words, last = false): boolean {
    let [best, shared]: [Waiting | null, number] = [null, -Infinity];
    for (const one of [...this.waiting, ...this.gone]) {
      if (text.speaker !== null && one.speaker !== text.speaker) continue;
      const overlaps = overlap(text, one);
      if (!best || overlaps > shared || (overlaps === shared && one.end < best.end)) [best, shared] = [one, overlaps];
    }
    if (!last && this.mayCome(text, shared)) return false;
    if (!best || shared < -REACH) {
      const { begin, end, speaker } = text;
      this.waiting.push({ begin, end, speaker, stream: null, samples: null, since: this.now(), texts: [text] });
    } else if (this.waiting.includes(best)) {
      best.texts.push(text);
    } else {
      this.tooLate += 1;
    }
    return true;
  }

  /** Whether an utterance that is not over yet may share more with a text than this. */
  private mayCome(text: Words, shared: number): boolean {
    return [...this.sound].some(([name, stream]) => {
      const most = Math.min(text.end - text.begin, text.end - stream.nextBegin);
      const theirs = stream.time === -Infinity || text.speaker === null || text.speaker === stream.speaker;
      return theirs && most > Math.max(shared, -REACH) && this.awaited("audio", name, stream.settled);
    });
  }

  private handOn(waiting: Waiting): void {
    this.waiting.splice(this.waiting.indexOf(waiting), 1);
    if (waiting.end < this.lastEnd) {
      this.tooLate += 1;
      return;
    }
    this.lastEnd = waiting.end;
    const texts = [...waiting.texts].sort((a, b) => a.begin - b.begin || a.end - b.end);
    const text = texts.length ? texts.map((one) => one.words).join(" ") : null;
    this.gone = [...this.gone, waiting].slice(-REMEMBERED);
    const { begin, end, speaker, samples } = waiting;
    this.turns.push({ begin, end, speaker, samples, text, frames: this.shown(waiting) });
    waiting.samples = null;
    this.boundTurns();
  }

  /** Drop what has no room: frames first, which are what is large. */
  private boundTurns(): void {
    for (const turn of this.turns) {
      if (sum(this.turns.map((one) => one.frames.length)) <= this.rules.frames) break;
      this.droppedFrames += turn.frames.length;
      turn.frames = [];
    }
    if (this.turns.length > this.rules.queue) {
      this.turns.shift();
      this.dropped += 1;
    }
  }

  /** The frames of an utterance: those of its own stream, or where it has none, those of the unnamed one. */
  private shown({ stream, begin, end }: Waiting): TimedFrame[] {
    const frames = this.frames.get(this.frames.has(stream) ? stream : null) ?? new Map<number, TimedFrame>();
    const spanned = [...frames.values()].filter(({ time }) => begin <= time && time < end);
    return spanned.sort((a, b) => a.time - b.time).map(({ time, frame }) => ({ time: time - begin, frame }));
  }

  /** Frames that no utterance can want any more. */
  private forgetFrames(): void {
    const awaited = [...this.sound].filter(([name, stream]) => this.awaited("audio", name, stream.settled));
    const begins = [...this.waiting.map((one) => one.begin), ...awaited.map(([, stream]) => stream.nextBegin)];
    if (!begins.length) return;
    const least = Math.min(...begins);
    for (const kept of this.frames.values()) {
      for (const [number, { time }] of kept) if (time < least) kept.delete(number);
    }
  }
}

function compare(a: Waiting, b: Waiting): number {
  if (a.end !== b.end) return a.end - b.end;
  if (a.begin !== b.begin) return a.begin - b.begin;
  // As Python sorts words for what has no name.
  const [mine, theirs] = [a, b].map((one) => [one.stream ?? "None", one.speaker ?? "None"]) as [string[], string[]];
  const place = mine[0] === theirs[0] ? 1 : 0;
  return mine[place]! < theirs[place]! ? -1 : Number(mine[place]! > theirs[place]!);
}

/** Seconds that both share; below 0, how far they are apart. */
function overlap(text: Words, { begin, end }: Waiting): number {
  return Math.min(text.end, end) - Math.max(text.begin, begin);
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0);
}
