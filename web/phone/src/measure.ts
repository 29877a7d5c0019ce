/** Time of graphs and steps, on seeded noise: neither graphs nor front ends have work that depends on the data. */
import { type Graph, type GraphSpec, type Manifest, StepEngine, type Tensors, type TensorSpec } from "@mer-edge/web";
import type { Latency, Point, SustainedRun } from "./messages";

// Both ends of a sustained run are compared over a minute, or half of it where it is shorter than two.
const SPAN = 60;
const POINTS = 60;
// A slow device gets fewer rounds than were asked for: those that fit into so long.
const LONGEST_MS = 60_000;

type Tick = (done: number, total: number) => void;

/** The quantiles of some milliseconds, linear between neighbours as numpy has them, to the microsecond. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const place = share * (sorted.length - 1);
  const low = Math.floor(place);
  const value = sorted[low]! + (place - low) * (sorted[Math.min(low + 1, sorted.length - 1)]! - sorted[low]!);
  return Math.round(value * 1000) / 1000;
}

/** Noise for every input of a graph, within its range. */
export function noise(spec: GraphSpec): Tensors {
  const random = seeded(7);
  return Object.fromEntries(spec.inputs.map((tensor) => [tensor.name, noiseOf(tensor, random)]));
}

/** A round: graph (and last "step", where there is one) -> milliseconds. */
export type Round = () => Promise<Record<string, number>>;

/** Run so many rounds: of each time the first apart, then quantiles of what follows the warm-up. */
export async function measure(run: Round, warmUp: number, rounds: number, tick: Tick): Promise<Record<string, Latency>> {
  const found: Record<string, number>[] = [];
  const start = performance.now();
  for (let turn = 0; turn < warmUp + rounds; turn++) {
    if (performance.now() - start > LONGEST_MS && turn > warmUp) break;
    found.push(await run());
    tick(turn + 1, warmUp + rounds);
  }
  const latency: Record<string, Latency> = {};
  for (const name of Object.keys(found[0]!)) {
    const times = found.map((times) => times[name]!);
    const counted = times.slice(warmUp);
    const [p50, p90, p99] = [0.5, 0.9, 0.99].map((share) => quantile(counted, share)) as [number, number, number];
    latency[name] = { first: Math.round(times[0]! * 1000) / 1000, p50, p90, p99, rounds: counted.length };
  }
  return latency;
}

/**
 * Rounds of a bundle on noise: of a window model a whole step (encoders, window, baseline, fusion, as an app runs it)
 * with the time of each graph within it, since graphs in turn are slower than one graph alone, whose weights stay in
 * the cache. Graphs that a step does not run, and all of a dialogue model, come one by one.
 */
export function roundOf(manifest: Manifest, graphs: Record<string, Graph>): { round: Round; step: () => Promise<unknown> } {
  const spent: Record<string, number> = {};
  const timed = Object.fromEntries(
    Object.entries(graphs).map(([name, graph]): [string, Graph] => [
      name,
      {
        run: async (inputs) => {
          const begin = performance.now();
          const outputs = await graph.run(inputs);
          spent[name] = (spent[name] ?? 0) + performance.now() - begin;
          return outputs;
        },
      },
    ]),
  );
  const inputs = Object.fromEntries(Object.entries(manifest.graphs).map(([name, spec]) => [name, noise(spec)]));
  const engine = manifest.dialogue ? null : new StepEngine(manifest, timed);
  const [chunk, crop] = ["audio", "face"].map((name) => inputs[name] && (Object.values(inputs[name])[0] as Float32Array));
  const step = async () =>
    engine ? await engine.advance(await engine.encode(chunk ?? null, crop ?? null)) : await timed.fusion!.run(inputs.fusion!);
  const round = async () => {
    for (const name of Object.keys(spent)) delete spent[name];
    const begin = performance.now();
    await step();
    const whole = performance.now() - begin;
    for (const name of Object.keys(graphs)) if (!(name in spent)) await timed[name]!.run(inputs[name]!);
    const times = Object.fromEntries(Object.keys(graphs).map((name) => [name, spent[name]!]));
    return engine ? { ...times, step: whole } : times;
  };
  return { round, step };
}

/** Steps without a pause for so many seconds: does the device slow down. */
export async function sustain(
  run: () => Promise<unknown>,
  seconds: number,
  tick: (now: number, points: Point[]) => void,
): Promise<SustainedRun> {
  const span = Math.min(SPAN, seconds / 2);
  const times: { at: number; ms: number }[] = [];
  const points: Point[] = [];
  const start = performance.now();
  let part: number[] = [];
  let now = 0;
  while (now < seconds) {
    const begin = performance.now();
    await run();
    const ms = performance.now() - begin;
    now = (performance.now() - start) / 1000;
    times.push({ at: now, ms });
    part.push(ms);
    if (now >= ((points.length + 1) * seconds) / POINTS) {
      points.push({ seconds: now, p50: quantile(part, 0.5), p90: quantile(part, 0.9) });
      part = [];
      tick(Math.min(now, seconds), points);
    }
  }
  const median = (from: number, to: number) => {
    const within = times.filter(({ at }) => at > from && at <= to).map(({ ms }) => ms);
    return quantile(within.length ? within : [times.at(-1)!.ms], 0.5);
  };
  return { seconds: now, span, steps: times.length, first: median(0, span), last: median(now - span, now), points };
}

function noiseOf(tensor: TensorSpec, random: () => number): Float32Array | Int32Array {
  const [low, high] = tensor.range ?? [-1, 1];
  const count = tensor.shape.reduce((a, b) => a * b, 1);
  // Masks are whole numbers from 0 to 1 that stand for "there": all of them are.
  if (tensor.name.endsWith("_mask")) return new Float32Array(count).fill(1);
  const draw = () => low + random() * (high - low);
  return tensor.dtype === "int32"
    ? Int32Array.from({ length: count }, () => Math.floor(draw()))
    : Float32Array.from({ length: count }, draw);
}

/** Numbers from 0 to 1 by a linear congruential generator (Numerical Recipes), the same in every browser. */
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 4294967296;
  };
}
