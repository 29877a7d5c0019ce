/** What runs a graph, whichever runtime does it, and what is held to the manifest in every one. */
import { BundleError, OptionError } from "../errors.js";
import type { GraphSpec, TensorSpec } from "../contract/manifest_fields.js";

export type Tensors = Record<string, Float32Array | Int32Array>;

/** One loaded graph: arrays in C order in and out, by the names of the manifest. */
export interface Graph {
  run(inputs: Tensors): Promise<Record<string, Float32Array>>;
}

/** Makes a graph of the bytes of its file. @throws BundleError it cannot be loaded or does not fit the manifest. */
export type GraphLoader = (spec: GraphSpec, content: ArrayBuffer) => Promise<Graph>;

export const elements = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** The values of one input. @throws OptionError they are missing, or are not as many as the manifest says. */
export function valuesOf(graph: GraphSpec, input: TensorSpec, inputs: Tensors): Float32Array | Int32Array {
  const values = inputs[input.name];
  if (!values || values.length !== elements(input.shape)) {
    throw new OptionError(
      `${graph.file}: ${input.name} has ${values?.length ?? "no"} values, needed are ${input.shape.join(" x ")}`,
    );
  }
  return values;
}

/** @throws BundleError the file has another number of inputs or outputs than the manifest lists. */
export function checkCounts(graph: GraphSpec, inputs: number, outputs: number): void {
  const pairs = [
    ["inputs", inputs, graph.inputs.length],
    ["outputs", outputs, graph.outputs.length],
  ] as const;
  for (const [kind, found, listed] of pairs) {
    if (found !== listed) {
      throw new BundleError(
        `${graph.file} has ${found} ${kind}, the manifest lists ${listed}; convert the bundle again`,
      );
    }
  }
}
