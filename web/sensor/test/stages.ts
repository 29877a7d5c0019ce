/**
 * Every stage of the pipeline against the golden file that all ports share. They run in Node.js and in a browser: what is
 * wrong is thrown.
 */
import {
  AudioFrontend,
  type Box,
  cropFace,
  decisionOf,
  type Detection,
  type FaceFinder,
  FaceTracker,
  FaceTracks,
  type Frame,
  type Graph,
  GraphFinder,
  letterboxed,
  type Manifest,
  modalities,
  MonoMix,
  NOTHING,
  PersonalBaseline,
  postprocess,
  Resampler,
  Smoother,
  softmax,
  StepEngine,
  stateOf,
  type Tensors,
  TextFrontend,
  VoiceActivity,
} from "../src/index.js";
import { searched } from "../src/frontends/face_tracks.js";
import { DialogueEngine } from "../src/dialogue/engine.js";
import { liveRules } from "../src/dialogue/options.js";
import { UtteranceQueue } from "../src/dialogue/utterance_queue.js";
import { UtteranceCutter, utteranceRules } from "../src/dialogue/utterances.js";
import { loud } from "./film.js";
import { type Golden, near, of, row, texts } from "./golden_file.js";

type Check = (golden: Golden, manifest: Manifest) => Promise<void> | void;

/** A fusion graph that keeps what it was given. Its logits are the number of the run, from 1, modulo 2, 3, 4 and so on. */
class Recorder implements Graph {
  given: Tensors | null = null;
  private runs = 0;

  constructor(private readonly manifest: Manifest) {}

  async run(inputs: Tensors): Promise<Record<string, Float32Array>> {
    this.given = inputs;
    this.runs += 1;
    const size = (shape: number[]) => shape.reduce((a, b) => a * b, 1);
    const outputs = this.manifest.graphs.fusion!.outputs.map((one) => [one.name, new Float32Array(size(one.shape))] as const);
    const answer = Object.fromEntries(outputs);
    for (const index of answer.logits!.keys()) answer.logits![index] = this.runs % (index + 2);
    return answer;
  }

  /** One input of the last run; zeros where the graph was not run. */
  seen(name: string): ArrayLike<number> {
    const { shape } = this.manifest.graphs.fusion!.inputs.find((tensor) => tensor.name === name)!;
    return this.given?.[name] ?? new Float32Array(shape.reduce((a, b) => a * b, 1));
  }
}

const resampling: Check = (golden, manifest) => {
  for (const [index, [rate, channels]] of pairs(of(golden, "stage_resample_cases").data).entries()) {
    const prefix = `stage_resample${index}_`;
    const pcm = planes(of(golden, `${prefix}pcm`).data, channels);
    const [mix, resampler] = [new MonoMix(rate), new Resampler(rate, manifest.audio.sample_rate)];
    const made: number[] = [];
    let place = 0;
    for (const piece of of(golden, `${prefix}pieces`).data) {
      made.push(...resampler.push(mix.push(pcm.map((plane) => plane.slice(place, place + piece)))));
      place += piece;
    }
    made.push(...resampler.push(mix.flush()), ...resampler.flush());
    near(made, of(golden, `${prefix}out`).data, 1e-5, `${channels} channels at ${rate} Hz`);
  }
};

const silence: Check = (golden, manifest) => {
  const rate = of(golden, "stage_silence_rate").data[0]!;
  const pcm = of(golden, "stage_silence_pcm").data;
  const frontend = new AudioFrontend(manifest.audio, manifest.clock);
  const covered: number[] = [];
  let place = 0;
  for (const piece of of(golden, "stage_silence_pieces").data) {
    covered.push(...frontend.push([pcm.slice(place, place + piece)], rate).map((one) => Number(one.covered)));
    place += piece;
  }
  covered.push(...frontend.flush().map((one) => Number(one.covered)));
  near(covered, of(golden, "stage_silence_covered").data, 0, "which steps have sound");
};

const chunks: Check = (golden, manifest) => {
  const sound = of(golden, "host_sound").data;
  const frontend = new AudioFrontend(manifest.audio, manifest.clock);
  const made: number[] = [];
  let place = 0;
  for (const piece of of(golden, "host_pieces").data) {
    const steps = frontend.push([sound.slice(place, place + piece)], manifest.audio.sample_rate);
    for (const { chunk } of steps) made.push(...chunk);
    place += piece;
  }
  for (const { chunk } of frontend.flush()) made.push(...chunk);
  near(made, of(golden, "host_chunks").data, 0, "chunks");
};

