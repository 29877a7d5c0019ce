/** One run: loads the graphs, proves them on the golden cases, measures them, and answers labelled clips. */
import {
  array,
  AudioFrontend,
  Bundle,
  type Graph,
  isNear,
  loadGraphs,
  type Manifest,
  MerError,
  maxError,
  readGolden,
  readNpz,
  runCase,
  StepEngine,
} from "@mer-edge/web";
import { measure, roundOf, sustain } from "./measure";
import type { CaseAnswer, ClipAnswer, News, Task } from "./messages";

const tell = (news: News) => postMessage(news);

onmessage = async ({ data }: MessageEvent<Task>) => {
  try {
    await work(data);
  } catch (error) {
    tell({ kind: "failed", why: error instanceof MerError ? error.message : `the run broke off: ${String(error)}` });
  }
};

async function work(task: Task): Promise<void> {
  const { plan, settings } = task;
  const bundle = await Bundle.open(async (path) => task.files.get(path)!, true);
  const { manifest } = bundle;
  tell({ kind: "progress", what: "loading the graphs", done: 0, total: 1 });
  const begin = performance.now();
  const { provider, threads } = plan;
  const graphs = await loadGraphs(bundle, { provider, threads, ort: task.ort, litert: task.litert });
  const load_ms = Math.round((performance.now() - begin) * 10) / 10;
  const cases = await proveCases(bundle, graphs);
  const { round, step } = roundOf(manifest, graphs);
  const latency = await measure(round, settings.warm_up, settings.rounds, (done, total) => {
    if (done % 10 === 0 || done === total) tell({ kind: "progress", what: "timing", done, total });
  });
  tell({ kind: "latency", latency });
  const engine = manifest.dialogue ? null : new StepEngine(manifest, graphs);
  const clips: ClipAnswer[] = [];
  for (let clip = 0; engine && clip < plan.clips; clip++) {
    tell({ kind: "progress", what: "labelled clips", done: clip, total: plan.clips });
    clips.push(await answerClip(clip, task.clips, manifest, engine));
  }
  const sustained = plan.seconds
    ? await sustain(step, plan.seconds, (now, points) => {
        tell({ kind: "progress", what: "steps without a pause", done: now, total: plan.seconds });
        tell({ kind: "timeline", points });
      })
    : null;
  tell({ kind: "done", run: { provider, threads, load_ms, cases, latency, sustained, hidden: false }, clips });
}

async function proveCases(bundle: Bundle, graphs: Record<string, Graph>): Promise<CaseAnswer[]> {
  const golden = await readGolden(bundle);
  const answers: CaseAnswer[] = [];
  for (const [index, one] of golden.entries()) {
    tell({ kind: "progress", what: "golden cases", done: index, total: golden.length });
    const found = await runCase(bundle.manifest, graphs, one);
    const features = Object.fromEntries(
      one.modalities.map((name) => [name, finite(maxError(found.features[name]!, array(one, `${name}_features`).data))]),
    );
    const wanted = array(one, one.arrays.has("made_logits") ? "made_logits" : "logits").data;
    const answer = { case: index, logits: Array.from(found.logits, finite), features };
    const near = isNear(bundle.manifest.scheme, found.logits, wanted);
    tell({ kind: "case", answer, error: maxError(found.logits, wanted), near });
    answers.push(answer);
  }
  return answers;
}

/** The steps of one clip from a cold baseline: its sound cut here, its faces as they came. */
async function answerClip(clip: number, base: string, manifest: Manifest, engine: StepEngine): Promise<ClipAnswer> {
  const arrays = await readNpz(await fetchClip(`${base}${clip}`));
  const [pcm, rate, crops, present] = ["pcm", "rate", "crops", "present"].map((name) => arrays.get(name)!.data);
  const frontend = new AudioFrontend(manifest.audio, manifest.clock);
  const steps = [...frontend.push([pcm as Float32Array], rate![0]!), ...frontend.flush()];
  const size = crops!.length / present!.length;
  const answer: ClipAnswer = { clip, logits: [], held: [] };
  engine.reset();
  for (const [index, { chunk }] of steps.entries()) {
    const crop = present![index] ? Float32Array.from(crops!.slice(index * size, (index + 1) * size)) : null;
    const output = await engine.advance(await engine.encode(chunk, crop));
    answer.logits.push(...Array.from(output.logits, finite));
    answer.held.push(output.steps);
  }
  engine.reset();
  return answer;
}

async function fetchClip(url: string): Promise<ArrayBuffer> {
  try {
    const response = await fetch(url);
    if (response.ok) return await response.arrayBuffer();
  } catch {
    // What follows says it.
  }
  throw new MerError("a labelled clip could not be fetched: the network is gone, or the command on the computer has ended");
}

/** JSON has no infinity: what is not finite becomes the largest number that the host takes for wrong. */
function finite(value: number): number {
  return Number.isFinite(value) ? value : 9e8;
}
