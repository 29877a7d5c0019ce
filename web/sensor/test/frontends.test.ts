import { beforeAll, expect, test } from "vitest";
import {
  AudioFrontend,
  cropFace,
  decide,
  decisionOf,
  type Frame,
  type Graph,
  GraphFinder,
  type Manifest,
  maxError,
  type NpyArray,
  OptionError,
  norm,
  PersonalBaseline,
  Resampler,
  SCHEMA_VERSION,
  SignalError,
  softmax,
  stateOf,
  toMono,
} from "../src/index.js";
import { arrays, facts } from "./vectors.js";

let told: any;
let get: (name: string) => NpyArray;
const floats = (name: string) => get(name).data as Float32Array;

beforeAll(async () => {
  told = facts();
  get = await arrays();
});

test("manifests of the present schema are read", () => {
  expect(SCHEMA_VERSION).toBe(told.schema_version);
});

test("the resampler gives Python's samples, whole and in pieces", () => {
  for (const rate of told.rates) {
    const given = floats(`resample${rate}_in`);
    const wanted = floats(`resample${rate}_out`);
    for (const size of [given.length, 128, 1]) {
      const resampler = new Resampler(rate, 16000);
      const found: number[] = [];
      for (let at = 0; at < given.length; at += size) found.push(...resampler.push(given.subarray(at, at + size)));
      found.push(...resampler.flush());
      expect(found.length).toBe(wanted.length);
      expect(maxError(found, wanted)).toBeLessThan(2e-6);
    }
  }
});

test("chunks, gaps and a late start are cut as in Python", () => {
  const contract = { sample_rate: 16000, chunk_samples: 6000, resampler: "kaiser-sinc" };
  const frontend = new AudioFrontend(contract, { step_ms: 250, window_steps: 16 });
  const pieces = told.audio;
  const chunks = get("chunks");
  let place = 0;
  for (const [index, piece] of pieces.entries()) {
    const last = index === pieces.length - 1;
    const steps = last ? frontend.flush() : frontend.push([floats(`piece${index}`)], 48000, piece.time);
    expect(steps.length).toBe(piece.steps);
    for (const step of steps) {
      const wanted = (chunks.data as Float32Array).subarray(place * 6000, (place + 1) * 6000);
      expect(maxError(step.chunk, wanted)).toBeLessThan(2e-6);
      expect(step.covered).toBe(floats("covered")[place] === 1);
      place += 1;
    }
  }
  expect(place).toBe(chunks.shape[0]);
});

test("bad sound is refused", () => {
  expect(() => toMono([new Float32Array([0, Number.NaN])], 5)).toThrow(/sample 6 is not a finite number/);
  expect(() => toMono([])).toThrow(SignalError);
  expect(() => new Resampler(0, 16000)).toThrow(/allowed are 1000 to 768000/);
  const frontend = new AudioFrontend(
    { sample_rate: 16000, chunk_samples: 6000, resampler: "kaiser-sinc" },
    { step_ms: 250, window_steps: 16 },
  );
  frontend.push([new Float32Array(16000)], 16000);
  expect(() => frontend.push([new Float32Array(10)], 48000)).toThrow(/changed from 16000 to 48000/);
  expect(() => frontend.push([new Float32Array(10)], 16000, 0.5)).toThrow(/came after 1.000 s/);
});

test("crops equal Python's, inside and outside the frame", () => {
  const array = get("frame");
  const frame: Frame = { height: array.shape[0]!, width: array.shape[1]!, data: array.data as Uint8Array };
  for (const [index, { box, margin }] of told.boxes.entries()) {
    const contract = { crop_size: 16, margin, resize_filter: "triangle", channel_order: "RGB", black_level: 8 };
    expect(maxError(cropFace(frame, box, contract)!, floats(`crop${index}`))).toBeLessThan(2e-4);
    expect(cropFace({ ...frame, data: new Uint8Array(frame.data.length) }, box, contract)).toBeNull();
    expect(() => cropFace(frame, [0, 0, 0, 5], contract)).toThrow(/no area/);
  }
});