const crops: Check = (golden, manifest) => {
  const frame = opaque(of(golden, "host_frame"));
  for (let index = 0; index < of(golden, "host_boxes").shape[0]!; index++) {
    const box = [...row(golden, "host_boxes", index)] as unknown as Box;
    near(cropFace(frame, box, manifest.face)!, row(golden, "host_crops", index), 1e-3, `crop ${index}`);
  }
};

const voice: Check = async (golden, manifest) => {
  const step = Math.floor((manifest.audio.sample_rate * manifest.clock.step_ms) / 1000);
  const probabilities = of(golden, "stage_voice_probabilities").data;
  const at = golden.has("stage_voice_window_at") ? of(golden, "stage_voice_window_at").data[0]! : -1;
  for (const [index, [threshold, hangover]] of pairs(of(golden, "stage_voice_options").data).entries()) {
    let next = 0;
    const model = { reset: () => undefined, probability: async () => probabilities[next++]! };
    const activity = new VoiceActivity(model, { threshold, hangover });
    const fusion = new Recorder(manifest);
    const engine = new StepEngine(manifest, { fusion });
    let before: (Float32Array | null)[] = [];
    const [masks, said, open]: [number[], number[], number[]] = [[], [], []];
    let window: ArrayLike<number> = [];
    for (const [number, present] of of(golden, "stage_voice_present").data.entries()) {
      const heard = present ? row(golden, "stage_voice_rows", number) : null;
      let speech = -1;
      if (heard) speech = Number(await activity.step(new Float32Array(step)));
      else activity.gap(step);
      // As `EmotionSensor` does it.
      if (speech === 1 && before.length) engine.recallSound(before);
      before = activity.undecided ? [...before, heard] : [];
      fusion.given = null;
      await engine.advance({ audio: speech === 0 ? null : heard, face: null });
      said.push(speech);
      open.push(Number(activity.undecided));
      masks.push(...Array.from(fusion.seen("audio_mask")));
      if (at < 0 || at === number) window = fusion.seen("audio");
    }
    near(said, row(golden, "stage_voice_speech", index), 0, "speech");
    near(open, row(golden, "stage_voice_undecided", index), 0, "undecided");
    near(masks, row(golden, "stage_voice_window_mask", index), 0, "sound in the window");
    near(window, row(golden, "stage_voice_window", index), 1e-5, "window of sound");
  }
};

const steps: Check = async (golden, manifest) => {
  const fusion = new Recorder(manifest);
  const engine = new StepEngine(manifest, { fusion });
  const names = modalities(manifest);
  const given = (name: string, step: number) =>
    golden.has(`host_mask_${name}`) && of(golden, `host_mask_${name}`).data[step] ? row(golden, `host_rows_${name}`, step) : null;
  // As mer_converters.emit.golden.host has it: where the enrolment begins, and with how many steps.
  for (let step = 0; step < of(golden, `host_mask_${names[0]}`).data.length; step++) {
    if (step === 10) engine.enrol(3);
    await engine.advance({ audio: given("audio", step), face: given("face", step) });
  }
  for (const name of names) {
    near(fusion.seen(name), of(golden, `host_window_${name}`).data, 1e-5, `window of ${name}`);
    near(fusion.seen(`${name}_mask`), of(golden, `host_window_mask_${name}`).data, 0, `mask of ${name}`);
  }
  engine.finish();
  for (const name of names) near(engine.baseline.mean(name), of(golden, `host_mean_${name}`).data, 1e-5, `mean of ${name}`);
};

