/**
 * Proves the package in a browser: the stages and golden cases of the sources, and the built package in its worker.
 * tests/web/test_sensor_module.py builds this page, serves the vectors beside it, and reads `proved` and `fed`.
 */
import { openConversation, openLiveConversation, openSensor, type UtteranceEstimate } from "../../dist/index.js";
import { array, Bundle, loadGraphs, maxError, readGolden, readNpz, runCase } from "../../src/index.js";
import { readGoldenFile } from "../golden_file.js";
import { STAGES } from "../stages.js";

const VECTORS = new URL("../vectors/", location.href).href;
const fetched = async (path: string) => await (await fetch(VECTORS + path)).arrayBuffer();

/** What passed, and what did not with the reason: every stage, and the golden cases, of a bundle of each kind. */
async function prove(): Promise<{ passed: string[]; failed: string[] }> {
  const facts = JSON.parse(new TextDecoder().decode(await fetched("vectors.json")));
  const found: { passed: string[]; failed: string[] } = { passed: [], failed: [] };
  const attempt = async (what: string, check: () => unknown) => {
    try {
      await check();
      found.passed.push(what);
    } catch (error) {
      found.failed.push(`${what}: ${String(error)}`);
    }
  };
  for (const [kind, name] of [["window", facts.bundle], ["dialogue", facts.talk], ["finder", facts.face_finder]] as const) {
    const bundle = await Bundle.open(`${VECTORS}${name}/`, true);
    const golden = readGoldenFile(await fetched(`${name}.golden.bin`));
    for (const [stage, check] of Object.entries(STAGES[kind])) {
      await attempt(`${kind}: ${stage}`, () => check(golden, bundle.manifest));
    }
    if (kind === "finder") continue;
    await attempt(`${kind}: golden cases`, async () => {
      const graphs = await loadGraphs(bundle);
      for (const one of await readGolden(bundle)) {
        const error = maxError((await runCase(bundle.manifest, graphs, one)).logits, array(one, "logits").data);
        if (!(error < 1e-4)) throw new Error(`logits are ${error} off`);
      }
    });
  }
  await attempt("dialogue: words in the worker", async () => {
    const talk = await openConversation({ bundle: `${VECTORS}${facts.talk}/` });
    if (!talk.inWorker) throw new Error("it runs on the page");
    const wanted = facts.conversation.estimates[0];
    const { speaker, text } = facts.conversation.utterances[0];
    const said = await talk.pushText(text, speaker, 0);
    if (said.index !== 0 || said.text !== wanted.text || said.state !== "text") throw new Error(JSON.stringify(said));
    const refused = await talk.pushText("\ud800").then(() => "", (error: Error) => error.constructor.name + error.name);
    if (!refused.endsWith("SignalError")) throw new Error(`half a surrogate pair was answered by ${refused}`);
    talk.close();
  });
  await attempt("dialogue: spoken, in the worker", () => speak(facts));
  return found;
}

/** Two microphones by the built package in its worker, with a recogniser on the page, as test/live.test.ts in Node.js. */
async function speak({ talk, live, sensor: { rate } }: any): Promise<void> {
  const pcm = (await readNpz(await fetched("vectors.npz"))).get("film_pcm")!.data;
  const found: UtteranceEstimate[] = [];
  const spoken = await openLiveConversation(
    {
      bundle: `${VECTORS}${talk}/`,
      voice: { model: `${VECTORS}loud.onnx` },
      utterance: { voice: { threshold: 0.3, hangover: 0.5 } },
      streams: ["Anna", "Ben"],
      staleSeconds: 600,
    },
    { recognise: (samples, rate) => `${samples.length} of ${rate}`, onEstimate: (estimate) => found.push(estimate) },
  );
  if (!spoken.inWorker) throw new Error("it runs on the page");
  for (const { kind, begin, end, time, stream } of live.events) {
    if (kind !== "sound") continue;
    const channels = [0, 1].map((channel) => Float32Array.from({ length: end - begin }, (_, i) => pcm[2 * (begin + i) + channel]!));
    if (!(await spoken.pushAudio(channels, rate, time, stream))) throw new Error("sound was not taken");
  }
  if (!(await spoken.finish())) throw new Error("it is not over");
  const exact = (all: any[]) => JSON.stringify(all.map(({ index, time, speaker, text, emotion, state }) => [index, time, speaker, text, emotion, state]));
  if (exact(found) !== exact(live.recognised)) throw new Error(`${exact(found)}, wanted ${exact(live.recognised)}`);
  const away = live.recognised.map((one: any, index: number) =>
    maxError(Object.values(found[index]!.probabilities), Object.values(one.probabilities)),
  );
  if (!(Math.max(...away) < 2e-5)) throw new Error(`probabilities are ${away} off`);
  if ((await spoken.counts()).dropped || (await spoken.timeline()).length !== found.length) throw new Error("some were dropped");
  spoken.close();
  // What goes wrong on the page ends it, and is told.
  const broken = await openLiveConversation(
    { bundle: `${VECTORS}${talk}/`, voice: { model: `${VECTORS}loud.onnx` } },
    {
      recognise: () => {
        throw new Error("no words");
      },
    },
  );
  await broken.pushAudio([new Float32Array(16000).fill(0.5)], 16000, 0);
  await broken.finish();
  const said = await broken.get().then(String, (error: Error) => `${error.name}: ${error.message}`);
  if (!/^StreamError: .*no words/.test(said)) throw new Error(`an error of the recogniser was told as ${said}`);
  broken.close();
}

/** The estimates of a clip, frames and sound given at fixed times, by the built package in a worker and with real bundles. */
async function feed(clip: string, worker: boolean): Promise<unknown> {
  const arrays = await readNpz(await fetched(`${clip}.npz`));
  const [frames, times, pcm, rate] = ["frames", "times", "pcm", "rate"].map((name) => arrays.get(name)!);
  const [count, height, width] = frames!.shape as [number, number, number];
  const sensor = await openSensor({
    bundle: `${VECTORS}bundle/`,
    finder: `${VECTORS}finder/`,
    faces: { faces: 2 },
    smoothing: { seconds: 0.5 },
    worker,
  });
  if (sensor.inWorker !== worker) throw new Error("it runs elsewhere");
  const estimates = [];
  let heard = 0;
  for (let index = 0; index < count; index++) {
    const data = new Uint8ClampedArray(4 * height * width).fill(255);
    const from = 3 * index * height * width;
    for (let pixel = 0; pixel < height * width; pixel++) {
      for (let channel = 0; channel < 3; channel++) data[4 * pixel + channel] = frames!.data[from + 3 * pixel + channel]!;
    }
    const time = times!.data[index]!;
    estimates.push(...(await sensor.pushFrame({ width, height, data }, time)));
    const until = index + 1 < count ? Math.floor(times!.data[index + 1]! * rate!.data[0]!) : pcm!.data.length;
    const sound = Float32Array.from(pcm!.data.slice(heard, until));
    estimates.push(...(await sensor.pushAudio([sound], rate!.data[0]!, heard / rate!.data[0]!)));
    heard = until;
  }
  estimates.push(...(await sensor.flush()));
  const profile = await sensor.saveBaseline();
  sensor.close();
  return { estimates, profile: JSON.parse(profile) };
}

Object.assign(globalThis, { prove, feed, ready: true });