test("the finder reads the picture and tells the faces that Python's does", async () => {
  for (const [index, one] of told.finder.entries()) {
    const array = get(`finder${index}_frame`);
    const frame: Frame = { height: array.shape[0]!, width: array.shape[1]!, data: array.data as Uint8Array };
    let seen = new Float32Array(0);
    const graph: Graph = {
      run: async ({ frame: input }) => {
        seen = Float32Array.from(input!);
        return { scores: floats(`finder${index}_scores`), boxes: floats(`finder${index}_boxes`) };
      },
    };
    const found = await new GraphFinder(graph, one.contract).detect(frame);
    expect(maxError(seen, floats(`finder${index}_input`))).toBeLessThan(2e-4);
    expect(found.length).toBe(one.faces.length);
    for (const [place, face] of found.entries()) expect(maxError(face, one.faces[place])).toBeLessThan(1e-3);
  }
});

test("softmax, affect and abstention equal Python's", () => {
  const { labels, expected } = told.affect;
  const shares = softmax(floats("logits"), 0.7);
  expect(maxError(shares, get("shares").data)).toBeLessThan(1e-6);
  const own = { temperature: 2, abstention_threshold: 0.01 };
  const manifest = { labels, decision: { temperature: 0.7, abstention_threshold: 0.99, states: { face: own } } } as unknown as Manifest;
  const decided = decide(shares, manifest, "audio");
  expect(maxError([decided.valence, decided.arousal], expected)).toBeLessThan(1e-6);
  expect(decided.emotion).toBe("unknown");
  expect(decide(shares, manifest, "none")).toMatchObject({ emotion: "unknown", valence: 0, arousal: 0 });
  expect(labels).toContain(decide(shares, manifest, stateOf({ audio: 0, face: 3 })).emotion);
  expect(decisionOf(manifest.decision, "face")).toEqual(own);
  expect(decisionOf(manifest.decision, "audio+face").temperature).toBe(0.7);
  expect(() => norm("bored")).toThrow(OptionError);
});

test("a baseline moves from the population to the person and back", () => {
  const plain = { neutral_offset: {}, neutral_prior: 0 };
  const baseline = new PersonalBaseline({ prior_steps: 3, population_mean: { face: [1, -1] }, ...plain });
  baseline.observe("face", new Float32Array([5, 3]));
  baseline.observe("face", new Float32Array([Number.NaN, 0]));
  expect([...baseline.mean("face")]).toEqual([2, 0]);
  expect(baseline.steps).toEqual({ face: 1 });
  baseline.reset();
  expect([...baseline.mean("face")]).toEqual([1, -1]);
  baseline.observeNeutral("face", new Float32Array([5, 3]));
  expect([...baseline.mean("face")]).toEqual([2, 0]);
});

test("an enrolment adds what a face at rest lacks", () => {
  const offsets = { neutral_offset: { face: [4, -8] }, neutral_prior: 0 };
  const baseline = new PersonalBaseline({ prior_steps: 3, population_mean: { face: [1, -1] }, ...offsets });
  baseline.observeNeutral("face", new Float32Array([5, 3]));
  expect([...baseline.mean("face")]).toEqual([3, -2]);
  baseline.expectNeutral(1); // says nothing where there is no prior
  baseline.reset();
  baseline.observe("face", new Float32Array([5, 3]));
  expect([...baseline.mean("face")]).toEqual([2, 0]);
});

test("a step gets as much of the offset as the person is neutral more often than the prior", () => {
  const offsets = { neutral_offset: { face: [4, -8] }, neutral_prior: 0.2 };
  const baseline = new PersonalBaseline({ prior_steps: 3, population_mean: { face: [1, -1] }, ...offsets });
  for (const [probability, mean] of [[1, [3, -2]], [0.6, [2.5, -1]], [0.2, [2, 0]], [0, [1.75, 0.5]]] as const) {
    baseline.reset();
    baseline.expectNeutral(probability);
    baseline.expectNeutral(Number.NaN); // changes nothing
    baseline.observe("face", new Float32Array([5, 3]));
    expect(baseline.mean("face")[0]).toBeCloseTo(mean[0], 6);
    expect(baseline.mean("face")[1]).toBeCloseTo(mean[1], 6);
  }
});

test("an unusual rate is taken as the nearest ratio of few phases, as in Python", () => {
  // Lengths that mer_sdk.frontends.resampling gives of twenty seconds of sound.
  for (const [rate, length] of [[47999, 319994], [44101, 320000], [96001, 320004]] as const) {
    const resampler = new Resampler(rate, 16000);
    const made = [resampler.push(new Float32Array(20 * rate)), resampler.flush()];
    expect(made[0]!.length + made[1]!.length).toBe(length);
  }
});
