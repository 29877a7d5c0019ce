/** The check from the button to the report. */
import { Bundle, hasSimd, hasWebGpu, MerError, mostThreads, sha256, type Target } from "@mer-edge/web";
import { type Device, describeDevice, inWords, readCharge } from "./device";
import { begin, Progress, Refusal, sendReport, Unreachable } from "./host";
import type { ClipAnswer, News, Plan, Run, Settings, Task } from "./messages";
import { addCase, addTimes, drawTimeline, say, setBar, setTitle, startButton } from "./view";

// Target -> runtime and version, see vite.config.js.
declare const RUNTIMES: Record<Target, string>;

const SCHEMA_VERSION = 2;
const RETRY_MS = 3000;
// A run beyond the first one is given up after so long: a GPU in software, say, may take an hour.
const LONGEST_MS = 120_000;
const HERE = new URL(".", location.href).href;

async function main(): Promise<void> {
  const device = await describeDevice();
  setTitle("Phone check", inWords(device));
  if (!hasSimd()) {
    say(
      "This browser has no WebAssembly SIMD, which the graphs need: use Chrome 91, Firefox 114, Safari 16.4 or later.",
      "bad",
    );
    return;
  }
  if (!globalThis.isSecureContext) {
    say("This page was not loaded over HTTPS: open the address exactly as the computer shows it.", "bad");
    return;
  }
  say("Ready.", "", "It takes a few minutes. Keep this page in sight and the phone as you use it: charging warms it.");
  startButton.hidden = false;
  startButton.onclick = () => void check(device);
}

async function check(device: Device): Promise<void> {
  startButton.hidden = true;
  const lock = (await (navigator as any).wakeLock?.request("screen").catch(() => null)) as { release(): void } | null;
  let hint = "";
  const progress = new Progress((there) => {
    hint = there ? "" : "The computer cannot be reached just now. The check goes on, and the result is sent when it can.";
  });
  const advance = (what: string, done: number, total: number, share: number) => {
    progress.set(what, done, total);
    setBar(share);
    say(`${what} …`, "", hint);
  };
  try {
    const settings = await begin();
    setTitle(settings.bundle, inWords(device));
    const { target, files } = await readFiles(advance);
    const report = await runAll(settings, target, device, files, advance);
    await deliver(report);
    setBar(1);
    say("Done: the computer has the result. This page can be closed.", "good");
  } catch (error) {
    const why = error instanceof MerError ? error.message : `The check broke off: ${String(error)}`;
    say(why, "bad");
    if (!(error instanceof Refusal)) again("Try again", () => location.reload());
  } finally {
    progress.end();
    lock?.release();
  }
}

type Advance = (what: string, done: number, total: number, share: number) => void;

/** All files of the bundle that are needed, each equal to its hash, and what it is made for. */
async function readFiles(advance: Advance): Promise<{ target: Target; files: Map<string, ArrayBuffer> }> {
  const files = new Map<string, ArrayBuffer>();
  const { manifest } = await Bundle.open(
    async (path) => {
      const response = await fetch(`bundle/${path}`).catch(() => null);
      const content = await response?.arrayBuffer().catch(() => null);
      if (!response || !content) throw new Unreachable(`${path} could not be read: the network is gone, or the command on the computer has ended.`);
      if (!response.ok) throw new Refusal(`${path} could not be read: ${new TextDecoder().decode(content)}`);
      files.set(path, content);
      return content;
    },
    true,
    (path, done, total) => advance(`reading ${path || "the bundle"}`, done, total, (0.05 * done) / total),
  );
  return { target: manifest.target, files };
}

async function runAll(
  settings: Settings,
  target: Target,
  device: Device,
  files: Map<string, ArrayBuffer>,
  advance: Advance,
): Promise<object> {
  const plans: Plan[] = [{ provider: "wasm", threads: 1, seconds: settings.seconds, clips: settings.clips }];
  const threads = mostThreads(target);
  if (threads > 1) plans.push({ provider: "wasm", threads, seconds: 0, clips: 0 });
  if (target === "onnx" && settings.webgpu && (await hasWebGpu())) plans.push({ provider: "webgpu", threads: 1, seconds: 0, clips: 0 });
  const before = await readCharge();
  const runs: Run[] = [];
  let clips: ClipAnswer[] = [];
  for (const [index, plan] of plans.entries()) {
    const task: Task = { plan, settings, files, ort: `${HERE}ort/`, litert: `${HERE}litert/`, clips: `${HERE}clips/` };
    try {
      const done = await runOne(task, index ? LONGEST_MS : Infinity, (what, part, total) => {
        advance(what, part, total, 0.05 + (0.9 * (index + part / (total || 1))) / plans.length);
      });
      runs.push(done.run);
      if (index === 0) clips = done.clips;
    } catch (error) {
      // The first run is the check; what a browser cannot do beyond it is left out.
      if (index === 0) throw error;
    }
  }
  const after = await readCharge();
  const hashes: Record<string, string> = {};
  for (const [path, content] of files) hashes[path] = await sha256(content);
  return {
    bundle: settings.bundle,
    files: hashes,
    runtime: RUNTIMES[target],
    device,
    runs,
    clips,
    battery: before && after ? { begin: before.level, end: after.level, charging: before.charging || after.charging } : null,
    schema_version: SCHEMA_VERSION,
  };
}

function runOne(
  task: Task,
  longest: number,
  advance: (what: string, done: number, total: number) => void,
): Promise<{ run: Run; clips: ClipAnswer[] }> {
  const { plan } = task;
  const name = plan.provider === "webgpu" ? "gpu" : `wasm ${plan.threads}`;
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  let hidden = document.hidden;
  const watch = () => {
    hidden ||= document.hidden;
  };
  document.addEventListener("visibilitychange", watch);
  const ended = new Promise<{ run: Run; clips: ClipAnswer[] }>((resolve, reject) => {
    worker.onerror = (event) => reject(new MerError(`The run broke off: ${event.message || "its script was not loaded"}`));
    worker.onmessage = ({ data }: MessageEvent<News>) => {
      if (data.kind === "progress") advance(data.what, data.done, data.total);
      else if (data.kind === "case") addCase(name, data.answer.case, data.error, data.near);
      else if (data.kind === "latency") addTimes(name, data.latency);
      else if (data.kind === "timeline") drawTimeline(data.points, plan.seconds);
      else if (data.kind === "failed") reject(new MerError(data.why));
      else resolve({ run: { ...data.run, hidden }, clips: data.clips });
    };
  });
  worker.postMessage(task);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    if (longest < Infinity) timer = setTimeout(() => reject(new MerError("The run took too long.")), longest);
  });
  return Promise.race([ended, late]).finally(() => {
    clearTimeout(timer);
    worker.terminate();
    document.removeEventListener("visibilitychange", watch);
  });
}

/** Send the report; while the network is gone, again and again. */
async function deliver(report: object): Promise<void> {
  for (;;) {
    try {
      say("Sending the result …");
      await sendReport(report);
      return;
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
      say(error.message, "bad", "The result is kept here, and sent as soon as the computer can be reached.");
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, RETRY_MS);
        again("Send again", () => {
          clearTimeout(timer);
          resolve();
        });
      });
    } finally {
      startButton.hidden = true;
    }
  }
}

function again(label: string, action: () => void): void {
  startButton.textContent = label;
  startButton.hidden = false;
  startButton.onclick = action;
}

void main();
