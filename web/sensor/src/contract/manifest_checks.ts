/**
 * What the fields of a manifest say of one another: mer_sdk.contract.manifest_checks, in the same order and the same words.
 * The range of each field alone is in manifest.schema.json.
 */
import { BundleError } from "../errors.js";
import { FINDER, type GraphSpec, type Manifest, modalities, type TensorSpec } from "./manifest_fields.js";
import { shown } from "./schema.js";

// All files of a bundle together; and the values of one tensor, which are allocated before any graph is read.
const MOST_BYTES = 2 ** 31;
const MOST_VALUES = 2 ** 24;
// Modality -> the input of its graph.
const RAW: ReadonlyMap<string, string> = new Map([["audio", "pcm"], ["face", "crop"], ["text", "ids"]]);

type Tensors = ReadonlyMap<string, TensorSpec>;

/** @throws BundleError the first contradiction, with both sides of it. */
export function checkManifest(manifest: Manifest): void {
  checkFiles(manifest);
  for (const [name, graph] of Object.entries(manifest.graphs)) checkTensors(name, graph);
  if (manifest.finder) checkFinder(manifest);
  else checkModel(manifest);
}

/** Whether a path of a manifest is relative, plain, and stays below the bundle's folder. */
export function inside(path: string): boolean {
  const plain = path.split("/").every((part) => !["", ".", ".."].includes(part) && part === part.trim());
  return plain && !/[\\\0:]/.test(path);
}

function fail(sentence: string): never {
  throw new BundleError(`manifest.json: ${sentence}; convert the bundle again`);
}

function checkFiles(manifest: Manifest): void {
  const paths = manifest.files.map((file) => file.path);
  const graphs = Object.values(manifest.graphs).map((graph) => graph.file);
  for (const path of [...paths, ...graphs]) {
    if (!inside(path)) fail(`${shown(path)} lies outside the bundle, or is no plain path`);
  }
  const listed = new Set(paths);
  if (listed.size !== paths.length) fail("a file is listed twice");
  if (manifest.files.reduce((sum, file) => sum + file.bytes, 0) > MOST_BYTES) {
    fail(`its files have over ${MOST_BYTES.toLocaleString("en")} bytes`);
  }
  for (const file of graphs) {
    if (!listed.has(file) && !paths.some((path) => path.startsWith(`${file}/`))) fail(`${file} is a graph without a hash`);
  }
}

function checkTensors(name: string, graph: GraphSpec): void {
  for (const [kind, tensors] of [["input", graph.inputs], ["output", graph.outputs]] as const) {
    const names = tensors.map((tensor) => tensor.name);
    if (!names.length || new Set(names).size !== names.length) {
      fail(`the ${kind}s of ${name} are ${names.join(", ") || "none"}; there must be some, each once`);
    }
    for (const tensor of tensors) {
      if (!tensor.shape.length || tensor.shape.reduce((a, b) => a * b, 1) > MOST_VALUES) {
        fail(`${kind} ${tensor.name} of ${name} has the shape ${shapeOf(tensor)}`);
      }
      if (tensor.range && !(tensor.range[0] <= tensor.range[1])) {
        fail(`${kind} ${tensor.name} of ${name} has a range that is not one`);
      }
    }
  }
}

function checkFinder(manifest: Manifest): void {
  const { height, width } = manifest.finder!;
  const graphs = Object.keys(manifest.graphs);
  if (graphs.length !== 1 || graphs[0] !== FINDER) {
    fail(`a face finder has one graph, ${FINDER}; there are ${listing(graphs)}`);
  }
  const [inputs, outputs] = [byName(manifest.graphs[FINDER]!.inputs), byName(manifest.graphs[FINDER]!.outputs)];
  expectTensor(FINDER, inputs, "frame", [1, height, width, 3]);
  if (inputs.size !== 1) fail(`a face finder reads frame alone; it has the inputs ${listing([...inputs.keys()])}`);
  const cells = outputs.get("scores")?.shape.at(-1) ?? 1;
  expectTensor(FINDER, outputs, "scores", [1, cells]);
  expectTensor(FINDER, outputs, "boxes", [1, cells, 4]);
}

function checkModel(manifest: Manifest): void {
  const { labels, graphs, audio, clock } = manifest;
  if (!labels.length || new Set(labels).size !== labels.length || !labels.every((label) => label.trim())) {
    fail(`it has ${labels.length} labels; there must be some, each once, none empty`);
  }
  if (!("fusion" in graphs)) fail(`a bundle needs the graph fusion; there are ${listing(Object.keys(graphs))}`);
  const sizes = checkFusion(manifest);
  checkEncoders(manifest, sizes);
  checkMeans(manifest, sizes);
  checkStates(manifest);
  const step = Math.floor((audio.sample_rate * clock.step_ms) / 1000);
  if ("audio" in graphs && audio.chunk_samples < step) {
    fail(`a chunk of ${audio.chunk_samples} samples is shorter than a step of ${step}`);
  }
}

