/** From pixels, samples and words to estimates: the sensor and the conversation against those of Python, with every option. */
import { readFileSync } from "node:fs";
import { beforeAll, expect, test } from "vitest";
import {
  Bundle,
  Conversation,
  type EmotionEstimate,
  EmotionSensor,
  maxError,
  type NpyArray,
  OptionError,
  PersonalBaseline,
  SileroModel,
  VoiceActivity,
} from "../src/index.js";
import { frameOf, loud, scripted, soundOf } from "./film.js";
import { arrays, bundleFiles, facts } from "./vectors.js";

let told: any;
let get: (name: string) => NpyArray;

beforeAll(async () => {
  told = facts();
  get = await arrays();
});

const values = (one: Record<string, number>) => Object.values(one);

function expectSame(found: EmotionEstimate, wanted: any): void {
  const exact = ({ time, emotion, state, speech, enrolling }: any) => ({ time, emotion, state, speech, enrolling });
  expect(exact(found)).toEqual(exact(wanted));
  expect(found.face?.id).toBe(wanted.face?.id);
  if (found.face) expect(maxError(found.face.box, wanted.face.box)).toBeLessThan(1e-3);
  expect(Object.keys(found.probabilities)).toEqual(Object.keys(wanted.probabilities));
  for (const name of ["probabilities", "raw_probabilities", "reliance"] as const) {
    expect(maxError(values(found[name]), values(wanted[name]))).toBeLessThan(2e-5);
  }
  expect(maxError([found.valence, found.arousal], [wanted.valence, wanted.arousal])).toBeLessThan(2e-5);
  expect(found.others.length).toBe(wanted.others.length);
  for (const [index, other] of found.others.entries()) expectSame(other, wanted.others[index]);
}

test("the sensor gives Python's estimates: faces followed, three persons, speech, smoothing, enrolment, pauses", async () => {
  const { events, estimates, detections, searches, rate, baselines } = told.sensor;
  const sensor = await EmotionSensor.open(await Bundle.open(bundleFiles(told.bundle)), {
    finder: scripted(detections),
    faces: { faces: 2 },
    smoothing: { seconds: 0.4, margin: 0.05 },
    voice: { model: loud, threshold: 0.3, hangover: 0.6 },
  });
  const found: EmotionEstimate[] = [];
  for (const event of events) {
    if (event.kind === "frame") found.push(...(await sensor.pushFrame(frameOf(get, event.index), event.time)));
    if (event.kind === "sound") {
      const sound = soundOf(get, event.begin, event.end, event.channels);
      found.push(...(await sensor.pushAudio(sound, rate, event.time)));
    }
    if (event.kind === "enrol") await sensor.enrol(event.seconds);
    if (event.kind === "forget") await sensor.forget();
  }
  found.push(...(await sensor.flush()));
  expect(found.length).toBe(estimates.length);
  for (const [index, wanted] of estimates.entries()) expectSame(found[index]!, wanted);
  // What makes the film worth while: persons beside one another, a pause that is passed over, speech and none.
  expect(new Set(estimates.map((one: any) => one.face?.id)).size).toBeGreaterThan(3);
  expect(estimates.some((one: any) => one.others.length)).toBe(true);
  expect(estimates.length).toBeLessThan(estimates.at(-1).time * 4);
  expect(sensor.searches).toBe(searches);
  expect(sensor.persons.map(String).sort()).toEqual(Object.keys(baselines).sort());
  for (const [person, means] of Object.entries(baselines) as [string, Record<string, number[]>][]) {
    for (const [name, mean] of Object.entries(means)) {
      expect(maxError(sensor.baselineOf(Number(person)).mean(name), mean)).toBeLessThan(1e-4);
    }
  }
});

