/** Finders of faces: a face finder's bundle, the browser's own, or none but the middle of the picture. */
import type { Bundle } from "../contract/bundle.js";
import { OptionError } from "../errors.js";
import { type Detection, type FaceFinder, type Frame, overlap, resizeTriangle } from "./face_crop.js";
import type { Graph } from "../runtimes/graph.js";
import { FINDER, type FinderContract } from "../contract/manifest_fields.js";
import { loadGraphs, type RuntimeOptions } from "../runtimes/runtime.js";

/** What the graph gives for a frame, scores [N] and boxes [N x 4] in shares of its input, and the faces read from it. */
export interface Found {
  scores: Float32Array;
  boxes: Float32Array;
  faces: Detection[];
}

/** The graph of a face finder's bundle: mer_sdk.frontends.face_finder.FinderDetector, whose contract says how. */
export class GraphFinder implements FaceFinder {
  readonly name = "bundle";
  private readonly input: Float32Array;

  constructor(
    private readonly graph: Graph,
    private readonly contract: FinderContract,
  ) {
    this.input = new Float32Array(contract.height * contract.width * 3);
  }

  async detect(frame: Frame): Promise<Detection[]> {
    return (await this.find(frame)).faces;
  }

  /** `detect`, with what the graph gave. One frame at a time: the input is kept. */
  async find(frame: Frame): Promise<Found> {
    const { height, width, threshold, overlap: limit } = this.contract;
    const { picture, rows, columns, scale } = letterboxed(frame, this.contract);
    this.input.fill(0);
    for (let row = 0; row < rows; row++) {
      this.input.set(picture.subarray(row * columns * 3, (row + 1) * columns * 3), row * width * 3);
    }
    const outputs = await this.graph.run({ frame: this.input });
    const [scores, boxes] = [outputs.scores!, outputs.boxes!];
    const found: Detection[] = [];
    for (const [index, score] of scores.entries()) {
      if (!(score > threshold)) continue;
      const [x, y, w, h] = boxes.subarray(4 * index, 4 * index + 4) as unknown as [number, number, number, number];
      found.push([(x * width) / scale, (y * height) / scale, (w * width) / scale, (h * height) / scale, score]);
    }
    return { scores, boxes, faces: suppressed(found, limit) };
  }
}

/**
 * The finder of a face finder's bundle.
 *
 * @throws OptionError the bundle is an emotion model.
 * @throws BundleError, RuntimeUnavailable see `loadGraphs`.
 */
export async function openFinder(bundle: Bundle, options: RuntimeOptions = {}): Promise<GraphFinder> {
  const { finder, name } = bundle.manifest;
  if (!finder) {
    throw new OptionError(`${name} is an emotion model, no face finder; make one with mer-convert --model face_finder`);
  }
  return new GraphFinder((await loadGraphs(bundle, options))[FINDER]!, finder);
}

/** The picture of a frame at the top left of the finder's input, and the scale from frame to input pixels. */
export function letterboxed(
  frame: Frame,
  contract: FinderContract,
): { picture: Float32Array; rows: number; columns: number; scale: number } {
  const scale = Math.min(contract.height / frame.height, contract.width / frame.width);
  const rows = Math.max(1, Math.floor(frame.height * scale + 0.5));
  const columns = Math.max(1, Math.floor(frame.width * scale + 0.5));
  const thin = thinned(
    frame,
    Math.max(1, Math.floor(frame.height / (2 * rows))),
    Math.max(1, Math.floor(frame.width / (2 * columns))),
  );
  const whole = { left: 0, top: 0, width: thin.width, height: thin.height };
  return { picture: resizeTriangle(thin, whole, rows, columns), rows, columns, scale };
}

/** Non-maximum suppression: from the best score down, faces that overlap no kept one by more than `limit`. */
export function suppressed(faces: readonly Detection[], limit: number): Detection[] {
  const kept: Detection[] = [];
  for (const face of [...faces].sort((a, b) => b[4] - a[4])) {
    if (kept.every((other) => overlap(face, other) <= limit)) kept.push(face);
  }
  return kept;
}

/** Every `down`-th row and `across`-th column of a frame, from the middle of the first ones. */
function thinned(frame: Frame, down: number, across: number): Frame {
  if (down === 1 && across === 1) return frame;
  const width = Math.floor(frame.width / across);
  const height = Math.floor(frame.height / down);
  const data = new Uint8ClampedArray(4 * width * height);
  for (let y = 0; y < height; y++) {
    const row = (Math.floor(down / 2) + y * down) * frame.width + Math.floor(across / 2);
    for (let x = 0; x < width; x++) {
      const from = 4 * (row + x * across);
      const to = 4 * (y * width + x);
      for (let channel = 0; channel < 3; channel++) data[to + channel] = frame.data[from + channel]!;
    }
  }
  return { width, height, data };
}

/** A square in the middle of the frame, where a person who looks at the screen has the face: finds one always. */
export class CentreFinder implements FaceFinder {
  readonly name = "centre";

  /** @param share side of the square over the shorter side of the frame. */
  constructor(private readonly share = 0.6) {}

  async detect(frame: Frame): Promise<Detection[]> {
    const side = this.share * Math.min(frame.width, frame.height);
    return [[(frame.width - side) / 2, (frame.height - side) / 2, side, side, 1]];
  }
}

interface ShapeDetector {
  detect(image: ImageData): Promise<{ boundingBox: DOMRectReadOnly }[]>;
}

/** The browser's own FaceDetector (Shape Detection API), where it has one that works; else null. */
export async function browserFinder(): Promise<FaceFinder | null> {
  const kind = (globalThis as { FaceDetector?: new (options: object) => ShapeDetector }).FaceDetector;
  if (!kind) return null;
  try {
    const detector = new kind({ maxDetectedFaces: 5, fastMode: true });
    // Some builds have the interface and no service behind it, which shows at the first call.
    await detector.detect(new ImageData(16, 16));
    return {
      name: "browser",
      detect: async (frame) => {
        const pixels = new ImageData(new Uint8ClampedArray(frame.data), frame.width, frame.height);
        return (await detector.detect(pixels)).map(({ boundingBox: box }) => [box.x, box.y, box.width, box.height, 1]);
      },
    };
  } catch {
    return null;
  }
}