const persons: Check = async (golden, manifest) => {
  const fusion = new Recorder(manifest);
  const engine = new StepEngine(manifest, { fusion });
  const names = modalities(manifest).flatMap((name) => [name, `${name}_mask`]);
  const current = of(golden, "stage_persons_current").data;
  const others = of(golden, "stage_persons_other").data;
  const size = of(golden, "stage_persons_faces").shape[2]!;
  for (const [step, person] of current.entries()) {
    const seen = row(golden, "stage_persons_faces_mask", step);
    const faces = row(golden, "stage_persons_faces", step);
    const faceOf = (one: number) => faces.slice(one * size, (one + 1) * size);
    const rest = new Map([...seen.keys()].flatMap((one) => (seen[one] && one !== person ? [[one, faceOf(one)] as const] : [])));
    const heard = golden.has("stage_persons_audio") && of(golden, "stage_persons_audio_mask").data[step];
    const audio = heard ? row(golden, "stage_persons_audio", step) : null;
    fusion.given = null;
    await engine.advance({ audio, face: person < 0 ? null : faceOf(person) }, person < 0 ? null : person, rest);
    for (const name of names) {
      near(fusion.seen(name), row(golden, `stage_persons_window_${name}`, step), 1e-5, `${name} of step ${step}`);
    }
    fusion.given = null;
    if (others[step]! >= 0) await engine.lookAt(others[step]!);
    for (const name of names) {
      near(fusion.seen(name), row(golden, `stage_persons_other_${name}`, step), 1e-5, `${name} of another, step ${step}`);
    }
  }
  engine.finish();
  const known = [...engine.persons].sort((a, b) => a - b);
  near(known, of(golden, "stage_persons_known").data, 0, "persons");
  for (const name of modalities(manifest)) {
    for (const [index, person] of known.entries()) {
      near(engine.baselineOf(person).mean(name), row(golden, `stage_persons_mean_${name}`, index), 1e-5, `mean of ${name}`);
    }
  }
};

const profile: Check = async (golden, manifest) => {
  if (!golden.has("stage_profile_text")) return;
  const text = new TextDecoder().decode(Uint8Array.from(of(golden, "stage_profile_text").data));
  const baseline = new PersonalBaseline(manifest.baseline);
  await baseline.load(text);
  near(Object.values(baseline.steps), of(golden, "stage_profile_steps").data, 0, "steps");
  const again = JSON.stringify(JSON.parse(await baseline.save()));
  if (again !== JSON.stringify(JSON.parse(text))) throw new Error("a profile is not saved as it was loaded");
  for (const bad of texts(golden, "stage_profile_refused")) {
    const refused = await baseline.load(bad).then(() => "", (error: Error) => error.name);
    if (refused !== "BundleError") throw new Error(`a damaged profile was not refused: ${bad.slice(0, 80)}`);
  }
  for (const name of Object.keys(manifest.baseline.population_mean)) {
    near(baseline.mean(name), of(golden, `stage_profile_mean_${name}`).data, 1e-6, `mean of ${name}`);
    baseline.observe(name, of(golden, `stage_profile_row_${name}`).data);
    near(baseline.mean(name), of(golden, `stage_profile_next_${name}`).data, 1e-6, `next mean of ${name}`);
  }
};

const smoothing: Check = (golden, manifest) => {
  const names = modalities(manifest);
  const times = of(golden, "stage_smoothing_times").data;
  for (const [index, [seconds, margin]] of pairs(of(golden, "stage_smoothing_options").data).entries()) {
    const smoother = new Smoother({ seconds, margin });
    const [shares, decisions]: [number[], number[]] = [[], []];
    for (const [step, person] of of(golden, "stage_smoothing_persons").data.entries()) {
      const held = row(golden, "stage_smoothing_present", step);
      const present = Object.fromEntries(names.map((name, place) => [name, held[place]!]));
      const state = stateOf(present);
      const logits = row(golden, "stage_smoothing_logits", step);
      const uniform = new Float64Array(logits.length).fill(1 / logits.length);
      const probabilities = state === NOTHING ? uniform : softmax(logits, decisionOf(manifest.decision, state).temperature);
      const output = { logits, probabilities, reliance: {}, present, steps: 1 };
      const view = person < 0 ? null : { id: person, box: [0, 0, 1, 1] as const };
      const said = postprocess(output, manifest, smoother, times[step]!, view, 0);
      shares.push(...Object.values(said.probabilities));
      decisions.push(manifest.labels.indexOf(said.emotion), said.confidence, said.valence, said.arousal);
    }
    near(shares, row(golden, "stage_smoothing_probabilities", index), 1e-5, "probabilities");
    near(decisions, row(golden, "stage_smoothing_decisions", index), 1e-5, "decisions");
  }
};