test("a stream after reset() is a new one", async () => {
  const { detections, rate } = told.sensor;
  const sensor = await EmotionSensor.open(await Bundle.open(bundleFiles(told.bundle)), {
    finder: scripted(detections),
    voice: { model: loud },
  });
  const run = async () => {
    const found = await sensor.pushAudio(soundOf(get, 0, 3 * rate), rate);
    for (let index = 8; index < 32; index++) found.push(...(await sensor.pushFrame(frameOf(get, index), index / 8)));
    return [...found, ...(await sensor.flush())].map((one) => ({ ...one, latency_ms: 0 }));
  };
  const first = await run();
  await sensor.reset();
  expect(await run()).toEqual(first);
});

test("what is refused changes nothing, and boxes that are no part of the frame are no faces", async () => {
  const bundle = await Bundle.open(bundleFiles(told.bundle));
  const { rate } = told.sensor;
  const frame = frameOf(get, 0);
  const impossible = [[NaN, 4, 20, 20, 1], [9999, 4, 20, 20, 1], [-4000, -4000, 90000, 90000, 1], [4, 4, 0, 20, 1]];
  const sensor = await EmotionSensor.open(bundle, {
    finder: { name: "impossible", detect: async () => impossible as any },
  });
  const run = async (between: () => Promise<void>) => {
    await sensor.reset();
    const found = [];
    for (let second = 0; second < 3; second++) {
      await between();
      found.push(...(await sensor.pushAudio(soundOf(get, second * rate, (second + 1) * rate), rate, second)));
      found.push(...(await sensor.pushFrame(frame, second)));
    }
    return [...found, ...(await sensor.flush())].map((one) => ({ ...one, latency_ms: 0 }));
  };
  const wanted = await run(async () => undefined);
  expect(wanted.every((one) => one.face === null)).toBe(true);
  const refused = async () => {
    const silent = new Float32Array(8);
    for (const [samples, hertz, time] of [[silent.map(() => NaN), rate, 30], [silent, 0, 30], [silent, rate, 1.7e18], [silent, rate, NaN]] as const) {
      await expect(sensor.pushAudio([samples], hertz, time)).rejects.toThrow(/Hz; allowed|finite|give (a number of )?seconds/);
    }
    for (const time of [1.7e18, NaN, -1]) await expect(sensor.pushFrame(frame, time)).rejects.toThrow(/a frame at/);
  };
  expect(await run(refused)).toEqual(wanted);
});

test("each stream begins with the given profile, whatever an earlier one learned or forgot", async () => {
  const { detections, rate } = told.sensor;
  const bundle = await Bundle.open(bundleFiles(told.bundle));
  const profile = new PersonalBaseline(bundle.manifest.baseline);
  await profile.load(told.profile);
  for (const baseline of [profile, undefined]) {
    const sensor = await EmotionSensor.open(bundle, { finder: scripted(detections), ...(baseline ? { baseline } : {}) });
    const begin = sensor.baseline.steps;
    expect(begin.audio).toBe(baseline ? 24 : 0);
    await sensor.pushAudio(soundOf(get, 0, 6 * rate), rate);
    await sensor.flush();
    expect(sensor.baseline.steps.audio).toBeGreaterThan(begin.audio!);
    await sensor.reset();
    expect(sensor.baseline.steps).toEqual(begin);
    await sensor.forget();
    expect(sensor.baseline.steps.audio).toBe(0);
    await sensor.reset();
    expect(sensor.baseline.steps).toEqual(begin);
  }
  expect(profile.steps.audio).toBe(24);
});

