/** Graphs by onnxruntime-web: WebAssembly with SIMD, threads where the page is cross-origin isolated, WebGPU. */
import type { InferenceSession, Tensor as OrtTensor } from "onnxruntime-web";
import type { Bundle } from "./bundle";
import { BundleError, OptionError, RuntimeUnavailable } from "./errors";
import type { GraphSpec } from "./manifest";

export type Provider = "wasm" | "webgpu";
export type Tensors = Record<string, Float32Array | Int32Array>;

/** One loaded graph: arrays in C order in and out, by the names of the manifest. */
export interface Graph {
  run(inputs: Tensors): Promise<Record<string, Float32Array>>;
}

/**
 * How graphs are run. onnxruntime-web takes its threads once: what the first graphs of a page or worker were loaded
 * with holds for all later ones there.
 *
 * - `ort`: URL (ending in "/") of the folder with onnxruntime-web's .mjs and .wasm files; without it they are looked
 *   for beside the script.
 * - `threads`: of a graph; more than 1 needs a page that is cross-origin isolated.
 */
export interface RuntimeOptions {
  provider?: Provider;
  threads?: number;
  ort?: string;
}

// The module (func i32.const 0, i8x16.splat, drop): valid only where the browser has SIMD.
const SIMD = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 10, 9, 1, 7, 0, 65, 0, 253, 15, 26, 11,
]);

/** Whether this browser has WebAssembly with SIMD. */
export function hasSimd(): boolean {
  return typeof WebAssembly === "object" && WebAssembly.validate(SIMD);
}

/** Whether this browser can give onnxruntime-web a GPU: WebGPU with an adapter, and promises in WebAssembly (JSPI). */
export async function hasWebGpu(): Promise<boolean> {
  const gpu = (navigator as { gpu?: { requestAdapter(): Promise<unknown> } }).gpu;
  if (!gpu || !("Suspending" in WebAssembly)) return false;
  try {
    return Boolean(await gpu.requestAdapter());
  } catch {
    return false;
  }
}

/** The largest number of threads that makes sense here: 1 where the page is not cross-origin isolated. */
export function mostThreads(): number {
  return globalThis.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency || 1) : 1;
}

type Ort = typeof import("onnxruntime-web");

/**
 * Load every graph of a bundle: graph name -> graph.
 *
 * @throws RuntimeUnavailable the browser has no WebAssembly SIMD, or no WebGPU where that was asked for.
 * @throws OptionError threads below 1.
 * @throws BundleError a graph cannot be loaded or does not fit the manifest.
 */
export async function loadGraphs(bundle: Bundle, options: RuntimeOptions = {}): Promise<Record<string, Graph>> {
  const ort = await loadRuntime(options);
  const graphs: Record<string, Graph> = {};
  for (const [name, spec] of Object.entries(bundle.manifest.graphs)) {
    graphs[name] = await OnnxGraph.load(ort, spec, bundle.file(spec.file), options.provider ?? "wasm");
  }
  return graphs;
}

async function loadRuntime(options: RuntimeOptions): Promise<Ort> {
  const threads = options.threads ?? 1;
  if (!(Number.isInteger(threads) && threads >= 1)) throw new OptionError(`threads is ${threads}; allowed is 1 or more`);
  if (!hasSimd()) {
    throw new RuntimeUnavailable(
      "this browser has no WebAssembly SIMD, which the graphs need: use Chrome 91, Firefox 89, Safari 16.4 or later",
    );
  }
  if (options.provider === "webgpu" && !(await hasWebGpu())) {
    throw new RuntimeUnavailable("this browser has no WebGPU for WebAssembly; take the provider wasm");
  }
  const ort = (
    options.provider === "webgpu" ? await import("onnxruntime-web/jspi") : await import("onnxruntime-web/wasm")
  ) as Ort;
  ort.env.wasm.numThreads = threads;
  ort.env.logLevel = "error";
  if (options.ort) ort.env.wasm.wasmPaths = options.ort;
  return ort;
}

class OnnxGraph implements Graph {
  private constructor(
    private readonly ort: Ort,
    private readonly spec: GraphSpec,
    private readonly session: InferenceSession,
  ) {}

  static async load(ort: Ort, spec: GraphSpec, content: ArrayBuffer, provider: Provider): Promise<OnnxGraph> {
    let session: InferenceSession;
    try {
      session = await ort.InferenceSession.create(new Uint8Array(content), { executionProviders: [provider] });
    } catch (error) {
      throw new BundleError(`${spec.file} cannot be loaded by onnxruntime-web (${(error as Error).message})`);
    }
    const pairs = [
      ["inputs", session.inputNames, spec.inputs],
      ["outputs", session.outputNames, spec.outputs],
    ] as const;
    for (const [kind, names, wanted] of pairs) {
      if (names.length !== wanted.length) {
        throw new BundleError(
          `${spec.file} has ${names.length} ${kind}, the manifest lists ${wanted.length}; convert the bundle again`,
        );
      }
    }
    return new OnnxGraph(ort, spec, session);
  }

  async run(inputs: Tensors): Promise<Record<string, Float32Array>> {
    const feed: Record<string, OrtTensor> = {};
    for (const [index, spec] of this.spec.inputs.entries()) {
      const values = inputs[spec.name];
      if (!values || values.length !== spec.shape.reduce((a, b) => a * b, 1)) {
        throw new OptionError(
          `${this.spec.file}: ${spec.name} has ${values?.length ?? "no"} values, needed are ${spec.shape.join(" x ")}`,
        );
      }
      // Names inside the file may differ from the manifest's; the position counts.
      feed[this.session.inputNames[index]!] = new this.ort.Tensor(spec.dtype as "float32", values, spec.shape);
    }
    const results = await this.session.run(feed);
    return Object.fromEntries(
      this.spec.outputs.map((spec, index) => [spec.name, results[this.session.outputNames[index]!]!.data as Float32Array]),
    );
  }
}
