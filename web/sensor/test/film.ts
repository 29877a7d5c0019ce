/** The film of tests/web/pipeline_vectors.py, drawn of its parts, and a finder that knows where its faces are. */
import type { Detection, FaceFinder, Frame, NpyArray } from "../src/index.js";
import type { SpeechModel } from "../src/frontends/voice_activity.js";

const [SIDE, MOUTH_TOP, MOUTH_LEFT] = [48, 33, 14];

/** Frame `index` of the film, RGBA; its number is in its first pixel. */
export function frameOf(get: (name: string) => NpyArray, index: number): Frame {
  const [, height, width] = get("film_backgrounds").shape as [number, number, number, number];
  const data = new Uint8ClampedArray(4 * width * height).fill(255);
  const lay = (name: string, picture: number, left: number, top: number) => {
    const { shape, data: all } = get(name);
    const [, rows, columns] = shape as [number, number, number, number];
    for (let y = 0; y < rows; y++) {
      for (let x = 0; x < columns; x++) {
        const from = 3 * ((picture * rows + y) * columns + x);
        const to = 4 * ((top + y) * width + left + x);
        for (let channel = 0; channel < 3; channel++) data[to + channel] = all[from + channel]!;
      }
    }
  };
  lay("film_backgrounds", get("film_scenes").data[index]!, 0, 0);
  for (let person = 0; person < SIDE / 16; person++) {
    const [left, top] = [0, 1].map((axis) => get("film_places").data[(index * 3 + person) * 2 + axis]!) as [number, number];
    if (left < 0) continue;
    lay("film_pictures", person, left, top);
    if (get("film_open").data[index * 3 + person]) lay("film_mouths", person, left + MOUTH_LEFT, top + MOUTH_TOP);
  }
  data.set([index, index, index]);
  return { width, height, data };
}

/** Both channels of the film's sound from sample to sample. */
export function soundOf(get: (name: string) => NpyArray, begin: number, end: number, channels = 2): Float32Array[] {
  const pcm = get("film_pcm").data;
  return Array.from({ length: channels }, (_, channel) =>
    Float32Array.from({ length: end - begin }, (_, i) => pcm[2 * (begin + i) + channel]!),
  );
}

export function scripted(detections: number[][][]): FaceFinder {
  return { name: "scripted", detect: async (frame) => detections[frame.data[0]!] as unknown as Detection[] };
}

/** Takes loud sound for speech. */
export const loud: SpeechModel = {
  reset: () => undefined,
  probability: async (piece) => Math.min(1, (5 * piece.reduce((sum, value) => sum + Math.abs(value), 0)) / piece.length),
};
