/** Which runtime loads a bundle's graphs: onnxruntime-web those for ONNX, LiteRT.js those for TFLite. */
import type { Bundle } from "../contract/bundle.js";
import { OptionError } from "../errors.js";
import type { Graph, GraphLoader } from "./graph.js";
import { liteRtLoader } from "./litert.js";
import type { Target } from "../contract/manifest_fields.js";
import { onnxLoader, type Provider } from "./onnx.js";
import { checkSimd } from "./simd.js";

/**
 * How graphs are run. onnxruntime-web takes its threads once: what the first graphs of a page or worker were loaded
 * with holds for all later ones there. LiteRT.js runs by "wasm" on one thread.
 *
 * - `threads`: of a graph; more than 1 needs a page that is cross-origin isolated.
 * - `ort`: URL (ending in "/") of the folder with onnxruntime-web's .mjs and .wasm files; without it they are looked
 *   for beside the script. Nothing is read there for a TFLite bundle.
 * - `litert`: URL (ending in "/") of the folder with LiteRT.js's litert_wasm_internal and litert_wasm_compat_internal,
 *   .js and .wasm of each, which a TFLite bundle needs; a browser reads one of the two.
 */
export interface RuntimeOptions {
  provider?: Provider;
  threads?: number;
  ort?: string;
  litert?: string;
}

/** The largest number of threads that makes sense here: 1 for TFLite, and where the page is not cross-origin isolated. */
export function mostThreads(target: Target): number {
  const several = target === "onnx" && globalThis.crossOriginIsolated;
  return several ? Math.min(4, navigator.hardwareConcurrency || 1) : 1;
}

/**
 * Load every graph of a bundle: graph name -> graph.
 *
 * @throws RuntimeUnavailable the browser has no WebAssembly SIMD, no WebGPU where that was asked for, or LiteRT.js's
 *   files are not where they should be.
 * @throws OptionError threads below 1; for a TFLite bundle more than 1, another provider than wasm, or no `litert`.
 * @throws BundleError a graph cannot be loaded or does not fit the manifest.
 */
export async function loadGraphs(bundle: Bundle, options: RuntimeOptions = {}): Promise<Record<string, Graph>> {
  const load = await loaderOf(bundle.manifest.target, options);
  const graphs: Record<string, Graph> = {};
  for (const [name, spec] of Object.entries(bundle.manifest.graphs)) graphs[name] = await load(spec, bundle.file(spec.file));
  return graphs;
}

async function loaderOf(target: Target, options: RuntimeOptions): Promise<GraphLoader> {
  const { provider = "wasm", threads = 1 } = options;
  if (!(Number.isInteger(threads) && threads >= 1)) throw new OptionError(`threads is ${threads}; allowed is 1 or more`);
  checkSimd();
  if (target === "onnx") return await onnxLoader(provider, threads, options.ort);
  if (provider !== "wasm" || threads > 1) {
    throw new OptionError(
      `a TFLite bundle was to run by ${provider} with threads ${threads}; LiteRT.js runs it by wasm with threads 1`,
    );
  }
  if (!options.litert) {
    throw new OptionError("a TFLite bundle needs the option litert: the folder with the files of @litertjs/core/wasm");
  }
  return await liteRtLoader(options.litert);
}
