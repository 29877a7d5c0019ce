/** A conversation as it is spoken, against that of Python; how it ends, and what it refuses. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import {
  Bundle,
  Conversation,
  LiveConversation,
  type LiveSettings,
  maxError,
  type NpyArray,
  OptionError,
  SignalError,
  SileroModel,
  StreamError,
  type UtteranceEstimate,
} from "../src/index.js";
import { frameOf, loud, scripted, soundOf } from "./film.js";
import { arrays, bundleFiles, facts } from "./vectors.js";

let told: any;
let get: (name: string) => NpyArray;
let bundle: Bundle;
let silero: SileroModel;

beforeAll(async () => {
  told = facts();
  get = await arrays();
  bundle = await Bundle.open(bundleFiles(told.talk));
  const { buffer, byteOffset, byteLength } = readFileSync(join(process.env.MER_VECTORS!, "loud.onnx"));
  silero = await SileroModel.open(buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer);
});

const OPTIONS = { utterance: { voice: { threshold: 0.3, hangover: 0.5 } }, streams: ["Anna", "Ben"], patience: 1, frames: 128 };

async function open(settings: LiveSettings = {}, voice = () => silero.another()): Promise<LiveConversation> {
  const talk = await Conversation.open(bundle, { finder: scripted(told.sensor.detections) });
  return new LiveConversation(talk, voice, { ...OPTIONS, now: () => 0, ...settings });
}

/** Everything, or what is of one stream, is pushed without waiting. */
async function push(live: LiveConversation, kinds: string[], stream?: string): Promise<void> {
  const { rate } = told.sensor;
  const pushes = told.live.events.map((event: any) => {
    if (!kinds.includes(event.kind) || (stream && event.stream !== stream)) return true;
    if (event.kind === "frame") return live.pushFrame(frameOf(get, event.index), event.time);
    if (event.kind === "text") return live.pushText(event.text, event.time, event.speaker, event.end);
    return live.pushAudio(soundOf(get, event.begin, event.end), rate, event.time, event.stream);
  });
  expect(new Set(await Promise.all(pushes))).toEqual(new Set([true]));
}

function expectSame(found: readonly UtteranceEstimate[], wanted: any[]): void {
  const exact = ({ index, time, speaker, text, emotion, state }: any) => ({ index, time, speaker, text, emotion, state });
  expect(found.map(exact)).toEqual(wanted.map(exact));
  for (const [index, { probabilities }] of wanted.entries()) {
    expect(maxError(Object.values(found[index]!.probabilities), Object.values(probabilities))).toBeLessThan(2e-5);
  }
}

test("sound of two streams, frames and texts give Python's utterances and estimates", async () => {
  const live = await open();
  await push(live, ["sound", "frame", "text"]);
  expect(await live.finish()).toBeTypeOf("boolean");
  const found: UtteranceEstimate[] = [];
  for await (const estimate of live) found.push(estimate);
  expectSame(found, told.live.estimates);
  expect(live.counts).toMatchObject({ ...told.live.counts, refused: 0, stale: [] });
  expect(live.timeline).toEqual(found);
  expect(await live.get()).toBeNull();
  expect(await live.pushText("later", 20)).toBe(false);
});

test("a recogniser hears each utterance, and a callback gets every estimate before finish() ends", async () => {
  const found: UtteranceEstimate[] = [];
  const live = await open({
    recognise: async (samples, rate) => `${samples.length} of ${rate}`,
    onEstimate: (estimate) => found.push(estimate),
  });
  await push(live, ["sound"]);
  expect(await live.finish()).toBe(true);
  expectSame(found, told.live.recognised);
  await expect(live.get()).rejects.toThrow(/the estimates go to onEstimate/);
  await expect(live.pushText("too many", 1)).rejects.toThrow(/the words come from recognise/);
});

test("estimates that nobody takes are dropped and counted, and stay in the timeline", async () => {
  const live = await open({ queue: 1, recognise: () => "yes" });
  await push(live, ["sound"], "Anna");
  await live.finish();
  await live.ended();
  expect(live.counts.dropped).toBe(1);
  expect((await live.get())?.time).toBe(live.timeline.at(-1)!.time);
  expect(await live.get()).toBeNull();
});

