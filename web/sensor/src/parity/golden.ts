/** Golden cases: raw input, features and output of a whole window, by which this port proves itself: mer_sdk.contract.golden. */
import { PersonalBaseline } from "../window/baseline.js";
import type { Bundle } from "../contract/bundle.js";
import { encodeRow } from "../window/engine.js";
import { BundleError, OptionError } from "../errors.js";
import type { Graph, Tensors } from "../runtimes/graph.js";
import type { Manifest } from "../contract/manifest_fields.js";
import { type NpyArray, readNpz } from "../contract/npz.js";

// Modality -> name of its raw input, in the graph and in the file; in the order of the fusion graph's inputs.
const RAW = { text: "ids", audio: "pcm", face: "crop" } as const;

/** Arrays of one case: those of docs/reference/bundle.md by name, without the "case{i}_". */
export interface CaseArrays {
  arrays: Map<string, NpyArray>;
}

/** One case of an emotion model. */
export interface GoldenCase extends CaseArrays {
  modalities: string[];
}

/** What is made of a case: features [N x D] by modality, logits, reliance. */
export interface CaseOutput {
  features: Record<string, Float32Array>;
  logits: Float32Array;
  reliance: Float32Array;
}

/**
 * The cases of a bundle that was opened with its golden file.
 *
 * @throws OptionError the bundle is a face finder: see `readFinderCases`.
 * @throws BundleError the file is damaged.
 */
export async function readGolden(bundle: Bundle): Promise<GoldenCase[]> {
  if (bundle.manifest.finder) {
    throw new OptionError(`${bundle.manifest.name} is a face finder, whose golden frames are no cases of an emotion model`);
  }
  return (await casesOf(bundle)).map(({ arrays }) => ({
    arrays,
    modalities: Object.keys(RAW).filter((name) => arrays.has(`${name}_mask`)),
  }));
}

/** The arrays of the golden file, case by case. @throws BundleError the file is damaged or empty. */
export async function casesOf(bundle: Bundle): Promise<CaseArrays[]> {
  const all = await readNpz(bundle.file("golden.npz"));
  const cases: CaseArrays[] = [];
  for (let index = 0; ; index++) {
    const prefix = `case${index}_`;
    const named = [...all].filter(([name]) => name.startsWith(prefix));
    if (!named.length) break;
    cases.push({ arrays: new Map(named.map(([name, array]) => [name.slice(prefix.length), array])) });
  }
  if (!cases.length) throw new BundleError("golden.npz holds no case; convert the bundle again");
  return cases;
}

/** One array of a case. @throws BundleError it is missing. */
export function array(one: CaseArrays, name: string): NpyArray {
  const found = one.arrays.get(name);
  if (!found) throw new BundleError(`golden.npz: ${name} is missing; convert the bundle again`);
  return found;
}

/** Raw input of one row: all its steps, one after the other. */
export function rawRow(one: GoldenCase, name: string, row: number): Float32Array | Int32Array {
  const { data } = array(one, RAW[name as keyof typeof RAW]);
  const rows = array(one, `${name}_mask`).data.length;
  const size = data.length / rows;
  return data.slice(row * size, (row + 1) * size) as Float32Array | Int32Array;
}

/** Run a case from raw input to logits with a cold baseline: an encoder's error reaches the fusion. */
export async function runCase(manifest: Manifest, graphs: Record<string, Graph>, one: GoldenCase): Promise<CaseOutput> {
  const cold = new PersonalBaseline(manifest.baseline);
  const features: Record<string, Float32Array> = {};
  const inputs: Tensors = {};
  for (const name of one.modalities) {
    const mask = array(one, `${name}_mask`).data as Float32Array;
    const rows = await encodeRows(manifest, graphs, one, name, mask);
    const size = rows.length / mask.length;
    const mean = name in manifest.baseline.population_mean ? cold.mean(name) : new Float32Array(size);
    features[name] = rows;
    inputs[name] = rows.map((value, index) => (value - mean[index % size]!) * mask[Math.floor(index / size)]!);
    inputs[`${name}_mask`] = mask;
  }
  if (one.arrays.has("speakers")) inputs.speakers = Float32Array.from(array(one, "speakers").data);
  const outputs = await graphs.fusion!.run(inputs);
  return { features, logits: outputs.logits!, reliance: outputs.reliance! };
}

/** Largest absolute difference; infinite where a value is not finite or the lengths differ. */
export function maxError(values: ArrayLike<number>, reference: ArrayLike<number>): number {
  if (values.length !== reference.length) return Infinity;
  let most = 0;
  for (let index = 0; index < values.length; index++) {
    const error = Math.abs(values[index]! - reference[index]!);
    if (!Number.isFinite(error)) return Infinity;
    most = Math.max(most, error);
  }
  return most;
}

// Largest error of the logits between two processors at full precision, and least SQNR where values are quantized:
// kernels of another machine round a value that lies between two integers to the other one.
const NEAR: Record<string, number> = { fp16: 5e-3 };
const NEAR_DEFAULT = 1e-3;
const SQNR_DB = 20;

/** Whether logits are as near to the reference as a bundle of this scheme must be on another machine. */
export function isNear(scheme: string, values: ArrayLike<number>, reference: ArrayLike<number>): boolean {
  const error = maxError(values, reference);
  if (error <= (NEAR[scheme] ?? NEAR_DEFAULT)) return true;
  return scheme !== "fp32" && scheme !== "fp16" && Number.isFinite(error) && sqnr(values, reference) >= SQNR_DB;
}

/** Signal to quantization-noise ratio in dB; infinite where both are equal. */
export function sqnr(values: ArrayLike<number>, reference: ArrayLike<number>): number {
  let [signal, noise] = [0, 0];
  for (let index = 0; index < values.length; index++) {
    signal += reference[index]! ** 2;
    noise += (values[index]! - reference[index]!) ** 2;
  }
  return noise ? 10 * Math.log10(signal / noise) : Infinity;
}

async function encodeRows(
  manifest: Manifest,
  graphs: Record<string, Graph>,
  one: GoldenCase,
  name: string,
  mask: Float32Array,
): Promise<Float32Array> {
  const spec = manifest.graphs[name];
  // A modality without a graph is given as features.
  if (!spec) return Float32Array.from(array(one, RAW[name as keyof typeof RAW]).data);
  const size = spec.outputs[0]!.shape[1]!;
  const length = spec.inputs[0]!.shape.reduce((a, b) => a * b, 1);
  const rows = new Float32Array(mask.length * size);
  for (let row = 0; row < mask.length; row++) {
    if (!mask[row]) continue;
    const raw = rawRow(one, name, row);
    const steps = raw.length / length;
    for (let step = 0; step < steps; step++) {
      const found = await encodeRow(manifest, graphs, name, raw.slice(step * length, (step + 1) * length));
      for (let i = 0; i < size; i++) rows[row * size + i]! += found[i]! / steps;
    }
  }
  return rows;
}
