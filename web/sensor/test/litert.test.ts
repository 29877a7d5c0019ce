/** How LiteRT.js is used, on one that is made up: order of tensors, memory, refusals. The real one runs in a browser. */
import { beforeEach, expect, test, vi } from "vitest";
import { Bundle, BundleError, type FileSource, type GraphSpec, loadGraphs, OptionError, RuntimeUnavailable } from "../src/index.js";
import { liteRtLoader, positional } from "../src/runtimes/litert.js";
import { bundleFiles, facts } from "./vectors.js";

const core = vi.hoisted(() => {
  const live = new Set<object>();
  class Tensor {
    constructor(readonly values: Float32Array) {
      live.add(this);
    }
    toTypedArray = () => this.values;
    delete = () => live.delete(this);
  }
  return { live, Tensor, model: {} as any, loadLiteRt: vi.fn(), broken: "" };
});

vi.mock("@litertjs/core", () => ({
  Tensor: core.Tensor,
  Environment: class {},
  getDefaultEnvironment: () => ({ delete: () => undefined, webGpuDevice: null }),
  getGlobalLiteRtPromise: () => undefined,
  loadLiteRt: core.loadLiteRt,
  loadAndCompile: async () => {
    if (core.broken) throw new Error(core.broken);
    return core.model;
  },
}));

const tensor = (name: string, size: number) => ({ name, shape: [1, size], dtype: "float32", range: null });
const detail = (name: string, index: number, size: number) => ({ name, index, dtype: "float32", shape: Int32Array.of(1, size) });
const SPEC: GraphSpec = {
  file: "fusion.tflite",
  scheme: "fp32",
  inputs: [tensor("audio", 2), tensor("audio_mask", 1)],
  outputs: [tensor("logits", 2), tensor("reliance", 1)],
};
const GIVEN = { audio: Float32Array.of(3, 4), audio_mask: Float32Array.of(1) };

beforeEach(() => {
  core.live.clear();
  core.broken = "";
  core.loadLiteRt.mockResolvedValue({ setDefaultEnvironment: () => undefined });
  core.model = {
    getInputDetails: () => [detail("args_1", 0, 1), detail("args_0", 1, 2)],
    getOutputDetails: () => [detail("output_1", 0, 1), detail("output_0", 1, 2)],
    // The file's order: mask before audio, reliance before logits.
    run: async ([mask, audio]: { values: Float32Array }[]) => [
      new core.Tensor(mask!.values.map((value) => value / 2)),
      new core.Tensor(audio!.values.map((value) => value * 2)),
    ],
  };
});

test("tensors go in and out by their numbers in the signature, and none is left in memory", async () => {
  const graph = await (await liteRtLoader("litert/"))(SPEC, new ArrayBuffer(8));
  const found = await graph.run(GIVEN);
  expect(found).toEqual({ logits: Float32Array.of(6, 8), reliance: Float32Array.of(0.5) });
  expect(core.live.size).toBe(0);
  core.model.run = async () => {
    expect(core.live.size).toBe(2);
    throw new Error("out of memory");
  };
  await expect(graph.run(GIVEN)).rejects.toThrow("out of memory");
  expect(core.live.size).toBe(0);
  await expect(graph.run({ ...GIVEN, audio: Float32Array.of(1) })).rejects.toThrow(/audio has 1 values, needed are 1 x 2/);
});

test("numbers count, not the alphabet; names of their own stay as they are listed", () => {
  const order = (...names: string[]) => positional(names.map((name) => ({ name }))).map(({ name }) => name);
  expect(order("args_0", "args_1", "args_10", "args_2")).toEqual(["args_0", "args_1", "args_2", "args_10"]);
  expect(order("serving_default_args_1:0", "serving_default_args_0:0")[0]).toBe("serving_default_args_0:0");
  expect(order("pcm", "mask_0")).toEqual(["pcm", "mask_0"]);
});

test("a file that is none, or does not fit its manifest, is refused", async () => {
  const load = await liteRtLoader("litert/");
  const refused = async (message: RegExp) => {
    await expect(load(SPEC, new ArrayBuffer(8))).rejects.toThrow(message);
    await expect(load(SPEC, new ArrayBuffer(8))).rejects.toBeInstanceOf(BundleError);
  };
  core.model.getInputDetails = () => [detail("args_0", 0, 2)];
  await refused(/fusion.tflite has 1 inputs, the manifest lists 2/);
  core.model.getInputDetails = () => [detail("args_0", 0, 2), detail("args_1", 1, 3)];
  await refused(/audio_mask is float32 of 1 x 3, the manifest says float32 of 1 x 1; convert the bundle again/);
  core.broken = "no flatbuffer";
  await refused(/fusion.tflite cannot be loaded by LiteRT.js \(Error: no flatbuffer\)/);
  core.loadLiteRt.mockRejectedValue(new Error("404"));
  await expect(liteRtLoader("nowhere/")).rejects.toThrow(/not be loaded from nowhere\/ .*files of @litertjs\/core\/wasm/);
  await expect(liteRtLoader("nowhere/")).rejects.toBeInstanceOf(RuntimeUnavailable);
});

test("what LiteRT.js does not do is refused: more threads, a GPU, a folder that nobody named", async () => {
  const files = bundleFiles(facts().bundle);
  const source: FileSource = async (path) => {
    const content = await files(path);
    if (path !== "manifest.json") return content;
    const manifest = { ...JSON.parse(new TextDecoder().decode(content)), target: "tflite" };
    return new TextEncoder().encode(JSON.stringify(manifest)).buffer as ArrayBuffer;
  };
  const bundle = await Bundle.open(source);
  for (const [options, message] of [
    [{ litert: "litert/", threads: 2 }, /by wasm with threads 2; LiteRT.js runs it by wasm with threads 1/],
    [{ litert: "litert/", provider: "webgpu" as const }, /was to run by webgpu/],
    [{ ort: "ort/" }, /needs the option litert/],
  ] as const) {
    await expect(loadGraphs(bundle, options)).rejects.toThrow(message);
    await expect(loadGraphs(bundle, options)).rejects.toBeInstanceOf(OptionError);
  }
});
