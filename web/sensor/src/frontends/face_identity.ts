/**
 * Who a face is among those seen before: a light descriptor of its texture (histograms of uniform local binary patterns,
 * Ahonen, Hadid and Pietikainen 2006), and a memory of a few views of each person: mer_sdk.frontends.face_identity.
 */
import type { Box, Frame } from "./face_crop.js";
import { facePatch, type Grey } from "./face_patch.js";
import { halfEven } from "./rounding.js";

// The picture that is described, pixels, and cells in each direction. Smaller faces are not described.
const PICTURE = 48;
const CELLS = 6;
const SMALLEST_FACE = 40;
// Two pictures of one person: similarity above this.
const SAME_PERSON = 0.69;
// A view less similar than this to those that are kept is kept too; the oldest of this many goes.
const NEW_VIEW = 0.85;
const VIEWS = 8;
// Persons remembered at a time; the one unseen for longest goes.
const PERSONS = 32;
const NEIGHBOURS = [[-1, -1], [-1, 0], [-1, 1], [0, 1], [1, 1], [1, 0], [1, -1], [0, -1]] as const;
// Code of 8 bits -> its number among the 58 with at most two changes around the circle; 58 for all others.
const KINDS = 59;
const UNIFORM = uniform();

export type View = Float32Array;

interface Person {
  views: View[];
  time: number;
}

/**
 * Ids of persons, from 0. A face that looks like nobody remembered gets the next one; none is given twice. Nothing but
 * descriptors is kept, in memory alone.
 */
export class IdentityMemory {
  private persons = new Map<number, Person>();
  private next = 0;

  /** @param rememberSeconds how long a person is remembered who is not seen. */
  constructor(private readonly rememberSeconds: number) {}

  /** Forget everybody; ids begin at 0 again. */
  reset(): void {
    this.persons.clear();
    this.next = 0;
  }

  /** The ids of those remembered. */
  get known(): number[] {
    return [...this.persons.keys()];
  }

  /**
   * The id of the person that a new face shows: the most similar one above the threshold, or a new id.
   *
   * @param view of `describe`; null always gives a new id.
   * @param present persons who are in the picture already and cannot be this face.
   */
  recognise(view: View | null, time: number, present: ReadonlySet<number>): number {
    this.passTime(time);
    let best = SAME_PERSON;
    let found = -1;
    for (const [id, person] of this.persons) {
      if (!view || present.has(id) || !person.views.length) continue;
      const similar = similarity(view, person.views);
      if (similar > best) [best, found] = [similar, id];
    }
    if (found < 0) found = this.next++;
    this.observe(found, view, time);
    return found;
  }

  /** This person is seen now, and looks like this. */
  observe(id: number, view: View | null, time: number): void {
    const person = this.persons.get(id) ?? { views: [], time };
    this.persons.set(id, person);
    person.time = time;
    if (view && (!person.views.length || similarity(view, person.views) < NEW_VIEW)) {
      person.views.push(view);
      if (person.views.length > VIEWS) person.views.shift();
    }
    if (this.persons.size <= PERSONS) return;
    let oldest = id;
    for (const [other, { time: seen }] of this.persons) if (seen < this.persons.get(oldest)!.time) oldest = other;
    this.persons.delete(oldest);
  }

  /** It is so many seconds into the stream: who was not seen for long is forgotten. */
  passTime(time: number): void {
    for (const [id, person] of this.persons) if (time - person.time > this.rememberSeconds) this.persons.delete(id);
  }

  /** Forget one person; an id that is not known is no error. */
  forget(id: number): void {
    this.persons.delete(id);
  }
}

/** The descriptor of a face: [2124], of length 1, all values at least 0; null where it is too small. */
export function describe(frame: Frame, box: Box): View | null {
  return Math.max(box[2], box[3]) < SMALLEST_FACE ? null : descriptor(facePatch(frame, box, PICTURE));
}

/** See `describe`; of a grey [48, 48] picture. */
export function descriptor(picture: Grey): View {
  const smooth = smoothed(picture);
  const size = PICTURE - 2;
  const counts = new Float64Array(CELLS * CELLS * KINDS);
  const totals = new Float64Array(CELLS * CELLS);
  const cell = cellOf(size);
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const centre = smooth[(y + 1) * PICTURE + x + 1]!;
      let code = 0;
      for (const [bit, [down, right]] of NEIGHBOURS.entries()) {
        if (smooth[(y + 1 + down) * PICTURE + x + 1 + right]! >= centre) code |= 1 << bit;
      }
      const place = cell[y]! * CELLS + cell[x]!;
      counts[place * KINDS + UNIFORM[code]!]! += 1;
      totals[place]! += 1;
    }
  }
  return Float32Array.from(counts, (count, index) => Math.sqrt(count / totals[Math.floor(index / KINDS)]!) / CELLS);
}

/** Of one view to the most similar of others, 0-1. */
export function similarity(view: View, views: readonly View[]): number {
  let best = -Infinity;
  for (const other of views) {
    let sum = 0;
    for (let index = 0; index < view.length; index++) sum += view[index]! * other[index]!;
    best = Math.max(best, sum);
  }
  return best;
}

/** Sums over 3 x 3 pixels, edges repeated: patterns of single pixels are noise and compression. */
function smoothed(picture: Grey): Float64Array {
  const { rows, columns, values } = picture;
  const result = new Float64Array(rows * columns);
  const bound = (value: number, limit: number) => Math.min(limit - 1, Math.max(0, value));
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      let sum = 0;
      for (let down = -1; down <= 1; down++) {
        for (let right = -1; right <= 1; right++) sum += values[bound(y + down, rows) * columns + bound(x + right, columns)]!;
      }
      result[y * columns + x] = sum;
    }
  }
  return result;
}

function uniform(): Uint8Array {
  const numbers = new Uint8Array(256);
  let next = 0;
  for (let code = 0; code < 256; code++) {
    let changes = 0;
    for (let bit = 0; bit < 8; bit++) changes += ((code >> bit) & 1) !== ((code >> ((bit + 7) % 8)) & 1) ? 1 : 0;
    numbers[code] = changes <= 2 ? next++ : KINDS - 1;
  }
  return numbers;
}

/** The number of the cell in which each row (or column) of so many lies. */
function cellOf(size: number): number[] {
  const edges = Array.from({ length: CELLS + 1 }, (_, i) => halfEven((i * size) / CELLS));
  return Array.from({ length: size }, (_, place) => edges.filter((edge) => edge <= place).length - 1);
}
