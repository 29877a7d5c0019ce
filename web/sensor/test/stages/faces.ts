/** Faces: crops, tracks, who speaks, and the packaged finder. */
import {
  type Box,
  cropFace,
  type Detection,
  type FaceFinder,
  FaceTracker,
  FaceTracks,
  type Frame,
  GraphFinder,
  letterboxed,
} from "../../src/index.js";
import { searched } from "../../src/frontends/face_tracks.js";
import { type Golden, near, of, row } from "../golden_file.js";
import type { Check } from "./check.js";

export const crops: Check = (golden, manifest) => {
  const frame = opaque(of(golden, "host_frame"));
  for (let index = 0; index < of(golden, "host_boxes").shape[0]!; index++) {
    const box = [...row(golden, "host_boxes", index)] as unknown as Box;
    near(cropFace(frame, box, manifest.face)!, row(golden, "host_crops", index), 1e-3, `crop ${index}`);
  }
};

export const tracks: Check = async (golden, manifest) => {
  const [detectSeconds, faces] = of(golden, "stage_tracks_options").data as unknown as [number, number];
  const times = of(golden, "stage_tracks_times").data;
  const script = { step: 0 };
  const finder: FaceFinder = {
    name: "scripted",
    detect: async () => {
      const rows = row(golden, "stage_tracks_detections", script.step);
      const found = Array.from({ length: rows.length / 4 }, (_, i) => [...rows.slice(4 * i, 4 * i + 4), 1]);
      return found.filter((one) => one[2]! > 0) as unknown as Detection[];
    },
  };
  const listed = (seen: readonly { id: number; box: Box }[]) => {
    return Array.from({ length: faces }, (_, i) => (seen[i] ? [seen[i].id, ...seen[i].box] : [-1, -1, -1, -1, -1])).flat();
  };
  const tracker = new FaceTracker(finder, detectSeconds, faces);
  const watch = new FaceTracks(finder, manifest.face, { faces, detectSeconds, preferSpeaking: false });
  for (const [step, time] of times.entries()) {
    script.step = step;
    const frame = pictured(golden, step);
    const before = tracker.searches;
    near(listed(await tracker.follow(frame, time)), row(golden, "stage_tracks_found", step), 2e-3, `tracks of step ${step}`);
    near([tracker.searches - before], [of(golden, "stage_tracks_asked").data[step]!], 0, `searches of step ${step}`);
    const seen = (await watch.look([{ time, frame }], null)).map(({ view }) => view);
    near(listed(seen), row(golden, "stage_tracks_persons", step), 2e-3, `persons of step ${step}`);
  }
  for (let count = 1; count <= of(golden, "stage_tracks_looked").shape[0]!; count++) {
    near([...searched(count), -1, -1].slice(0, 3), row(golden, "stage_tracks_looked", count - 1), 0, "frames that are looked at");
  }
};

export const speaking: Check = async (golden, manifest) => {
  const boxes = of(golden, "stage_speaking_boxes");
  const [gone, levels] = [of(golden, "stage_speaking_gone").data, of(golden, "stage_speaking_levels")];
  let step = 0;
  const finder: FaceFinder = {
    name: "scripted",
    detect: async () => {
      const all = Array.from({ length: boxes.shape[0]! }, (_, person) => [...row(golden, "stage_speaking_boxes", person)]);
      return all.flatMap(([x, y, side], person) => (person || !gone[step] ? [[x, y, side, side, 1] as unknown as Detection] : []));
    },
  };
  const tracks = new FaceTracks(finder, manifest.face, { faces: 2, detectSeconds: 0 });
  for (; step < levels.shape[0]!; step++) {
    const frames = [0.0625, 0.1875].map((since, number) => ({ time: 0.25 * step + since, frame: speakingFrame(golden, step, number) }));
    const [first, second] = row(golden, "stage_speaking_levels", step) as unknown as [number, number];
    const sound = first < 0 ? null : Float32Array.from({ length: 4000 }, (_, i) => (i < 2000 ? first : second));
    const seen = (await tracks.look(frames, sound)).map(({ view }) => view);
    const rows = Array.from({ length: 3 }, (_, i) => (seen[i] ? [seen[i].id, ...seen[i].box] : [-1, -1, -1, -1, -1])).flat();
    near(rows, row(golden, "stage_speaking_persons", step), 2e-3, `faces of step ${step}`);
  }
};

