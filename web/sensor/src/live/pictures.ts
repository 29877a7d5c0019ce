/** Pictures of a camera, in whatever form a browser has them, to pixels. */
import { RuntimeUnavailable } from "../errors.js";
import type { Frame } from "../frontends/face_crop.js";

/** Pixels, or a picture that gives them; a bitmap or video frame is closed once it was read. */
export type Picture = Frame | ImageBitmap | VideoFrame;

/** What of a picture moves to a worker: pixels are copied, a bitmap or a video frame is gone here. */
export function moved(picture: Picture): Transferable[] {
  return "data" in picture ? [] : [picture];
}

/** Of an ImageData its values alone: not every browser can send one. */
export function plain(picture: Picture): Picture {
  return "data" in picture ? { width: picture.width, height: picture.height, data: picture.data } : picture;
}

/** Reads the pixels of pictures, on one canvas. */
export class Pixels {
  private canvas: OffscreenCanvas | null = null;

  of(picture: Picture): Frame {
    if ("data" in picture) return picture;
    if (typeof OffscreenCanvas === "undefined") {
      throw new RuntimeUnavailable("this browser has no OffscreenCanvas: give the pixels, as getImageData of a canvas has them");
    }
    const [width, height] =
      "displayWidth" in picture ? [picture.displayWidth, picture.displayHeight] : [picture.width, picture.height];
    this.canvas ??= new OffscreenCanvas(width, height);
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
    const context = this.canvas.getContext("2d", { willReadFrequently: true })!;
    context.drawImage(picture, 0, 0);
    picture.close();
    return context.getImageData(0, 0, width, height);
  }
}
