/** Faces: what finds them, and the crop that the face graph reads: mer_sdk.frontends.face_crop. */
import { SignalError } from "../errors.js";
import type { FaceContract } from "../contract/manifest_fields.js";

/** x, y, width, height in pixels; may reach outside the frame. */
export type Box = readonly [number, number, number, number];
export type Detection = readonly [number, number, number, number, number];

/** Pixels as a canvas gives them: RGBA, 8 bits, rows from the top. An ImageData is one. */
export interface Frame {
  width: number;
  height: number;
  data: Uint8ClampedArray | Uint8Array;
}

/** Anything that finds faces: (x, y, width, height, score) each, in pixels. */
export interface FaceFinder {
  readonly name: string;
  detect(frame: Frame): Promise<Detection[]>;
}

interface Taps {
  start: number;
  weights: Float32Array;
}

const filters = new Map<string, Taps[]>();

/** The antialiased triangle filter from `source` to `target` pixels, in the definition that Pillow uses. */
function triangle(source: number, target: number): Taps[] {
  const key = `${source}>${target}`;
  const found = filters.get(key);
  if (found) return found;
  const scale = source / target;
  const support = Math.max(1, scale);
  const taps: Taps[] = [];
  for (let index = 0; index < target; index++) {
    const centre = (index + 0.5) * scale;
    const start = Math.max(0, Math.floor(centre - support + 0.5));
    const stop = Math.min(source, Math.floor(centre + support + 0.5));
    const raw = Array.from({ length: stop - start }, (_, i) =>
      Math.max(0, 1 - Math.abs((start + i + 0.5 - centre) / support)),
    );
    const sum = raw.reduce((a, b) => a + b, 0);
    taps.push({ start, weights: Float32Array.from(raw, (value) => value / sum) });
  }
  // A face moves and changes its size from frame to frame; old sizes need not be kept.
  if (filters.size >= 64) filters.delete(filters.keys().next().value!);
  filters.set(key, taps);
  return taps;
}

/** Part of a frame, in whole pixels; may reach outside. */
export interface Region {
  left: number;
  top: number;
  width: number;
  height: number;
}

/**
 * Resize a region of a frame to [rows, columns, 3] RGB with the triangle filter, values unrounded. Pixels outside the
 * frame repeat the nearest edge pixel.
 */
export function resizeTriangle(frame: Frame, region: Region, rows: number, columns: number): Float32Array {
  const across = triangle(region.width, columns);
  const { width, height, data } = frame;
  const clamp = (value: number, limit: number) => Math.min(limit - 1, Math.max(0, value));
  const line = columns * 3;
  // Columns first, for those rows alone that the region has.
  const narrow = new Float32Array(region.height * line);
  for (let y = 0; y < region.height; y++) {
    const row = clamp(region.top + y, height) * width;
    for (let x = 0; x < columns; x++) {
      const { start, weights } = across[x]!;
      let [r, g, b] = [0, 0, 0];
      for (let tap = 0; tap < weights.length; tap++) {
        const pixel = 4 * (row + clamp(region.left + start + tap, width));
        const weight = weights[tap]!;
        r += weight * data[pixel]!;
        g += weight * data[pixel + 1]!;
        b += weight * data[pixel + 2]!;
      }
      const place = y * line + 3 * x;
      narrow[place] = r;
      narrow[place + 1] = g;
      narrow[place + 2] = b;
    }
  }
  const result = new Float32Array(rows * line);
  for (const [y, { start, weights }] of triangle(region.height, rows).entries()) {
    for (let x = 0; x < line; x++) {
      let sum = 0;
      for (let tap = 0; tap < weights.length; tap++) sum += weights[tap]! * narrow[(start + tap) * line + x]!;
      result[y * line + x] = sum;
    }
  }
  return result;
}

/** @throws SignalError an empty frame, or one whose values are not RGBA. */
export function checkFrame(frame: Frame): void {
  if (!(frame.width > 0 && frame.height > 0) || frame.data.length !== 4 * frame.width * frame.height) {
    throw new SignalError(
      `a frame has ${frame.width} x ${frame.height} pixels and ${frame.data.length} values; needed is RGBA`,
    );
  }
}

/**
 * The crop of one face as the contract says: [crop_size, crop_size, 3] RGB 0-255; null where it is black.
 *
 * @throws SignalError an empty frame, or a box without area.
 */
export function cropFace(frame: Frame, box: Box | Detection, contract: FaceContract): Float32Array | null {
  checkFrame(frame);
  const [x, y, width, height] = box;
  if (![x, y, width, height].every(Number.isFinite) || width <= 0 || height <= 0) {
    throw new SignalError(`the face box (${x}, ${y}, ${width}, ${height}) has no area`);
  }
  const exact = Math.max(width, height) * (1 + 2 * contract.margin);
  const side = Math.max(1, Math.floor(exact + 0.5));
  const left = Math.floor(x + (width - exact) / 2 + 0.5);
  const top = Math.floor(y + (height - exact) / 2 + 0.5);
  const crop = resizeTriangle(frame, { left, top, width: side, height: side }, contract.crop_size, contract.crop_size);
  return crop.some((value) => value > contract.black_level) ? crop : null;
}

/** Intersection over union of two boxes, 0-1. */
export function overlap(a: readonly number[], b: readonly number[]): number {
  const [ax, ay, aw, ah] = a as unknown as Box;
  const [bx, by, bw, bh] = b as unknown as Box;
  const width = Math.min(ax + aw, bx + bw) - Math.max(ax, bx);
  const height = Math.min(ay + ah, by + bh) - Math.max(ay, by);
  if (width <= 0 || height <= 0) return 0;
  const shared = width * height;
  return shared / (aw * ah + bw * bh - shared);
}

/** The face an estimate looked at, in pixels of its frame; `id` is the person's. */
export interface FaceView {
  id: number;
  box: Box;
}
