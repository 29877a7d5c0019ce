/** What a step saw: the faces among its frames, cut out as the face graph reads them, and whose they are: mer_sdk.frontends.face_tracks. */
import type { FaceContract } from "../contract/manifest_fields.js";
import { OptionError } from "../errors.js";
import { ActiveSpeaker, soundLevel } from "./active_speaker.js";
import { type Box, checkFrame, cropFace, type FaceFinder, type FaceView, type Frame } from "./face_crop.js";
import { describe, IdentityMemory } from "./face_identity.js";
import { FaceTracker, type Track } from "./face_tracking.js";
import { halfEven } from "./rounding.js";

// A step looks at its last frame; at earlier ones, up to so many in all, where that one is dark or lost the face.
const FRAMES_TRIED = 3;
// To hear who speaks, at least this many faces are followed, however few are asked for.
const WATCHED = 4;
// Hz, of the sound that a step gives.
const SOUND_RATE = 16000;
// Sound before this many seconds belongs to no frame of the step.
const LONGEST_SOUND = 0.5;
const MOST_FACES = 8;

/** A frame and when it was taken, seconds. */
export interface TimedFrame {
  time: number;
  frame: Frame;
}

/**
 * How faces are followed.
 *
 * - `faces`: how many are given at each step, 1-8; 1 unless said otherwise.
 * - `detectSeconds`: while all faces are followed surely, the finder searches once in so many seconds, 0-10; 0 is every
 *   step; 1 unless said otherwise.
 * - `preferSpeaking`: among several faces, prefer the one whose mouth moves with the sound; else the one preferred
 *   before, at first the largest. True unless said otherwise.
 * - `rememberSeconds`: how long a person is remembered who is not seen; 600 unless said otherwise.
 */
export interface FaceOptions {
  faces?: number;
  detectSeconds?: number;
  preferSpeaking?: boolean;
  rememberSeconds?: number;
}

/** @throws OptionError a value outside its range. */
export function faceOptions(given: FaceOptions = {}): Required<FaceOptions> {
  const { faces = 1, detectSeconds = 1, preferSpeaking = true, rememberSeconds = 600 } = given;
  if (!(Number.isInteger(faces) && faces >= 1 && faces <= MOST_FACES)) {
    throw new OptionError(`faces is ${faces}; allowed are whole numbers from 1 to ${MOST_FACES}`);
  }
  if (!(detectSeconds >= 0 && detectSeconds <= 10)) {
    throw new OptionError(`detectSeconds is ${detectSeconds}; allowed are 0 (search every step) to 10`);
  }
  if (!(rememberSeconds >= 0 && rememberSeconds < Infinity)) {
    throw new OptionError(`rememberSeconds is ${rememberSeconds}; give seconds, 0 to forget a face once it is gone`);
  }
  return { faces, detectSeconds, preferSpeaking, rememberSeconds };
}

/** A face crop [S x S x 3] and whose it is. */
export interface TrackedFace {
  crop: Float32Array;
  view: FaceView;
}

/**
 * The faces of a stream, step by step: found, followed, recognised and cut out. Ids are those of persons, from 0: one who
 * comes back has the earlier id where the face looks alike; in doubt it is a new one.
 */
export class FaceTracks {
  private readonly options: Required<FaceOptions>;
  private readonly tracker: FaceTracker;
  private readonly memory: IdentityMemory;
  private readonly speaking = new ActiveSpeaker();
  /** Track -> person, and how often the finder had found the track when the person was described last. */
  private person = new Map<number, number>();
  private described = new Map<number, number>();
  private watched: number | null = null;

  /** @throws OptionError see `faceOptions`. */
  constructor(
    finder: FaceFinder,
    private readonly contract: FaceContract,
    options?: FaceOptions,
  ) {
    this.options = faceOptions(options);
    const { faces, preferSpeaking, detectSeconds, rememberSeconds } = this.options;
    this.tracker = new FaceTracker(finder, detectSeconds, preferSpeaking ? Math.max(faces, WATCHED) : faces);
    this.memory = new IdentityMemory(rememberSeconds);
  }

  /** Calls of the finder since the last reset. */
  get searches(): number {
    return this.tracker.searches;
  }

  /** Ids of those who are remembered, whether they are in the picture or not. */
  get remembered(): number[] {
    return this.memory.known;
  }

  /** Begin a new stream: nobody is followed or remembered, and ids begin at 0. */
  reset(): void {
    this.tracker.reset();
    this.memory.reset();
    this.speaking.reset();
    this.person.clear();
    this.described.clear();
    this.watched = null;
  }

  /** Forget one person; while still in the picture, or back in it, that face has a new id. */
  forget(person: number): void {
    for (const [track, one] of [...this.person]) if (one === person) this.drop(track);
    this.memory.forget(person);
  }

