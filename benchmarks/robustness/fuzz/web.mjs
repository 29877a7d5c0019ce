// Reads changed manifests with the sensor in TypeScript, and uses those that it takes: see web.py, which starts this.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const WEB = join(import.meta.dirname, "../../../web");
const SLOW_SECONDS = 10;
const sensor = await built();

/** The sensor's modules for Node.js. */
async function built() {
  const { build } = await import(pathToFileURL(createRequire(join(WEB, "package.json")).resolve("vite")));
  const outDir = join(WEB, "node_modules/.cache/mer-fuzz");
  await build({
    root: WEB,
    logLevel: "error",
    configFile: false,
    build: { ssr: join(WEB, "sensor/src/index.ts"), outDir, emptyOutDir: true },
  });
  return await import(pathToFileURL(join(outDir, "index.js")));
}

/** Keeps to the manifest's shapes and computes nothing. */
function shapedGraphs(manifest) {
  const size = (tensor) => tensor.shape.reduce((a, b) => a * b, 1);
  const graphs = {};
  for (const [name, spec] of Object.entries(manifest.graphs)) {
    graphs[name] = {
      run: async (inputs) => {
        for (const tensor of spec.inputs) {
          if (inputs[tensor.name]?.length !== size(tensor)) throw new Error(`${name} was given another ${tensor.name}`);
        }
        return Object.fromEntries(spec.outputs.map((one) => [one.name, new Float32Array(size(one)).fill(0.5)]));
      },
    };
  }
  return graphs;
}

async function use(manifest) {
  const graphs = shapedGraphs(manifest);
  const frame = { width: 64, height: 48, data: new Uint8Array(64 * 48 * 4).fill(90) };
  if (manifest.finder) return void (await new sensor.GraphFinder(graphs.finder, manifest.finder).detect(frame));
  if (manifest.dialogue) return await converse(manifest, graphs, frame);
  const engine = new sensor.StepEngine(manifest, graphs);
  const alignment = new sensor.StreamAlignment(manifest, 0);
  for (let half = 0; half < 4; half++) {
    alignment.addFrame(frame, half / 2);
    alignment.addAudio([new Float32Array(8000).fill(0.1)], 16000, half / 2);
    while (alignment.ready()) {
      const given = alignment.take();
      const box = [4, 4, 24, 24];
      const crop = given.frames.length && graphs.face ? sensor.cropFace(frame, box, manifest.face) : null;
      const output = await engine.advance(await engine.encode(graphs.audio ? given.chunk : null, crop), 0);
      sensor.decide(output.probabilities, manifest, sensor.stateOf(output.present));
    }
  }
}

/** More utterances than a window holds, by more speakers than are told apart. */
async function converse(manifest, graphs, frame) {
  const engine = new sensor.DialogueEngine(manifest, graphs);
  const crop = graphs.face ? sensor.cropFace(frame, [4, 4, 24, 24], manifest.face) : null;
  for (let number = 0; number < Math.min(40, manifest.dialogue.utterances + 2); number++) {
    const features = new Map();
    const words = graphs.text ? await engine.read("I did not see you coming, really!") : null;
    if (words) features.set("text", words);
    if (graphs.audio) features.set("audio", await engine.encode("audio", [new Float32Array(manifest.audio.chunk_samples)]));
    if (crop) features.set("face", await engine.encode("face", [crop]));
    const output = await engine.advance(features, String(number % (manifest.dialogue.speakers + 1)));
    sensor.decide(output.probabilities, manifest, sensor.stateOf(output.present));
  }
}

const given = JSON.parse(readFileSync(process.argv[2], "utf8"));
const counts = { worked: 0, refused: 0, untyped: 0 };
const examples = [];
const otherwise = [];
let slowest = 0;
let shown = performance.now();
for (const { number, text, says } of given) {
  const begun = performance.now();
  let manifest = null;
  let refusal = "";
  try {
    manifest = sensor.readManifest(text);
    await use(manifest);
    counts.worked += 1;
  } catch (error) {
    const typed = error instanceof sensor.MerError;
    counts[typed ? "refused" : "untyped"] += 1;
    refusal = String(error.message);
    if (!typed && examples.length < 10) examples.push(`${refusal.slice(0, 200)} (mutation ${number})`);
  }
  // A browser runs fewer targets, which is no fault of a manifest.
  if ((manifest === null) !== (says !== null) && !/a browser runs/.test(refusal)) {
    otherwise.push(`mutation ${number}: Python says ${says?.slice(0, 120)}, TypeScript ${refusal.slice(0, 120)}`);
  }
  slowest = Math.max(slowest, (performance.now() - begun) / 1000);
  if (performance.now() - shown > 2000) {
    shown = performance.now();
    console.error(`  ${counts.worked + counts.refused + counts.untyped} of ${given.length}`);
  }
}
console.log(
  JSON.stringify({
    mutations: given.length,
    ...counts,
    slow: Number(slowest > SLOW_SECONDS),
    slowest_seconds: Math.round(slowest * 100) / 100,
    peak_mb: Math.round(process.resourceUsage().maxRSS / 1024),
    otherwise: otherwise.length,
    examples: [...examples, ...otherwise.slice(0, 10)],
  }),
);
