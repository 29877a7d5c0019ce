/** Graphs by onnxruntime-web: WebAssembly with threads where the page is cross-origin isolated, and WebGPU. */
import type { InferenceSession, Tensor as OrtTensor } from "onnxruntime-web";
import { BundleError, RuntimeUnavailable } from "./errors";
import { checkCounts, type Graph, type GraphLoader, type Tensors, valuesOf } from "./graph";
import type { GraphSpec } from "./manifest";

export type Provider = "wasm" | "webgpu";
type Ort = typeof import("onnxruntime-web");

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
  const ort = (
    provider === "webgpu" ? await import("onnxruntime-web/jspi") : await import("onnxruntime-web/wasm")
  ) as Ort;
  ort.env.wasm.numThreads = threads;
  ort.env.logLevel = "error";
  if (folder) ort.env.wasm.wasmPaths = folder;
  return (spec, content) => OnnxGraph.load(ort, spec, content, provider);
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
    const results = await this.session.run(feed);
    return Object.fromEntries(
      this.spec.outputs.map((spec, index) => [spec.name, results[this.session.outputNames[index]!]!.data as Float32Array]),
    );
  }
}