  /** It is so many seconds into the stream: who was not seen for long is forgotten, also where no frame comes any more. */
  passTime(time: number): void {
    this.memory.passTime(time);
  }

  /**
   * The faces of a step, the preferred one first; empty where there is none.
   *
   * @param frames of the step, in order.
   * @param sound mono at 16 kHz up to the step's end; null where it is missing.
   * @throws SignalError a frame that is none.
   */
  async look(frames: readonly TimedFrame[], sound: Float32Array | null): Promise<TrackedFace[]> {
    if (!frames.length) return [];
    const followed = this.tracker.tracks.some((track) => !track.lost);
    let seen: readonly Track[] = [];
    let pick = 0;
    for (const one of searched(frames.length).reverse()) {
      pick = one;
      const { frame, time } = frames[pick]!;
      checkFrame(frame);
      if (isDark(frame, this.contract.black_level)) continue;
      seen = await this.tracker.follow(frame, time);
      // Where nobody was, one frame a step is enough to find who comes.
      if (seen.length || !followed) break;
    }
    const alive = new Set(this.tracker.tracks.map((track) => track.id));
    for (const track of [...this.person.keys()]) if (!alive.has(track)) this.drop(track);
    if (!seen.length) return [];
    const { frame, time } = frames[pick]!;
    for (const track of seen) this.recognise(track, frame, time, seen);
    const boxes = new Map(seen.map((track) => [this.person.get(track.id)!, track.box]));
    if (this.options.preferSpeaking && boxes.size > 1) this.listen(frames.slice(0, pick + 1), boxes, sound);
    const first = this.speaking.prefer(boxes, time);
    const found: TrackedFace[] = [];
    for (const person of [...boxes.keys()].sort((a, b) => Number(a !== first) - Number(b !== first))) {
      const box = boxes.get(person)!;
      const crop = cropFace(frame, box, this.contract);
      if (crop) found.push({ crop, view: { id: person, box } });
    }
    return found.slice(0, this.options.faces);
  }

  /** Give a new track its person; keep what a known one looks like, as often as the finder finds the face. */
  private recognise(track: Track, frame: Frame, time: number, seen: readonly Track[]): void {
    const known = this.person.get(track.id);
    const fresh = known === undefined || this.described.get(track.id) !== track.found;
    const view = fresh ? describe(frame, track.box) : null;
    if (known !== undefined) {
      this.memory.observe(known, view, time);
    } else {
      const present = new Set(seen.flatMap((one) => this.person.get(one.id) ?? []));
      const person = this.memory.recognise(view, time, present);
      // Who is found elsewhere is no longer waited for where the face was lost.
      for (const [other, one] of [...this.person]) if (one === person) this.drop(other);
      this.person.set(track.id, person);
    }
    this.described.set(track.id, track.found);
  }

  /** Compare mouths with the sound in the step's middle and last frame; with one frame alone in that. */
  private listen(frames: readonly TimedFrame[], boxes: ReadonlyMap<number, Box>, sound: Float32Array | null): void {
    const end = frames.at(-1)!.time;
    for (const pick of searched(frames.length).slice(-2)) {
      const { time, frame } = frames[pick]!;
      checkFrame(frame);
      let level: number | null = null;
      if (sound && this.watched !== null) {
        // Samples are counted from the end, which is at most a frame after the last one's time.
        const stop = sound.length - halfEven((end - time) * SOUND_RATE);
        const start = stop - halfEven(Math.min(time - this.watched, LONGEST_SOUND) * SOUND_RATE);
        level = soundLevel(sound.subarray(Math.max(0, start), Math.max(0, stop)));
      }
      this.speaking.watch(frame, boxes, time, level);
      this.watched = time;
    }
  }

  private drop(track: number): void {
    this.tracker.drop(track);
    this.speaking.forget(this.person.get(track)!);
    this.person.delete(track);
    this.described.delete(track);
  }
}

/** Which of a step's frames may be looked at: at most three, evenly from the first to the last. */
export function searched(count: number): number[] {
  const many = Math.min(FRAMES_TRIED, count);
  const picks = Array.from({ length: many }, (_, i) => (many === 1 ? 0 : halfEven((i * (count - 1)) / (many - 1))));
  return [...new Set(picks)];
}

function isDark({ width, height, data }: Frame, level: number): boolean {
  // Every eighth pixel is enough: what this lets through, the crop refuses.
  for (let y = 0; y < height; y += 8) {
    for (let x = 0; x < width; x += 8) {
      const place = 4 * (y * width + x);
      if (data[place]! > level || data[place + 1]! > level || data[place + 2]! > level) return false;
    }
  }
  return true;
}
