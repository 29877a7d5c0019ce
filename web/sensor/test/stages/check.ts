/** What the checks of all stages share: their type, and a fusion graph that keeps what it was given. */
import type { Graph, Manifest, Tensors } from "../../src/index.js";
import type { Golden } from "../golden_file.js";

/** A stage against the golden file; what is wrong is thrown. */
export type Check = (golden: Golden, manifest: Manifest) => Promise<void> | void;

/** A fusion graph that keeps what it was given. Its logits are the number of the run, from 1, modulo 2, 3, 4 and so on. */
export class Recorder implements Graph {
  given: Tensors | null = null;
  private runs = 0;

  constructor(private readonly manifest: Manifest) {}

  async run(inputs: Tensors): Promise<Record<string, Float32Array>> {
    this.given = inputs;
    this.runs += 1;
    const size = (shape: number[]) => shape.reduce((a, b) => a * b, 1);
    const outputs = this.manifest.graphs.fusion!.outputs.map((one) => [one.name, new Float32Array(size(one.shape))] as const);
    const answer = Object.fromEntries(outputs);
    for (const index of answer.logits!.keys()) answer.logits![index] = this.runs % (index + 2);
    return answer;
  }

  /** One input of the last run; zeros where the graph was not run. */
  seen(name: string): ArrayLike<number> {
    const { shape } = this.manifest.graphs.fusion!.inputs.find((tensor) => tensor.name === name)!;
    return this.given?.[name] ?? new Float32Array(shape.reduce((a, b) => a * b, 1));
  }
}

/** [2 n] to n pairs. */
export function pairs(values: Float32Array): [number, number][] {
  // What Python has as a double is a float here; of 0.3 that is another number.
  const number = (value: number) => Math.round(value * 1e6) / 1e6;
  return Array.from({ length: values.length / 2 }, (_, i) => [number(values[2 * i]!), number(values[2 * i + 1]!)]);
}
