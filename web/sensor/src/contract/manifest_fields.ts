/**
 * What a manifest holds, as mer_sdk.contract.manifest defines it. Field names are those of the JSON, so that a manifest is
 * used as it was read.
 */

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

/** mer_sdk.contract.manifest.TextContract says how a text becomes ids. */
export interface TextContract {
  words: number;
  slots: number;
  buckets: number;
  ngrams: [number, number];
  hash: string;
}

export interface DialogueContract {
  utterances: number;
  speakers: number;
  causal: boolean;
}

/**
 * `neutral_offset` is what an enrolment adds to each step that it takes in; empty where it adds nothing. `neutral_prior` is
 * the share of neutral steps behind the population's means; 0 where a running baseline takes steps in as they are.
 */
export interface BaselineContract {
  prior_steps: number;
  population_mean: Record<string, number[]>;
  neutral_offset: Record<string, number[]>;
  neutral_prior: number;
}

/** Logits are divided by the temperature; what is less sure than the threshold is "unknown". */
export interface StateDecision {
  temperature: number;
  abstention_threshold: number;
}

/** Values of a modality state such as "audio+face", where it has its own in `states`, and those of the others. */
export interface Decision extends StateDecision {
  states: Record<string, StateDecision>;
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
  text: TextContract | null;
  dialogue: DialogueContract | null;
  finder: FinderContract | null;
  decision: Decision;
  va_source: string;
  schema_version: number;
  schema_minor: number;
}

/** What the fusion graph reads, of "text", "audio" and "face", in its order: every input that has a mask; a face finder
 * has none. */
export function modalities(manifest: Manifest): string[] {
  if (manifest.finder) return [];
  const names = manifest.graphs.fusion!.inputs.map((tensor) => tensor.name);
  return names.filter((name) => names.includes(`${name}_mask`));
}
