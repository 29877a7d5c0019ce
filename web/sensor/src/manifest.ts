/**
 * The manifest of a bundle, as mer_sdk.contract.manifest defines it; docs/manifest.schema.json is its schema. Field names are
 * those of the JSON, so that a manifest is used as it was read.
 */
import { BundleError } from "./errors";

export const SCHEMA_VERSION = 4;
/** What a browser runs: ONNX by onnxruntime-web, TFLite by LiteRT.js. */
export const TARGETS = ["onnx", "tflite"] as const;
export type Target = (typeof TARGETS)[number];
/** The one graph of a face finder's bundle. */
export const FINDER = "finder";

export interface TensorSpec {
  name: string;
  shape: number[];
  dtype: string;
  range: [number, number] | null;
}

export interface GraphSpec {
  file: string;
  scheme: string;
  inputs: TensorSpec[];
  outputs: TensorSpec[];
}

export interface Clock {
  step_ms: number;
  window_steps: number;
}

export interface AudioContract {
  sample_rate: number;
  chunk_samples: number;
  resampler: string;
}

export interface FaceContract {
  crop_size: number;
  margin: number;
  resize_filter: string;
  channel_order: string;
  black_level: number;
}

/** What lies outside of a face finder's graph: mer_sdk.contract.manifest.FinderContract says how a frame becomes its input. */
export interface FinderContract {
  height: number;
  width: number;
  threshold: number;
  overlap: number;
  box: string;
  resize_filter: string;
}

export interface BaselineContract {
  prior_steps: number;
  population_mean: Record<string, number[]>;
}

/** Logits are divided by the temperature; what is less sure than the threshold is "unknown". */
export interface StateDecision {
  temperature: number;
  abstention_threshold: number;
}

/** Values of a modality state such as "audio+face", where it has its own in `states`, and those of the others. */
export interface Decision extends StateDecision {
  states?: Record<string, StateDecision>;
}

export interface FileSpec {
  path: string;
  sha256: string;
  bytes: number;
}

/** `finder` is there in a face finder's bundle alone, which has one graph and no labels. */
export interface Manifest {
  name: string;
  model: string;
  labels: string[];
  target: Target;
  scheme: string;
  graphs: Record<string, GraphSpec>;
  baseline: BaselineContract;
  files: FileSpec[];
  clock: Clock;
  audio: AudioContract;
  face: FaceContract;
  dialogue: { utterances: number } | null;
  finder?: FinderContract | null;
  decision: Decision;
  va_source: string;
  schema_version: number;
}

/**
 * Read and check the text of a manifest.json.
 *
 * @throws BundleError not JSON, a newer schema, a missing field, a target that no browser runs, or values that
 *   contradict one another.
 */
export function readManifest(text: string): Manifest {
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch (error) {
    throw new BundleError(`manifest.json is not valid JSON (${String(error)}); write the bundle again with mer-convert`);
  }
  const manifest = data as Manifest;
  if (typeof manifest?.schema_version !== "number") {
    throw new BundleError("manifest.json has no schema_version; is this folder a bundle made by mer-convert?");
  }
  if (manifest.schema_version > SCHEMA_VERSION) {
    throw new BundleError(
      `the bundle has manifest schema ${manifest.schema_version}, this page reads up to ${SCHEMA_VERSION}: ` +
        "take a newer @mer-edge/web, or convert the bundle again with this version",
    );
  }
  const needed = ["name", "model", "labels", "target", "scheme", "graphs", "baseline", "files", "clock", "audio", "face"];
  for (const field of [...needed, "decision"]) {
    if (!(field in manifest)) throw new BundleError(`manifest.json has no field ${field}; convert the bundle again`);
  }
  check(manifest);
  return manifest;
}

/** What the fusion graph reads, of "text", "audio" and "face", in its order: every input that has a mask; a face finder
 * has none. */
export function modalities(manifest: Manifest): string[] {
  if (manifest.finder) return [];
  const names = manifest.graphs.fusion!.inputs.map((tensor) => tensor.name);
  return names.filter((name) => names.includes(`${name}_mask`));
}

function check(manifest: Manifest): void {
  if (!TARGETS.includes(manifest.target)) {
    throw new BundleError(
      `${manifest.name} is made for ${String(manifest.target)}, and a browser runs ${TARGETS.join(" and ")} bundles: ` +
        `mer-convert --model ${manifest.model} --target ${TARGETS.join(",")} --out bundles`,
    );
  }
  if (manifest.finder) checkFinder(manifest, manifest.finder);
  else checkModel(manifest);
  for (const file of manifest.files) {
    if (file.path.startsWith("/") || file.path.split("/").includes("..")) {
      throw new BundleError(`manifest.json lists '${file.path}', which lies outside the bundle`);
    }
  }
  for (const graph of Object.values(manifest.graphs)) {
    if (!manifest.files.some((file) => file.path === graph.file)) {
      throw new BundleError(`${graph.file} is a graph of the manifest without a hash; convert the bundle again`);
    }
  }
}

function checkFinder(manifest: Manifest, contract: FinderContract): void {
  const graphs = Object.keys(manifest.graphs);
  if (graphs.length !== 1 || graphs[0] !== FINDER) {
    throw new BundleError(`manifest.json lists the graphs ${graphs}; a face finder has one, '${FINDER}'`);
  }
  const sizes = [contract.height, contract.width].every((size) => Number.isInteger(size) && size >= 1);
  const shares = [contract.threshold, contract.overlap].every((share) => share >= 0 && share <= 1);
  if (!sizes || !shares) {
    throw new BundleError(
      `manifest.json has the finder ${JSON.stringify(contract)}; sizes are 1 or more, threshold and overlap 0 to 1`,
    );
  }
  if (contract.box !== "cascade-square" || contract.resize_filter !== "triangle") {
    throw new BundleError(
      `manifest.json asks for boxes ${contract.box} and filter ${contract.resize_filter}; known are cascade-square and ` +
        "triangle: take a newer @mer-edge/web",
    );
  }
}

function checkModel(manifest: Manifest): void {
  if (!manifest.graphs.fusion) {
    throw new BundleError(`manifest.json lists the graphs ${Object.keys(manifest.graphs)}; a bundle needs 'fusion'`);
  }
  if (!manifest.labels.length || new Set(manifest.labels).size !== manifest.labels.length) {
    throw new BundleError(`manifest.json has labels ${manifest.labels}; there must be some, each once`);
  }
  if (manifest.audio.resampler !== "kaiser-sinc" || manifest.face.resize_filter !== "triangle") {
    throw new BundleError(
      `manifest.json asks for resampler ${manifest.audio.resampler} and filter ${manifest.face.resize_filter}; ` +
        "known are kaiser-sinc and triangle: take a newer @mer-edge/web",
    );
  }
}
