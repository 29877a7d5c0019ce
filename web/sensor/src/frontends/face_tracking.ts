/**
 * Faces followed from frame to frame: seldom searched for, otherwise found again by a small grey picture of each:
 * mer_sdk.frontends.face_tracking. Between two searches a face is where its template, taken when the finder saw it last,
 * correlates best around the place that a constant velocity predicts, at three scales.
 */
import { type Box, type FaceFinder, type Frame, overlap } from "./face_crop.js";
import { correlation, facePatch, type Grey, sampled } from "./face_patch.js";

// Boxes of two frames are one face above this intersection over union.
const SAME_FACE_IOU = 0.3;
// A face that is gone keeps its place this long, seconds: what is found there is the same face.
const TRACK_SECONDS = 2;
// Side of a template, pixels; a face is searched for half of its side away in each direction.
const TEMPLATE = 24;
const REACH = 12;
// Correlation from which the tracker is sure.
const SURE = 0.75;
const SCALES = [0.92, 1.09];
// A scale other than the last must correlate better by this, so that boxes do not pulse.
const SCALE_GAIN = 0.01;
// A face that correlates is given this many searches in a row that miss it, as a turned head is missed.
const MISSES = 3;
// Of a face at the edge more lies outside than inside; a box many times as large as the frame is none.
const LARGEST_FACE = 4;
// A cut: the picture, this many pixels small, correlates less with the one before, and differs by so many grey levels.
const THUMBNAIL = [18, 32] as const;
const CUT_CORRELATION = 0.6;
const CUT_LEVELS = 10;

/** One face followed: `found` and `misses` count searches that found it, and in a row did not. */
export interface Track {
  readonly id: number;
  box: Box;
  time: number;
  template: Grey;
  velocity: readonly [number, number];
  found: number;
  misses: number;
  lost: boolean;
}

/**
 * Follows up to `most` faces, each with an id that stays. The finder is asked where no face is followed, where the
 * correlation of one is not sure, after a cut, and else every `detectSeconds`. A first face is given at once; one that
 * appears beside others is given when it was found in two searches. A cut ends all tracks.
 */
export class FaceTracker {
  /** Calls of the finder since the last reset. */
  searches = 0;
  private followed: Track[] = [];
  private next = 0;
  private searched = -Infinity;
  private thumbnail: Grey | null = null;
  private shape = "";

  constructor(
    private readonly finder: FaceFinder,
    private readonly detectSeconds: number,
    private readonly most: number,
  ) {}

  /** Forget all tracks; ids begin at 0 again. */
  reset(): void {
    this.followed = [];
    this.next = this.searches = 0;
    this.searched = -Infinity;
    this.thumbnail = null;
    this.shape = "";
  }

  /** Those followed in the frame looked at last, and those lost that may come back. */
  get tracks(): readonly Track[] {
    return this.followed;
  }

  /** End one track; the face, if still there, begins another. */
  drop(id: number): void {
    this.followed = this.followed.filter((track) => track.id !== id);
  }

  /** The faces in a frame at `time` seconds, longest followed first. */
  async follow(frame: Frame, time: number): Promise<readonly Track[]> {
    // In a picture of another size the places of the faces before say nothing.
    const shape = `${frame.width}x${frame.height}`;
    if (this.isCut(frame) || shape !== this.shape) this.followed = [];
    this.shape = shape;
    this.followed = this.followed.filter((track) => time - track.time <= TRACK_SECONDS);
    const live = this.followed.filter((track) => !track.lost);
    const sure = live.filter((track) => move(track, frame, time));
    const settled = live.length > 0 && sure.length === live.length && live.every((track) => track.found > 1 && !track.misses);
    // The first search of a face is not repeated for its own sake where it is the only one.
    const alone = live.length === 1 && sure.length === 1 && !live[0]!.misses;
    // Time stamps are rounded: a search that is due within a millisecond is due.
    if (!(settled || alone) || time - this.searched > this.detectSeconds - 1e-3) await this.search(frame, time, sure);
    const shown = this.followed.filter((track) => !track.lost);
    const known = shown.filter((track) => track.found > 1);
    return known.length ? known : shown.slice(0, 1);
  }

  private async search(frame: Frame, time: number, sure: readonly Track[]): Promise<void> {
    this.searches += 1;
    this.searched = time;
    const found = [...(await this.finder.detect(frame))].map(([x, y, width, height]): Box => [x, y, width, height]);
    const possible = found.filter((box) => isInFrame(box, frame));
    const boxes = possible.sort((a, b) => b[2] * b[3] - a[2] * a[3]).slice(0, 2 * this.most);
    const pairs = assign(this.followed.map((track) => track.box), boxes);
    const kept: Track[] = [];
    for (const [index, track] of this.followed.entries()) {
      const pair = pairs.get(index);
      if (pair !== undefined) {
        place(track, boxes[pair]!, time);
        track.template = facePatch(frame, track.box, TEMPLATE);
        track.found += 1;
        track.misses = 0;
        track.lost = false;
      } else {
        track.misses += 1;
        // What was found but once, beside others, was no face.
        if (track.found === 1 && this.followed.length > 1) continue;
        track.lost ||= !sure.includes(track) || track.misses >= MISSES;
      }
      kept.push(track);
    }
    this.followed = kept;
    const taken = new Set(pairs.values());
    for (const [index, box] of boxes.entries()) {
      const shown = this.followed.filter((track) => !track.lost);
      if (taken.has(index) || shown.some((track) => overlap(box, track.box) > SAME_FACE_IOU)) continue;
      if (shown.length >= this.most) continue;
      const template = facePatch(frame, box, TEMPLATE);
      this.followed.push({ id: this.next++, box, time, template, velocity: [0, 0], found: 1, misses: 0, lost: false });
    }
  }

