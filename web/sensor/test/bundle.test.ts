import { expect, test } from "vitest";
import {
  argmax,
  array,
  Bundle,
  BundleError,
  EmotionSensor,
  type FileSource,
  findingErrors,
  isNear,
  loadGraphs,
  maxError,
  openFinder,
  OptionError,
  readFinderCases,
  readGolden,
  readNpz,
  runCase,
  sqnr,
} from "../src/index.js";
import { bundleFiles, facts } from "./vectors.js";

const text = (content: ArrayBuffer) => new TextDecoder().decode(content);

test.each(["bundle", "talk"])("golden cases of the %s pass from raw input to logits", async (kind) => {
  const bundle = await Bundle.open(bundleFiles(facts()[kind]), true);
  const graphs = await loadGraphs(bundle);
  const cases = await readGolden(bundle);
  expect(cases.length).toBeGreaterThan(0);
  for (const one of cases) {
    const found = await runCase(bundle.manifest, graphs, one);
    for (const name of one.modalities) {
      expect(maxError(found.features[name]!, array(one, `${name}_features`).data)).toBeLessThan(1e-4);
    }
    expect(maxError(found.logits, array(one, "logits").data)).toBeLessThan(1e-4);
    expect(maxError(found.reliance, array(one, "reliance").data)).toBeLessThan(1e-4);
  }
});

test("golden frames of a face finder pass: as many faces, within a hundredth of a pixel", async () => {
  const bundle = await Bundle.open(bundleFiles(facts().face_finder), true);
  const finder = await openFinder(bundle);
  const cases = await readFinderCases(bundle);
  expect(cases.length).toBeGreaterThan(0);
  for (const one of cases) {
    expect(one.faces.length).toBeGreaterThan(0);
    const errors = findingErrors(await finder.find(one.frame), one);
    expect(Math.max(errors.scores, errors.boxes)).toBeLessThan(1e-4);
    expect(errors.faces).toBeLessThan(0.01);
  }
  const [first, second] = cases;
  expect(findingErrors(await finder.find(second!.frame), first!).scores).toBeGreaterThan(0.1);
});

test("face finders and emotion models are not taken for one another", async () => {
  const finder = await Bundle.open(bundleFiles(facts().face_finder), true);
  const model = await Bundle.open(bundleFiles(facts().bundle), true);
  const refusals: [Promise<unknown>, RegExp][] = [
    [EmotionSensor.open(finder), /is a face finder: give it as the finder of an emotion model's bundle/],
    [openFinder(model), /is an emotion model, no face finder; make one with mer-convert --model face_finder/],
    [readGolden(finder), /is a face finder, whose golden frames/],
    [readFinderCases(model), /is no face finder/],
  ];
  for (const [failed, message] of refusals) {
    await expect(failed).rejects.toThrow(message);
    await expect(failed).rejects.toBeInstanceOf(OptionError);
  }
});

test("a golden case whose sound is another one fails", async () => {
  const bundle = await Bundle.open(bundleFiles(facts().bundle), true);
  const [one] = await readGolden(bundle);
  array(one!, "pcm").data.reverse();
  const found = await runCase(bundle.manifest, await loadGraphs(bundle), one!);
  expect(maxError(found.logits, array(one!, "logits").data)).toBeGreaterThan(1e-4);
});

test("what is near enough depends on the scheme", () => {
  const wanted = [3, -4];
  const off = [3, -4.05];
  expect(sqnr(off, wanted)).toBeCloseTo(40, 6);
  expect(["fp32", "fp16", "int8"].map((scheme) => isNear(scheme, off, wanted))).toEqual([false, false, true]);
  expect(["fp32", "fp16"].map((scheme) => isNear(scheme, [3, -4.002], wanted))).toEqual([false, true]);
  expect(isNear("int8", [3, -5], wanted)).toBe(false);
  expect(isNear("int8", [3, Number.NaN], wanted)).toBe(false);
});

test("steps that wait for too long are left out and counted", async () => {
  const sensor = await EmotionSensor.open(await Bundle.open(bundleFiles(facts().bundle)), { waiting: 1 });
  const [estimate, ...more] = await sensor.pushAudio([new Float32Array(4 * 16000).fill(0.1)], 16000);
  expect(more.length).toBe(0);
  expect([estimate!.time, estimate!.dropped]).toEqual([4, 15]);
});

test("a bundle that was changed or is of another kind is refused in one sentence", async () => {
  const good = bundleFiles(facts().bundle);
  const altered = (files: FileSource) => (change: (manifest: any) => void): FileSource => async (path) => {
    if (path !== "manifest.json") return await files(path);
    const manifest = JSON.parse(text(await files(path)));
    change(manifest);
    return new TextEncoder().encode(JSON.stringify(manifest)).buffer as ArrayBuffer;
  };
  const changed = altered(good);
  const other = altered(bundleFiles(facts().face_finder));
  const tampered: FileSource = async (path) => {
    const content = (await good(path)).slice(0);
    if (path === "audio.onnx") new Uint8Array(content)[100]! ^= 1;
    return content;
  };
  const refusals: [FileSource, RegExp][] = [
    [tampered, /audio.onnx differs from the manifest: its sha256 is another/],
    [changed((m) => m.files.forEach((file: any) => (file.bytes += 1))), /bytes instead of/],
    [changed((m) => (m.target = "coreml")), /made for coreml, and a browser runs onnx and tflite bundles: mer-convert --model grjca/],
    [changed((m) => (m.schema_version = 99)), /newer manifest schema than \d+, which this page reads/],
    [changed((m) => m.graphs.fusion.outputs.push({ name: "more", shape: [1] })), /fusion.onnx has 2 outputs, the manifest lists 3/],
    [other((m) => (m.finder = null)), /it has 0 labels/],
  ];
  for (const [source, message] of refusals) {
    const failed = Bundle.open(source).then(loadGraphs);
    await expect(failed).rejects.toThrow(message);
    await expect(failed).rejects.toBeInstanceOf(BundleError);
  }
  await expect(readNpz(new ArrayBuffer(64))).rejects.toThrow(/no zip archive/);
  expect(argmax([1, 3, 3])).toBe(1);
});
