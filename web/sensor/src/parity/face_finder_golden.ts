/** Golden frames of a face finder's bundle: what its graph gives for them, and the faces: mer_sdk.parity.face_finder_golden. */
import type { Bundle } from "../contract/bundle.js";
import { OptionError } from "../errors.js";
import type { Frame } from "../frontends/face_crop.js";
import type { Found } from "../frontends/face_finder.js";
import { array, casesOf, maxError } from "./golden.js";

/** A frame; scores [N] and boxes [N x 4] of the graph; faces [K x 5]: x, y, width, height, score, the best first. */
export interface FinderCase {
  frame: Frame;
  scores: Float32Array;
  boxes: Float32Array;
  faces: Float32Array;
}

/**
 * The frames of a bundle that was opened with its golden file.
 *
 * @throws OptionError the bundle is an emotion model.
 * @throws BundleError the file is damaged.
 */
export async function readFinderCases(bundle: Bundle): Promise<FinderCase[]> {
  if (!bundle.manifest.finder) throw new OptionError(`${bundle.manifest.name} is no face finder`);
  return (await casesOf(bundle)).map((one) => {
    const [scores, boxes, faces] = ["scores", "boxes", "faces"].map((name) => array(one, name).data as Float32Array);
    const { shape, data } = array(one, "frame");
    const [height, width] = shape as [number, number];
    return { frame: { height, width, data: opaque(data as Uint8Array) }, scores: scores!, boxes: boxes!, faces: faces! };
  });
}

/**
 * Largest absolute differences of what was found: of scores, of boxes in shares of the input, and of faces in pixels,
 * infinite where there are more or fewer.
 */
export function findingErrors(found: Found, wanted: FinderCase): Record<"scores" | "boxes" | "faces", number> {
  return {
    scores: maxError(found.scores, wanted.scores),
    boxes: maxError(found.boxes, wanted.boxes),
    faces: maxError(found.faces.flat(), wanted.faces),
  };
}

/** RGB to RGBA, as a canvas gives it. */
function opaque(rgb: Uint8Array): Uint8Array {
  const rgba = new Uint8Array((rgb.length / 3) * 4).fill(255);
  for (let pixel = 0; pixel < rgb.length / 3; pixel++) rgba.set(rgb.subarray(3 * pixel, 3 * pixel + 3), 4 * pixel);
  return rgba;
}
