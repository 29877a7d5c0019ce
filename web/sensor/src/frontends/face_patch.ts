/** Small grey pictures of faces, by which they are compared: those of mer_sdk.frontends.face_tracking. */
import type { Box, Frame } from "./face_crop.js";

/** A grey picture, rows from the top, values 0-255. */
export interface Grey {
  readonly rows: number;
  readonly columns: number;
  readonly values: Float32Array;
}

/**
 * The square around a box, [size, size]: the green channel at four points a pixel; edge pixels repeat outside.
 *
 * @param margin added on each side, as a share of the square's side.
 */
export function facePatch(frame: Frame, box: Box, size: number, margin = 0): Grey {
  const [x, y] = [box[0] + box[2] / 2, box[1] + box[3] / 2];
  const side = Math.max(box[2], box[3]) * (1 + 2 * margin);
  return sampled(frame, [x - side / 2, y - side / 2, side, side], size, size);
}

/** A region of a frame as [rows, columns]. */
export function sampled(frame: Frame, box: Box, rows: number, columns: number): Grey {
  const { width, height, data } = frame;
  const places = (count: number, begin: number, extent: number, most: number) =>
    Int32Array.from({ length: 2 * count }, (_, i) => {
      // Bounded before the change to whole numbers: a box may lie far outside.
      return Math.trunc(Math.min(most - 1, Math.max(0, begin + (i + 0.5) * (extent / (2 * count)))));
    });
  const down = places(rows, box[1], box[3], height);
  const across = places(columns, box[0], box[2], width);
  const values = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    const [upper, lower] = [down[2 * row]! * width, down[2 * row + 1]! * width];
    for (let column = 0; column < columns; column++) {
      const [left, right] = [across[2 * column]!, across[2 * column + 1]!];
      const sum =
        data[4 * (upper + left) + 1]! +
        data[4 * (upper + right) + 1]! +
        data[4 * (lower + left) + 1]! +
        data[4 * (lower + right) + 1]!;
      values[row * columns + column] = sum / 4;
    }
  }
  return { rows, columns, values };
}

/**
 * Normalised cross-correlation, -1 to 1, of a square template at all places of a larger square patch:
 * [places, places], rows first.
 */
export function correlation(template: Grey, patch: Grey): { scores: Float64Array; places: number } {
  const [size, length] = [template.rows, patch.rows];
  const places = length - size + 1;
  const mean = meanOf(template.values);
  const zero = Float64Array.from(template.values, (value) => value - mean);
  const own = zero.reduce((sum, value) => sum + value * value, 0);
  // A flat picture correlates with nothing: two grey levels are less than a camera's noise.
  const floor = (2 * size) ** 2;
  const { values } = patch;
  const [sums, squares] = [summed(values, length), summed(values.map((value) => value * value), length)];
  const scores = new Float64Array(places * places);
  for (let row = 0; row < places; row++) {
    for (let column = 0; column < places; column++) {
      let cross = 0;
      for (let y = 0; y < size; y++) {
        const from = (row + y) * length + column;
        const line = y * size;
        for (let x = 0; x < size; x++) cross += values[from + x]! * zero[line + x]!;
      }
      const sum = within(sums, length, row, column, size);
      const energy = Math.max(within(squares, length, row, column, size) - sum ** 2 / size ** 2, 0);
      scores[row * places + column] = cross / Math.sqrt(Math.max(energy, floor) * Math.max(own, floor));
    }
  }
  return { scores, places };
}

/** Sums of all values above and to the left of each corner: [length + 1, length + 1]. */
function summed(values: Float32Array, length: number): Float64Array {
  const side = length + 1;
  const result = new Float64Array(side * side);
  for (let y = 0; y < length; y++) {
    let line = 0;
    for (let x = 0; x < length; x++) {
      line += values[y * length + x]!;
      result[(y + 1) * side + x + 1] = result[y * side + x + 1]! + line;
    }
  }
  return result;
}

/** The sum over a square. */
function within(sums: Float64Array, length: number, row: number, column: number, size: number): number {
  const side = length + 1;
  const [upper, lower] = [row * side + column, (row + size) * side + column];
  return sums[lower + size]! - sums[lower]! - sums[upper + size]! + sums[upper]!;
}

/** A part of a picture, `size` pixels in each direction from (row, column) on. */
export function part(grey: Grey, row: number, column: number, size: number): Grey {
  const values = new Float32Array(size * size);
  for (let y = 0; y < size; y++) {
    const from = (row + y) * grey.columns + column;
    values.set(grey.values.subarray(from, from + size), y * size);
  }
  return { rows: size, columns: size, values };
}

export function meanOf(values: ArrayLike<number>): number {
  let sum = 0;
  for (let index = 0; index < values.length; index++) sum += values[index]!;
  return sum / values.length;
}