const tracks: Check = async (golden, manifest) => {
  const [detectSeconds, faces] = of(golden, "stage_tracks_options").data as unknown as [number, number];
  const times = of(golden, "stage_tracks_times").data;
  const script = { step: 0 };
  const finder: FaceFinder = {
    name: "scripted",
    detect: async () => {
      const rows = row(golden, "stage_tracks_detections", script.step);
      const found = Array.from({ length: rows.length / 4 }, (_, i) => [...rows.slice(4 * i, 4 * i + 4), 1]);
      return found.filter((one) => one[2]! > 0) as unknown as Detection[];
    },
  };
  const listed = (seen: readonly { id: number; box: Box }[]) => {
    return Array.from({ length: faces }, (_, i) => (seen[i] ? [seen[i].id, ...seen[i].box] : [-1, -1, -1, -1, -1])).flat();
  };
  const tracker = new FaceTracker(finder, detectSeconds, faces);
  const watch = new FaceTracks(finder, manifest.face, { faces, detectSeconds, preferSpeaking: false });
  for (const [step, time] of times.entries()) {
    script.step = step;
    const frame = pictured(golden, step);
    const before = tracker.searches;
    near(listed(await tracker.follow(frame, time)), row(golden, "stage_tracks_found", step), 2e-3, `tracks of step ${step}`);
    near([tracker.searches - before], [of(golden, "stage_tracks_asked").data[step]!], 0, `searches of step ${step}`);
    const seen = (await watch.look([{ time, frame }], null)).map(({ view }) => view);
    near(listed(seen), row(golden, "stage_tracks_persons", step), 2e-3, `persons of step ${step}`);
  }
  for (let count = 1; count <= of(golden, "stage_tracks_looked").shape[0]!; count++) {
    near([...searched(count), -1, -1].slice(0, 3), row(golden, "stage_tracks_looked", count - 1), 0, "frames that are looked at");
  }
};

const speaking: Check = async (golden, manifest) => {
  const boxes = of(golden, "stage_speaking_boxes");
  const [gone, levels] = [of(golden, "stage_speaking_gone").data, of(golden, "stage_speaking_levels")];
  let step = 0;
  const finder: FaceFinder = {
    name: "scripted",
    detect: async () => {
      const all = Array.from({ length: boxes.shape[0]! }, (_, person) => [...row(golden, "stage_speaking_boxes", person)]);
      return all.flatMap(([x, y, side], person) => (person || !gone[step] ? [[x, y, side, side, 1] as unknown as Detection] : []));
    },
  };
  const tracks = new FaceTracks(finder, manifest.face, { faces: 2, detectSeconds: 0 });
  for (; step < levels.shape[0]!; step++) {
    const frames = [0.0625, 0.1875].map((since, number) => ({ time: 0.25 * step + since, frame: speakingFrame(golden, step, number) }));
    const [first, second] = row(golden, "stage_speaking_levels", step) as unknown as [number, number];
    const sound = first < 0 ? null : Float32Array.from({ length: 4000 }, (_, i) => (i < 2000 ? first : second));
    const seen = (await tracks.look(frames, sound)).map(({ view }) => view);
    const rows = Array.from({ length: 3 }, (_, i) => (seen[i] ? [seen[i].id, ...seen[i].box] : [-1, -1, -1, -1, -1])).flat();
    near(rows, row(golden, "stage_speaking_persons", step), 2e-3, `faces of step ${step}`);
  }
};

const text: Check = (golden, manifest) => {
  const frontend = new TextFrontend(manifest.text!);
  for (const [index, one] of texts(golden, "stage_text").entries()) {
    near(frontend.ids(one), row(golden, "stage_text_ids", index), 0, `ids of ${JSON.stringify(one)}`);
  }
};