test("a conversation gives Python's estimates: words, sound and faces of more utterances than the window holds", async () => {
  const { utterances, estimates } = told.conversation;
  const { rate, detections } = told.sensor;
  const talk = await Conversation.open(await Bundle.open(bundleFiles(told.talk)), { finder: scripted(detections) });
  for (const [number, one] of utterances.entries()) {
    const frames = Array.from({ length: 8 }, (_, i) => ({ time: i / 8, frame: frameOf(get, one.first + i) }));
    const channels = soundOf(get, (2 * number + 1) * rate, (2 * number + 2) * rate, 1);
    const found = await talk.pushUtterance({
      speaker: one.speaker,
      text: one.text,
      time: number,
      ...(one.sound ? { audio: { channels, sampleRate: rate } } : {}),
      ...(one.faces ? { frames } : {}),
    });
    const wanted = estimates[number];
    for (const name of ["index", "time", "speaker", "text", "emotion", "state", "va_source"] as const) {
      expect(found[name]).toEqual(wanted[name]);
    }
    expect(maxError(values(found.probabilities), values(wanted.probabilities))).toBeLessThan(2e-5);
    expect(maxError(values(found.reliance), values(wanted.reliance))).toBeLessThan(2e-5);
  }
  expect(talk.timeline.length).toBe(utterances.length);
  await expect(talk.pushText("too early", null, 1)).rejects.toThrow(/came after one at 6.000 s/);
  await expect(talk.pushText("\ud800")).rejects.toThrow(/half of a surrogate pair/);
  expect(talk.timeline.length).toBe(utterances.length);
});

test("profiles of Python are read, and written again as they were", async () => {
  const sensor = await EmotionSensor.open(await Bundle.open(bundleFiles(told.bundle)));
  const baseline = new PersonalBaseline(sensor.bundle.manifest.baseline);
  await baseline.load(told.profile);
  expect(JSON.parse(await baseline.save())).toEqual(JSON.parse(told.profile));
  expect(baseline.steps.audio).toBe(24);
  for (const [change, message] of [
    [(one: any) => (one.encoders = "0"), /belongs to the encoders of another model/],
    [(one: any) => (one.modalities.audio.sum.length = 2), /damaged/],
    [(one: any) => (one.modalities.audio.steps = -1), /damaged/],
    [(one: any) => (one.mer_baseline = 0), /damaged/],
    [(one: any) => (one.mer_baseline = -1), /damaged/],
    [(one: any) => delete one.mer_baseline, /is not a personal baseline/],
  ] as const) {
    const profile = JSON.parse(told.profile);
    change(profile);
    await expect(baseline.load(JSON.stringify(profile))).rejects.toThrow(message);
  }
  await expect(baseline.load("{")).rejects.toThrow(/it is no JSON; enrol again/);
});

test("Silero VAD hears speech where Python's does", async (context) => {
  if (!told.silero) return context.skip("needs silero_vad.onnx");
  const { buffer, byteOffset, byteLength } = readFileSync(told.silero);
  const voice = new VoiceActivity(await SileroModel.open(buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer));
  const found = await voice.pieces(get("silero_pcm").data as Float32Array);
  const wanted = [...get("silero_speech").data];
  // The weights are the same; Python's are packaged for another library, which rounds them.
  expect(maxError(found, wanted)).toBeLessThan(0.05);
  expect(found.map((one) => one > 0.5)).toEqual(wanted.map((one) => one > 0.5));
  expect(new Set(found.map((one) => one > 0.5)).size).toBe(2);
});

test("options out of their range are refused in a sentence", async () => {
  const bundle = await Bundle.open(bundleFiles(told.bundle));
  for (const [options, message] of [
    [{ faces: { faces: 9 } }, /faces is 9; allowed are whole numbers from 1 to 8/],
    [{ faces: { detectSeconds: -1 } }, /detectSeconds is -1/],
    [{ smoothing: { margin: 1 } }, /the margin is 1; allowed is 0/],
    [{ voice: { model: loud, threshold: 0 } }, /the threshold is 0; allowed is above 0/],
  ] as const) {
    await expect(EmotionSensor.open(bundle, options)).rejects.toThrow(message);
    await expect(EmotionSensor.open(bundle, options)).rejects.toBeInstanceOf(OptionError);
  }
  await expect(Conversation.open(bundle)).rejects.toThrow(/is no dialogue model/);
});
