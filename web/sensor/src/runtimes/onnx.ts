/** Graphs by onnxruntime-web: WebAssembly with threads where the page is cross-origin isolated, and WebGPU. */
import type { InferenceSession, Tensor as OrtTensor } from "onnxruntime-web";
import { BundleError, RuntimeUnavailable } from "../errors.js";
import { checkCounts, type Graph, type GraphLoader, type Tensors, valuesOf } from "./graph.js";
import type { GraphSpec } from "../contract/manifest_fields.js";

export type Provider = "wasm" | "webgpu";
type Ort = typeof import("onnxruntime-web");

// The smallest ONNX file: one value in, the same value out.
const IDENTITY = "CAg6NwoQCgF4EgF5IghJZGVudGl0eRIBZ1oPCgF4EgoKCAgBEgQKAggBYg8KAXkSCgoICAESBAoCCAFCBAoAEA0=";

// Sessions share one stack in WebAssembly, which what begins before another has ended would overwrite.
let running: Promise<unknown> = Promise.resolve();

function alone<T>(use: () => Promise<T>): Promise<T> {
  const turn = running.then(use);
  running = turn.catch(() => undefined);
  return turn;
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

/**
 * Load onnxruntime-web, or what is loaded of it already.
 *
 * @param folder see `RuntimeOptions.ort`.
 * @throws RuntimeUnavailable the browser has no WebGPU where that was asked for.
 */
export async function onnxLoader(provider: Provider, threads: number, folder?: string): Promise<GraphLoader> {
  if (provider === "webgpu" && !(await hasWebGpu())) {
    throw new RuntimeUnavailable("this browser has no WebGPU for WebAssembly; take the provider wasm");
  }
  const ort = await loaded(provider, folder);
  ort.env.wasm.numThreads = threads;
  return (spec, content) => OnnxGraph.load(ort, spec, content, provider);
}

/** Values and shapes by name. */
export type OrtTensors = Record<string, readonly [Float32Array | BigInt64Array, readonly number[]]>;

/** A graph that is no bundle's. */
export interface OrtSession {
  readonly inputs: readonly string[];
  /** The outputs, in the file's order. */
  run(given: OrtTensors): Promise<Float32Array[]>;
}

/** A graph that is no bundle's, by WebAssembly on the threads that bundles use. @throws Error it is none. */
export async function openSession(content: ArrayBuffer, folder?: string): Promise<OrtSession> {
  const ort = await loaded("wasm", folder);
  // Where nothing was loaded before.
  ort.env.wasm.numThreads ||= 1;
  const session = await create(ort, new Uint8Array(content), ["wasm"]);
  return {
    inputs: session.inputNames,
    run: async (given) => {
      const feed = Object.fromEntries(
        Object.entries(given).map(([name, [values, shape]]) => [
          name,
          values instanceof BigInt64Array ? new ort.Tensor("int64", values, shape) : new ort.Tensor("float32", values, shape),
        ]),
      );
      const found = await alone(() => session.run(feed));
      return session.outputNames.map((name) => found[name]!.data as Float32Array);
    },
  };
}

/**
 * Load onnxruntime-web and let it compile, while what it is to run is still being fetched: it does so at the first graph
 * that it is given. What goes wrong here does so again where a graph is loaded, and is told there.
 */
export async function warmUp(threads: number, folder?: string): Promise<void> {
  const ort = await loaded("wasm", folder);
  ort.env.wasm.numThreads = threads;
  await create(ort, Uint8Array.from(atob(IDENTITY), (letter) => letter.charCodeAt(0)), ["wasm"]);
}

function create(ort: Ort, content: Uint8Array, executionProviders: Provider[]): Promise<InferenceSession> {
  return alone(() => ort.InferenceSession.create(content, { executionProviders }));
}

async function loaded(provider: Provider, folder?: string): Promise<Ort> {
  const ort = (
    provider === "webgpu" ? await import("onnxruntime-web/jspi") : await import("onnxruntime-web/wasm")
  ) as Ort;
  ort.env.logLevel = "error";
  if (folder) ort.env.wasm.wasmPaths = folder;
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
      session = await create(ort, new Uint8Array(content), [provider]);
    } catch (error) {
      throw new BundleError(`${spec.file} cannot be loaded by onnxruntime-web (${(error as Error).message})`);
    }
    checkCounts(spec, session.inputNames.length, session.outputNames.length);
    return new OnnxGraph(ort, spec, session);
  }

  async run(inputs: Tensors): Promise<Record<string, Float32Array>> {
    const feed: Record<string, OrtTensor> = {};
    for (const [index, spec] of this.spec.inputs.entries()) {
      // Names inside the file may differ from the manifest's; the position counts.
      const name = this.session.inputNames[index]!;
      feed[name] = new this.ort.Tensor(spec.dtype as "float32", valuesOf(this.spec, spec, inputs), spec.shape);
    }
    const results = await alone(() => this.session.run(feed));
    return Object.fromEntries(
      this.spec.outputs.map((spec, index) => [spec.name, results[this.session.outputNames[index]!]!.data as Float32Array]),
    );
  }
}
