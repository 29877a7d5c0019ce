/** Dialogues: text, windows of utterances, where utterances are cut, and conversations as they are spoken. */
import { modalities, TextFrontend } from "../../src/index.js";
import { DialogueEngine } from "../../src/dialogue/engine.js";
import { liveRules } from "../../src/dialogue/options.js";
import { UtteranceQueue } from "../../src/dialogue/utterance_queue.js";
import { UtteranceCutter, utteranceRules } from "../../src/dialogue/utterances.js";
import { loud } from "../film.js";
import { near, of, row, texts } from "../golden_file.js";
import { type Check, Recorder } from "./check.js";

export const text: Check = (golden, manifest) => {
  const frontend = new TextFrontend(manifest.text!);
  for (const [index, one] of texts(golden, "stage_text").entries()) {
    near(frontend.ids(one), row(golden, "stage_text_ids", index), 0, `ids of ${JSON.stringify(one)}`);
  }
};

export const dialogue: Check = async (golden, manifest) => {
  const fusion = new Recorder(manifest);
  const engine = new DialogueEngine(manifest, { fusion });
  const names = modalities(manifest);
  for (const [number, speaker] of of(golden, "stage_dialogue_speakers").data.entries()) {
    const counts = row(golden, "stage_dialogue_steps", number);
    const features = new Map<string, Float32Array[]>();
    for (const [place, name] of names.entries()) {
      const rows = row(golden, `stage_dialogue_rows_${name}`, number);
      const size = of(golden, `stage_dialogue_rows_${name}`).shape[2]!;
      const given = Array.from({ length: counts[place]! }, (_, i) => rows.slice(i * size, (i + 1) * size));
      if (given.length) features.set(name, given);
    }
    fusion.given = null;
    await engine.advance(features, String(speaker));
    for (const name of [...names, ...names.map((one) => `${one}_mask`), "speakers"]) {
      near(fusion.seen(name), row(golden, `stage_dialogue_window_${name}`, number), 1e-5, `${name} of utterance ${number}`);
    }
  }
  for (const name of Object.keys(manifest.baseline.population_mean)) {
    for (let speaker = 0; speaker < of(golden, `stage_dialogue_mean_${name}`).shape[0]!; speaker++) {
      near(engine.baseline(String(speaker)).mean(name), row(golden, `stage_dialogue_mean_${name}`, speaker), 1e-5, "mean");
    }
  }
};

export const cutter: Check = async (golden) => {
  const probabilities = of(golden, "stage_cutter_probabilities").data;
  const options = of(golden, "stage_cutter_options");
  for (let index = 0; index < options.shape[0]!; index++) {
    const [threshold, hangover, minimum, longest, preRoll] = row(golden, "stage_cutter_options", index) as unknown as number[];
    let next = 0;
    const model = { reset: () => undefined, probability: async () => probabilities[next++]! };
    const rules = utteranceRules({ voice: { threshold: threshold!, hangover: hangover! }, minimum: minimum!, longest: longest!, preRoll: preRoll! });
    const cutter = new UtteranceCutter(model, rules);
    const found: number[] = [];
    const sizes = of(golden, "stage_cutter_pieces").data;
    for (const [number, size] of sizes.entries()) {
      const cuts = await cutter.push(new Float32Array(size));
      found.push(...cuts.flatMap((cut) => [number, cut.begin, cut.begin + cut.samples.length, cutter.short]));
    }
    found.push(...cutter.end().flatMap((cut) => [sizes.length, cut.begin, cut.end, cutter.short]));
    near(found, of(golden, `stage_cutter${index}_cuts`).data, 0, "cuts");
  }
};

export const spoken: Check = async (golden) => {
  const names = [null, "anna", "ben"];
  const utterance = { voice: { hangover: 0.5 }, minimum: 0.25, longest: 4, preRoll: 0.125 };
  for (let index = 0; index < of(golden, "stage_spoken_options").shape[0]!; index++) {
    const [patience, staleSeconds, queue, frames, queueSeconds, awaits] = [...row(golden, "stage_spoken_options", index)] as [
      number, number, number, number, number, number,
    ];
    const options = { utterance, streams: ["anna"], tolerance: 0.125, patience, staleSeconds, queue, frames, queueSeconds };
    let seconds = 0;
    const utterances = new UtteranceQueue(liveRules(options), Boolean(awaits), 0.25, () => seconds, () => loud);
    const found: number[] = [];
    const tell = (number: number) => {
      for (const { begin, end, speaker, samples, text, frames: shown } of utterances.turns.splice(0)) {
        const sound = samples ? [samples.length, samples.reduce((sum, value) => sum + value, 0) / samples.length] : [-1, 0];
        const words = (text ?? "").split(" ").filter(Boolean).map(Number);
        const times = shown.map(({ time }) => time);
        const filled = (values: number[], room: number) => [...values, ...Array(room).fill(-1)].slice(0, room);
        found.push(number, begin, end, names.indexOf(speaker), ...sound, ...filled(words, 3), times.length, ...filled(times, 8));
      }
    };
    const { shape } = of(golden, `stage_spoken${index}_events`);
    for (let number = 0; number < shape[0]!; number++) {
      const event = [...row(golden, `stage_spoken${index}_events`, number)] as [number, number, number, number, number, number, number, number];
      const [kind, when, time, stream, speaker, end, rate, value] = event;
      const [name, who] = [names[stream]!, names[speaker]!];
      seconds = when;
      if (kind === 0) {
        const samples = new Float32Array(end).fill(value);
        await utterances.addAudio([samples], rate, time < 0 ? utterances.due(name) : time, name, who);
      } else if (kind === 1) {
        await utterances.addFrame({ width: 1, height: 1, data: new Uint8Array(4) }, time, name);
      } else if (kind === 2) {
        await utterances.addText(String(value), time, end < 0 ? null : end, who);
      } else {
        await utterances.move();
        if (number % 3 === 0) tell(number);
      }
    }
    await utterances.finish();
    tell(shape[0]!);
    near(found, of(golden, `stage_spoken${index}_turns`).data, 1e-4, `turns of conversation ${index}`);
    const { dropped, droppedFrames, late, short } = utterances;
    near([dropped, droppedFrames, late, short], of(golden, `stage_spoken${index}_counts`).data, 0, "what was left out");
  }
};