/** Modality -> length of its features, as the fusion graph reads them. */
function checkFusion(manifest: Manifest): ReadonlyMap<string, number> {
  const graph = manifest.graphs.fusion!;
  const { dialogue } = manifest;
  const rows = dialogue ? dialogue.utterances : manifest.clock.window_steps;
  const [inputs, outputs] = [byName(graph.inputs), byName(graph.outputs)];
  const names = modalities(manifest);
  if (!names.length || !names.every((name) => RAW.has(name))) {
    fail(`fusion reads ${listing([...inputs.keys()])}; it must read some of audio, face and text, each with its mask`);
  }
  const allowed = new Set([...names, ...names.map((name) => `${name}_mask`), ...(dialogue ? ["speakers"] : [])]);
  if (inputs.size !== allowed.size || ![...inputs.keys()].every((name) => allowed.has(name))) {
    fail(`fusion reads ${listing([...inputs.keys()])}, and should read ${listing([...allowed])}`);
  }
  const sizes = new Map(names.map((name) => [name, inputs.get(name)!.shape.at(-1)!]));
  for (const [name, size] of sizes) {
    expectTensor("fusion", inputs, name, [1, rows, size]);
    expectTensor("fusion", inputs, `${name}_mask`, [1, rows]);
  }
  const many = dialogue ? [rows] : [];
  if (dialogue) expectTensor("fusion", inputs, "speakers", [1, rows]);
  expectTensor("fusion", outputs, "logits", [1, ...many, manifest.labels.length]);
  expectTensor("fusion", outputs, "reliance", [1, ...many, names.length]);
  return sizes;
}

function checkEncoders(manifest: Manifest, sizes: ReadonlyMap<string, number>): void {
  const { audio, face, text } = manifest;
  const shapes: Record<string, number[]> = {
    audio: [1, audio.chunk_samples],
    face: [1, face.crop_size, face.crop_size, 3],
    text: text ? [1, text.words, text.slots] : [],
  };
  for (const [name, graph] of Object.entries(manifest.graphs)) {
    // Graphs of other names are not for this sensor to run, and are left alone.
    if (!RAW.has(name)) continue;
    if (!sizes.has(name)) fail(`the graph ${name} gives nothing that fusion reads`);
    if (name === "text" && !text) fail("there is a text graph and no contract of text");
    const inputs = byName(graph.inputs);
    expectTensor(name, inputs, RAW.get(name)!, shapes[name]!, name === "text" ? "int32" : "float32");
    if (inputs.size !== 1 || graph.outputs.length !== 1) {
      fail(`the graph ${name} has one input and one output; there are ${inputs.size} and ${graph.outputs.length}`);
    }
    if (!sameShape(graph.outputs[0]!.shape, [1, sizes.get(name)!])) {
      fail(`${name} gives ${shapeOf(graph.outputs[0]!)}, and fusion reads ${sizes.get(name)} features of it`);
    }
  }
  const missing = [...sizes.keys()].filter((name) => {
    return !(name in manifest.graphs) && !(name === "text" && manifest.dialogue);
  });
  if (missing.length) fail(`there is no graph for ${listing(missing)}, which fusion reads`);
  if (text && text.ngrams[0] > text.ngrams[1]) {
    fail(`the shortest n-gram has ${text.ngrams[0]} characters, the longest ${text.ngrams[1]}`);
  }
}

function checkMeans(manifest: Manifest, sizes: ReadonlyMap<string, number>): void {
  const { population_mean: means, neutral_offset: offsets } = manifest.baseline;
  if (Object.keys(means).length && !manifest.baseline.prior_steps) {
    fail("prior_steps is 0, and a population mean without weight is no baseline");
  }
  for (const [name, mean] of Object.entries(means)) {
    if (!sizes.has(name)) fail(`there is a population mean of ${shown(name)}, which fusion does not read`);
    if (mean.length !== sizes.get(name)) {
      fail(`the population mean of ${name} has ${mean.length} values, and fusion reads ${sizes.get(name)} features`);
    }
  }
  const absent = [...sizes.keys()].filter((name) => !(name in means));
  if (!manifest.dialogue && absent.length) fail(`there is no population mean of ${listing(absent)}`);
  const [moved, known] = [Object.keys(offsets), Object.keys(means)];
  if (moved.length && (moved.length !== known.length || !moved.every((name) => known.includes(name)))) {
    fail(`there is a neutral offset of ${listing(moved)}, and a population mean of ${listing(known)}`);
  }
  for (const [name, { length }] of Object.entries(offsets)) {
    const wanted = means[name]!.length;
    if (length !== wanted) fail(`the neutral offset of ${name} has ${length} values, and its population mean ${wanted}`);
  }
  if (manifest.baseline.neutral_prior && manifest.dialogue) {
    fail("there is a neutral prior, and a dialogue's baselines take utterances in as they are");
  }
  if (manifest.baseline.neutral_prior && !(moved.length && manifest.labels.includes("neutral"))) {
    fail("there is a neutral prior, which needs a neutral offset and the label neutral");
  }
}

function checkStates(manifest: Manifest): void {
  let allowed = [""];
  for (const name of modalities(manifest)) allowed = [...allowed, ...allowed.map((one) => (one ? `${one}+${name}` : name))];
  for (const state of Object.keys(manifest.decision.states)) {
    if (!state || !allowed.includes(state)) {
      fail(`its decision has the state ${shown(state)}; the window's states are ${listing(allowed.filter(Boolean))}`);
    }
  }
}

function expectTensor(graph: string, tensors: Tensors, name: string, shape: number[], dtype = "float32"): void {
  const tensor = tensors.get(name);
  if (!tensor) fail(`${graph} has no tensor ${name}; there are ${listing([...tensors.keys()])}`);
  if (!sameShape(tensor.shape, shape) || tensor.dtype !== dtype) {
    fail(`${name} of ${graph} is ${shapeOf(tensor)} ${tensor.dtype}, and should be ${shape.join("x")} ${dtype}`);
  }
}

function byName(tensors: TensorSpec[]): Tensors {
  return new Map(tensors.map((tensor) => [tensor.name, tensor]));
}

function sameShape(a: number[], b: number[]): boolean {
  return a.length === b.length && a.every((size, index) => size === b[index]);
}

function shapeOf(tensor: TensorSpec): string {
  return tensor.shape.join("x") || "without a size";
}

function listing(names: string[]): string {
  return [...names].sort().map((name) => shown(name).replace(/^'|'$/g, "")).join(", ") || "none";
}
