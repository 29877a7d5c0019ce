import type { GraphSpec } from "@mer-edge/web";
import { expect, test } from "vitest";
import { measure, noise, quantile, sustain } from "../src/measure";

test("quantiles are those of numpy.percentile", () => {
  const values = [4, 1, 3, 2, 10];
  expect([0.5, 0.9, 0.99].map((share) => quantile(values, share))).toEqual([3, 7.6, 9.76]);
  expect(quantile([2], 0.99)).toBe(2);
});

test("the first round is told apart and the warm-up does not count", async () => {
  const times = [90, 50, 1, 2, 3].values();
  const round = async () => ({ face: 1, step: times.next().value as number });
  const ticks: number[] = [];
  const found = await measure(round, 2, 3, (done) => ticks.push(done));
  expect(found.step).toEqual({ first: 90, p50: 2, p90: 2.8, p99: 2.98, rounds: 3 });
  expect(Object.keys(found)).toEqual(["face", "step"]);
  expect(ticks).toEqual([1, 2, 3, 4, 5]);
});

test("a sustained run has rising points and both ends", async () => {
  const seen: number[] = [];
  const wait = () => new Promise((resolve) => setTimeout(resolve, 2));
  const found = await sustain(wait, 0.3, (now) => seen.push(now));
  expect(found.seconds).toBeGreaterThanOrEqual(0.3);
  expect(found.span).toBe(0.15);
  expect(found.points.length).toBeGreaterThan(10);
  expect(found.points.length).toBeLessThanOrEqual(60);
  const at = found.points.map((point) => point.seconds);
  expect(at).toEqual([...new Set(at)].sort((a, b) => a - b));
  expect(Math.min(found.first, found.last)).toBeGreaterThan(1);
  expect(seen.length).toBe(found.points.length);
});

test("noise has the shape, type and range of the input, and is the same every time", () => {
  const tensor = (name: string, dtype: string, range: [number, number] | null) => ({ name, shape: [1, 50], dtype, range });
  const spec = { inputs: [tensor("ids", "int32", [0, 9]), tensor("pcm", "float32", null), tensor("face_mask", "float32", [0, 1])] };
  const found = noise(spec as unknown as GraphSpec);
  expect(found.ids).toBeInstanceOf(Int32Array);
  expect(Math.min(...found.ids!)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...found.ids!)).toBeLessThan(9);
  expect(Math.max(...found.pcm!.map(Math.abs))).toBeLessThanOrEqual(1);
  expect(new Set(found.face_mask)).toEqual(new Set([1]));
  expect(noise(spec as unknown as GraphSpec)).toEqual(found);
});