test("an error of the app ends the conversation, and is told", async () => {
  for (const culprit of ["recognise", "onEstimate"] as const) {
    const cause = new Error("the microphone melted");
    // Not before it was awaited.
    const fail = async () => {
      await Promise.resolve();
      throw cause;
    };
    const live = await open(culprit === "recognise" ? { recognise: fail } : { onEstimate: fail });
    await push(live, ["sound"], "Anna");
    await live.finish().catch(() => undefined);
    expect(await live.ended()).toBe(cause);
    await expect(live.finish()).rejects.toMatchObject({ name: "StreamError", cause });
    await expect(live.pushAudio([new Float32Array(9)], 16000)).rejects.toThrow(/the microphone melted; mend that and open another/);
    await expect(live.finish()).rejects.toBeInstanceOf(StreamError);
  }
});

test("a stream that stops is not waited for, and close() ends whoever waits", async () => {
  let seconds = 0;
  const live = await open({ now: () => seconds, recognise: () => "yes" }, () => loud);
  const { rate } = told.sensor;
  await live.pushAudio(soundOf(get, 0, 4 * rate, 1), rate, 0, "Anna");
  expect(await live.get(0.2)).toBeNull();
  seconds = 2;
  expect((await live.get())?.speaker).toBe("Anna");
  expect(live.counts.stale).toEqual(["Anna", "Ben"]);
  const waiting = live.get();
  live.close();
  expect(await waiting).toBeNull();
  expect(live.over).toBe(true);
  expect(await live.pushAudio([new Float32Array(9)], 16000)).toBe(false);
  expect(await live.finish()).toBe(true);
});

test("a speaker's baseline is saved between utterances", async () => {
  const live = await open({ recognise: () => "yes" });
  await live.pushAudio([new Float32Array(160)], 16000, 0, "Anna");
  const profile = await live.betweenUtterances((talk) => talk.baseline("Anna").save());
  expect(JSON.parse(profile).mer_baseline).toBeDefined();
  live.close();
});

test("bad input is refused, and the conversation goes on", async () => {
  const live = await open();
  const sound = [new Float32Array(160)];
  for (const [attempt, kind, message] of [
    [live.pushAudio([Float32Array.of(Number.NaN)], 16000), SignalError, /PCM sample 0 is not a finite number/],
    [live.pushAudio(sound, 100), SignalError, /the sample rate is 100 Hz/],
    [live.pushAudio(sound, 16000, Number.NaN), SignalError, /sound at NaN s: give a number of seconds/],
    [live.pushText("now", 1.7e12), SignalError, /a text at 1700000000000 s: give seconds/],
    [live.pushText("\ud800", 1), SignalError, /half of a surrogate pair/],
    [live.pushText("back", 2, null, 1), SignalError, /begins at 2 s and ends at 1 s; give the end last/],
    [live.pushFrame({ width: 2, height: 2, data: new Uint8Array(3) }, 0), SignalError, /needed is RGBA/],
  ] as const) {
    await expect(attempt).rejects.toThrow(message);
    await expect(attempt).rejects.toBeInstanceOf(kind);
  }
  expect(await live.pushFrame({ width: 0, height: 0, data: new Uint8Array(0) }, 0)).toBe(true);
  expect(live.counts.refused).toBe(1);
  expect(await live.pushText("and on", 1, "Anna")).toBe(true);
  await live.finish();
  expect((await live.get())?.text).toBe("and on");
  for (const [options, message] of [
    [{ patience: -1 }, /patience is -1 s; allowed is 0 or more/],
    [{ staleSeconds: 0 }, /staleSeconds is 0; it must be above 0/],
    [{ queueSeconds: 0.05 }, /must be above the tolerance of 0.1 s/],
    [{ queue: 0 }, /queue is 0; at least 1 is needed/],
    [{ utterance: { longest: 0.3 } }, /longest is 0.3 s; with this minimum and preRoll it must be at least 0.482 s/],
    [{ utterance: { minimum: -1 } }, /minimum is -1 s/],
  ] as const) {
    await expect(open(options)).rejects.toThrow(message);
    await expect(open(options)).rejects.toBeInstanceOf(OptionError);
  }
});