  private isCut(frame: Frame): boolean {
    const [rows, columns] = THUMBNAIL;
    const small = sampled(frame, [0, 0, frame.width, frame.height], rows, columns);
    const before = this.thumbnail;
    this.thumbnail = small;
    if (!before) return false;
    const length = small.values.length;
    let [difference, sumA, sumB] = [0, 0, 0];
    for (let i = 0; i < length; i++) {
      difference += Math.abs(small.values[i]! - before.values[i]!);
      sumA += small.values[i]!;
      sumB += before.values[i]!;
    }
    if (difference / length < CUT_LEVELS) return false;
    let [ab, aa, bb] = [0, 0, 0];
    for (let i = 0; i < length; i++) {
      const [a, b] = [small.values[i]! - sumA / length, before.values[i]! - sumB / length];
      ab += a * b;
      aa += a * a;
      bb += b * b;
    }
    return ab < CUT_CORRELATION * Math.sqrt(aa * bb);
  }
}

/**
 * Which box is which track, index by index: the pairs of overlap above 0.3 whose sum is highest. Exact; for few faces.
 */
export function assign(tracks: readonly Box[], boxes: readonly Box[]): Map<number, number> {
  const near = tracks.map((track) =>
    boxes.flatMap((box, number) => (overlap(track, box) > SAME_FACE_IOU ? [[number, overlap(track, box)] as const] : [])),
  );
  const best = (index: number, taken: readonly number[]): [number, [number, number][]] => {
    if (index === tracks.length) return [0, []];
    let result = best(index + 1, taken);
    for (const [number, share] of near[index]!) {
      if (taken.includes(number)) continue;
      const [total, pairs] = best(index + 1, [...taken, number]);
      if (total + share > result[0]) result = [total + share, [[index, number], ...pairs]];
    }
    return result;
  };
  return new Map(best(0, [])[1]);
}

/** Put a track where its template correlates best; false, and no move, where that is not sure. */
function move(track: Track, frame: Frame, time: number): boolean {
  const [x, y, width, height] = track.box;
  const most = 0.25 * Math.max(width, height);
  const [right, down] = track.velocity.map((speed) => bounded(speed * (time - track.time), most)) as [number, number];
  let [score, box] = bestPlace(track.template, frame, [x + right, y + down, width, height], REACH);
  for (const scale of SCALES) {
    const [other, moved] = bestPlace(track.template, frame, scaled(box, scale), 2);
    if (other > score + SCALE_GAIN) [score, box] = [other, moved];
  }
  if (score < SURE) return false;
  place(track, box, time);
  return true;
}

function place(track: Track, box: Box, time: number): void {
  const gap = time - track.time;
  if (gap > 0) {
    const [before, now] = [centre(track.box), centre(box)];
    track.velocity = [(now[0] - before[0]) / gap, (now[1] - before[1]) / gap];
  }
  track.box = box;
  track.time = time;
}

/** The highest correlation within `reach` template pixels around a box, and where it is. */
function bestPlace(template: Grey, frame: Frame, box: Box, reach: number): [number, Box] {
  const patch = facePatch(frame, box, TEMPLATE + 2 * reach, reach / TEMPLATE);
  const { scores, places } = correlation(template, patch);
  let top = 0;
  for (let index = 1; index < scores.length; index++) if (scores[index]! > scores[top]!) top = index;
  const [row, column] = [Math.floor(top / places), top % places];
  const pixel = Math.max(box[2], box[3]) / TEMPLATE;
  const at = (r: number, c: number) => scores[r * places + c]!;
  const down = row - reach + peak((r) => at(r, column), row, places);
  const right = column - reach + peak((c) => at(row, c), column, places);
  return [scores[top]!, [box[0] + right * pixel, box[1] + down * pixel, box[2], box[3]]];
}

/** How far the top of a parabola through three values lies from the middle one, -0.5 to 0.5. */
function peak(value: (index: number) => number, index: number, length: number): number {
  if (!(index > 0 && index < length - 1)) return 0;
  const [left, middle, right] = [value(index - 1), value(index), value(index + 1)];
  const bend = left - 2 * middle + right;
  return bend >= 0 ? 0 : bounded((0.5 * (left - right)) / bend, 0.5);
}

function bounded(value: number, most: number): number {
  return Math.max(-most, Math.min(value, most));
}

function centre(box: Box): [number, number] {
  return [box[0] + box[2] / 2, box[1] + box[3] / 2];
}

function scaled(box: Box, scale: number): Box {
  const [x, y] = centre(box);
  return [x - (box[2] * scale) / 2, y - (box[3] * scale) / 2, box[2] * scale, box[3] * scale];
}

/** Whether a finder's box can be a face of the frame: finite, partly inside, and not many times as large. */
function isInFrame([x, y, width, height]: Box, frame: Frame): boolean {
  if (!Number.isFinite(x + y + width + height) || !(width > 0 && height > 0)) return false;
  const small = Math.max(width, height) <= LARGEST_FACE * Math.max(frame.width, frame.height);
  return small && x < frame.width && y < frame.height && x + width > 0 && y + height > 0;
}