export const finding: Check = async (golden, manifest) => {
  const contract = manifest.finder!;
  for (let index = 0; golden.has(`stage_letterbox${index}_frame`); index++) {
    const prefix = `stage_letterbox${index}_`;
    const { picture, rows, columns, scale } = letterboxed(opaque(of(golden, `${prefix}frame`)), contract);
    const input = new Float32Array(contract.height * contract.width * 3);
    for (let y = 0; y < rows; y++) input.set(picture.subarray(y * columns * 3, (y + 1) * columns * 3), y * contract.width * 3);
    near(input, of(golden, `${prefix}input`).data, 1e-3, "input");
    near([scale], of(golden, `${prefix}scale`).data, 1e-6, "scale");
  }
  for (let index = 0; golden.has(`stage_decode${index}_size`); index++) {
    const prefix = `stage_decode${index}_`;
    const [height, width] = of(golden, `${prefix}size`).data as unknown as [number, number];
    const answer = { scores: of(golden, `${prefix}scores`).data, boxes: of(golden, `${prefix}boxes`).data };
    const finder = new GraphFinder({ run: async () => answer }, contract);
    const faces = await finder.detect({ height, width, data: new Uint8Array(4 * height * width) });
    near(faces.flat(), of(golden, `${prefix}faces`).data, 1e-2, "faces");
  }
};

/** RGB to RGBA, as a canvas gives it. */
function opaque({ shape, data }: { shape: number[]; data: Float32Array }): Frame {
  const [height, width] = shape as [number, number];
  const rgba = new Uint8ClampedArray(4 * height * width).fill(255);
  for (let pixel = 0; pixel < height * width; pixel++) rgba.set(data.subarray(3 * pixel, 3 * pixel + 3), 4 * pixel);
  return { width, height, data: rgba };
}

/** A frame of the film: a background with pictures laid over it, in their order. */
function pictured(golden: Golden, step: number): Frame {
  const { shape } = of(golden, "stage_tracks_backgrounds");
  const background = row(golden, "stage_tracks_backgrounds", of(golden, "stage_tracks_background").data[step]!);
  const frame = opaque({ shape: shape.slice(1), data: background });
  const places = row(golden, "stage_tracks_places", step);
  const [count, side] = of(golden, "stage_tracks_pictures").shape as [number, number];
  for (let one = 0; one < count; one++) {
    const [left, top] = [places[2 * one]!, places[2 * one + 1]!];
    if (left >= 0) lay(row(golden, "stage_tracks_pictures", one), side, left, top, frame);
  }
  return frame;
}

/** A background with faces, and the mouths of those that have them open. */
function speakingFrame(golden: Golden, step: number, number: number): Frame {
  const { shape } = of(golden, "stage_tracks_backgrounds");
  const frame = opaque({ shape: shape.slice(1), data: row(golden, "stage_tracks_backgrounds", 0) });
  const open = row(golden, "stage_speaking_open", step);
  const count = of(golden, "stage_tracks_pictures").shape[0]!;
  for (let person = 0; person < count; person++) {
    if (!person && of(golden, "stage_speaking_gone").data[step]) continue;
    const [left, top] = row(golden, "stage_speaking_boxes", person) as unknown as [number, number];
    lay(row(golden, "stage_tracks_pictures", person), of(golden, "stage_tracks_pictures").shape[2]!, left, top, frame);
    if (!open[count * number + person]) continue;
    lay(row(golden, "stage_speaking_mouths", person), of(golden, "stage_speaking_mouths").shape[2]!, left + 14, top + 33, frame);
  }
  return frame;
}

function lay(picture: Float32Array, width: number, left: number, top: number, frame: Frame): void {
  for (let pixel = 0; pixel < picture.length / 3; pixel++) {
    const place = (top + Math.floor(pixel / width)) * frame.width + left + (pixel % width);
    (frame.data as Uint8ClampedArray).set(picture.subarray(3 * pixel, 3 * pixel + 3), 4 * place);
  }
}