const dialogue: Check = async (golden, manifest) => {
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

const cutter: Check = async (golden) => {
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

const spoken: Check = async (golden) => {
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

const finding: Check = async (golden, manifest) => {
  const contract = manifest.finder!;
  for (let index = 0; golden.has(`stage_letterbox${index}_frame`); index++) {
    const prefix = `stage_letterbox${index}_`;
    const { picture, rows, columns, scale } = letterboxed(opaque(of(golden, `${prefix}frame`)), contract);
    const input = new Float32Array(contract.height * contract.width * 3);
    for (let y = 0; y < rows; y++) input.set(picture.subarray(y * columns * 3, (y + 1) * columns * 3), y * contract.width * 3);
    near(input, of(golden, `${prefix}input`).data, 1e-3, "input");
    near([scale], of(golden, `${prefix}scale`).data, 1e-6, "scale");
  }
  for (let index = 0; golden.has(`stage_decode${index}_size`); index++) {
    const prefix = `stage_decode${index}_`;
    const [height, width] = of(golden, `${prefix}size`).data as unknown as [number, number];
    const answer = { scores: of(golden, `${prefix}scores`).data, boxes: of(golden, `${prefix}boxes`).data };
    const finder = new GraphFinder({ run: async () => answer }, contract);
    const faces = await finder.detect({ height, width, data: new Uint8Array(4 * height * width) });
    near(faces.flat(), of(golden, `${prefix}faces`).data, 1e-2, "faces");
  }
};

/** Kind of bundle -> stage -> its check. */
export const STAGES: Record<"window" | "dialogue" | "finder", Record<string, Check>> = {
  window: { resampling, silence, chunks, crops, voice, steps, persons, profile, smoothing, tracks, speaking },
  dialogue: { chunks, crops, text, dialogue, profile, cutter, spoken },
  finder: { finding },
};

function pairs(values: Float32Array): [number, number][] {
  // What Python has as a double is a float here; of 0.3 that is another number.
  const number = (value: number) => Math.round(value * 1e6) / 1e6;
  return Array.from({ length: values.length / 2 }, (_, i) => [number(values[2 * i]!), number(values[2 * i + 1]!)]);
}

/** [n x channels] to an array a channel. */
function planes(pcm: Float32Array, channels: number): Float32Array[] {
  return Array.from({ length: channels }, (_, channel) => pcm.filter((_, i) => i % channels === channel));
}

/** RGB to RGBA, as a canvas gives it. */
function opaque({ shape, data }: { shape: number[]; data: Float32Array }): Frame {
  const [height, width] = shape as [number, number];
  const rgba = new Uint8ClampedArray(4 * height * width).fill(255);
  for (let pixel = 0; pixel < height * width; pixel++) rgba.set(data.subarray(3 * pixel, 3 * pixel + 3), 4 * pixel);
  return { width, height, data: rgba };
}

/** A frame of the film: a background with pictures laid over it, in their order. */
function pictured(golden: Golden, step: number): Frame {
  const { shape } = of(golden, "stage_tracks_backgrounds");
  const background = row(golden, "stage_tracks_backgrounds", of(golden, "stage_tracks_background").data[step]!);
  const frame = opaque({ shape: shape.slice(1), data: background });
  const places = row(golden, "stage_tracks_places", step);
  const [count, side] = of(golden, "stage_tracks_pictures").shape as [number, number];
  for (let one = 0; one < count; one++) {
    const [left, top] = [places[2 * one]!, places[2 * one + 1]!];
    if (left >= 0) lay(row(golden, "stage_tracks_pictures", one), side, left, top, frame);
  }
  return frame;
}

/** A background with faces, and the mouths of those that have them open. */
function speakingFrame(golden: Golden, step: number, number: number): Frame {
  const { shape } = of(golden, "stage_tracks_backgrounds");
  const frame = opaque({ shape: shape.slice(1), data: row(golden, "stage_tracks_backgrounds", 0) });
  const open = row(golden, "stage_speaking_open", step);
  const count = of(golden, "stage_tracks_pictures").shape[0]!;
  for (let person = 0; person < count; person++) {
    if (!person && of(golden, "stage_speaking_gone").data[step]) continue;
    const [left, top] = row(golden, "stage_speaking_boxes", person) as unknown as [number, number];
    lay(row(golden, "stage_tracks_pictures", person), of(golden, "stage_tracks_pictures").shape[2]!, left, top, frame);
    if (!open[count * number + person]) continue;
    lay(row(golden, "stage_speaking_mouths", person), of(golden, "stage_speaking_mouths").shape[2]!, left + 14, top + 33, frame);
  }
  return frame;
}

function lay(picture: Float32Array, width: number, left: number, top: number, frame: Frame): void {
  for (let pixel = 0; pixel < picture.length / 3; pixel++) {
    const place = (top + Math.floor(pixel / width)) * frame.width + left + (pixel % width);
    (frame.data as Uint8ClampedArray).set(picture.subarray(3 * pixel, 3 * pixel + 3), 4 * place);
  }
}
