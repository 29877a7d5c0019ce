/** Graphs by LiteRT.js: WebAssembly on one thread. */
import type { CompiledModel, TensorDetails } from "@litertjs/core";
import { BundleError, RuntimeUnavailable } from "../errors.js";
import { checkCounts, elements, type Graph, type GraphLoader, type Tensors, valuesOf } from "./graph.js";
import type { GraphSpec, TensorSpec } from "../contract/manifest_fields.js";

type Core = typeof import("@litertjs/core");

/**
 * Load LiteRT.js, once for a page or worker.
 *
 * @param folder see `RuntimeOptions.litert`.
 * @throws RuntimeUnavailable its files are not there.
 */
export async function liteRtLoader(folder: string): Promise<GraphLoader> {
  const core = await import("@litertjs/core");
  try {
    await (core.getGlobalLiteRtPromise() ?? start(core, folder));
  } catch (error) {
    throw new RuntimeUnavailable(
      `LiteRT.js could not be loaded from ${folder} (${String(error)}): that folder needs the files of ` +
        "@litertjs/core/wasm",
    );
  }
  return (spec, content) => LiteRtGraph.load(core, spec, content);
}

interface Scope {
  importScripts?: (url: string) => void;
  Module?: object;
  ModuleFactory?: (given: object) => Promise<unknown>;
  define?: unknown;
}

async function start(core: Core, folder: string): Promise<void> {
  const scope = globalThis as unknown as Scope;
  // It tells the timeline of its loading as errors, which would hide real ones.
  scope.Module = { locateFile: (name: string) => folder + name, printErr: (line: string) => console.debug(line) };
  const own = Object.getOwnPropertyDescriptor(scope, "importScripts");
  if (scope.importScripts) {
    // LiteRT.js asks for its script by importScripts, which module workers have, but only to refuse.
    scope.importScripts = (url) => {
      scope.ModuleFactory = async (given) => await (await imported(url))(given);
    };
  }
  try {
    // It takes the build with relaxed SIMD where the browser has that, else the one with SIMD.
    const runtime = await core.loadLiteRt(folder);
    // The environment that it begins with may hold a GPU, which nothing here uses. Nobody who waits for the same load
    // sees it, as nothing is awaited before it is gone.
    const begun = core.getDefaultEnvironment();
    runtime.setDefaultEnvironment(new core.Environment({ webGpuDevice: null }));
    begun.delete();
    begun.webGpuDevice?.destroy();
  } finally {
    delete scope.Module;
    if (own) Object.defineProperty(scope, "importScripts", own);
    else delete scope.importScripts;
  }
}

/** What LiteRT.js's script defines: as a module it keeps that to itself, unless there is an AMD loader to take it. */
async function imported(url: string): Promise<(given: object) => Promise<unknown>> {
  const scope = globalThis as unknown as Scope;
  let found: ((given: object) => Promise<unknown>) | undefined;
  scope.define = Object.assign((_: unknown, give: () => typeof found) => (found = give()), { amd: true });
  try {
    await import(/* @vite-ignore */ url);
  } finally {
    delete scope.define;
  }
  if (!found) throw new Error(`${url} is not the script that was looked for`);
  return found;
}

class LiteRtGraph implements Graph {
  private constructor(
    private readonly core: Core,
    private readonly spec: GraphSpec,
    private readonly model: CompiledModel,
    private readonly inputs: readonly TensorDetails[],
    private readonly outputs: readonly TensorDetails[],
  ) {}

  static async load(core: Core, spec: GraphSpec, content: ArrayBuffer): Promise<LiteRtGraph> {
    let model: CompiledModel;
    try {
      model = await core.loadAndCompile(new Uint8Array(content), { accelerator: "wasm" });
    } catch (error) {
      throw new BundleError(`${spec.file} cannot be loaded by LiteRT.js (${String(error)})`);
    }
    const [inputs, outputs] = [positional(model.getInputDetails()), positional(model.getOutputDetails())];
    checkCounts(spec, inputs.length, outputs.length);
    spec.inputs.forEach((tensor, index) => checkTensor(spec, tensor, inputs[index]!));
    spec.outputs.forEach((tensor, index) => checkTensor(spec, tensor, outputs[index]!));
    return new LiteRtGraph(core, spec, model, inputs, outputs);
  }

  async run(inputs: Tensors): Promise<Record<string, Float32Array>> {
    const values = this.spec.inputs.map((spec) => valuesOf(this.spec, spec, inputs));
    // Tensors lie in WebAssembly's memory, which nobody sweeps.
    const held: InstanceType<Core["Tensor"]>[] = [];
    try {
      const given = new Array<InstanceType<Core["Tensor"]>>(values.length);
      for (const [index, spec] of this.spec.inputs.entries()) {
        const tensor = new this.core.Tensor(values[index]!, spec.shape);
        held.push(tensor);
        given[this.inputs[index]!.index] = tensor;
      }
      const found = await this.model.run(given);
      held.push(...found);
      return Object.fromEntries(
        this.spec.outputs.map((spec, index) => [
          spec.name,
          found[this.outputs[index]!.index]!.toTypedArray() as Float32Array,
        ]),
      );
    } finally {
      for (const tensor of held) tensor.delete();
    }
  }
}

/** Tensors in the order of the exported graph: a signature lists args_0 ... args_10 by the alphabet. */
export function positional<T extends { name: string }>(tensors: readonly T[]): T[] {
  const parts = tensors.map(({ name }) => /^(.*)_(\d+)(?::\d+)?$/.exec(name));
  if (!parts.every((part) => part?.[1] === parts[0]?.[1])) return [...tensors];
  return tensors
    .map((tensor, index) => ({ tensor, number: Number(parts[index]![2]) }))
    .sort((a, b) => a.number - b.number)
    .map(({ tensor }) => tensor);
}

function checkTensor(graph: GraphSpec, wanted: TensorSpec, found: TensorDetails): void {
  const shape = [...found.shape];
  if (found.dtype !== wanted.dtype || elements(shape) !== elements(wanted.shape)) {
    throw new BundleError(
      `${graph.file}: ${wanted.name} is ${found.dtype} of ${shape.join(" x ")}, the manifest says ${wanted.dtype} of ` +
        `${wanted.shape.join(" x ")}; convert the bundle again`,
    );
  }
}
