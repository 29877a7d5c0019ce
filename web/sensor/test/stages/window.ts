/** The window, the baselines of several persons, and what is said of them. */
import {
  decisionOf,
  modalities,
  NOTHING,
  PersonalBaseline,
  postprocess,
  Smoother,
  softmax,
  StepEngine,
  stateOf,
} from "../../src/index.js";
import { near, of, row, texts } from "../golden_file.js";
import { type Check, pairs, Recorder } from "./check.js";

export const steps: Check = async (golden, manifest) => {
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

export const persons: Check = async (golden, manifest) => {
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

export const crowd: Check = async (golden, manifest) => {
  const engine = new StepEngine(manifest, { fusion: new Recorder(manifest) });
  const size = of(golden, "stage_crowd_faces").shape[2]!;
  engine.enrol(of(golden, "stage_crowd_enrol").data[0]!);
  for (let step = 0; step < of(golden, "stage_crowd_faces").shape[0]!; step++) {
    const [first, ...rest] = row(golden, "stage_crowd_persons", step);
    const faces = row(golden, "stage_crowd_faces", step);
    const faceOf = (place: number) => faces.slice(place * size, (place + 1) * size);
    const others = new Map(rest.map((person, place) => [person, faceOf(place + 1)] as const));
    await engine.advance({ audio: null, face: faceOf(0) }, first!, others);
    await engine.lookAt(rest[0]!);
  }
  engine.finish();
  near(engine.persons, of(golden, "stage_crowd_known").data, 0, "persons of a crowd, the latest last");
  const stayed = row(golden, "stage_crowd_persons", 0).slice(0, 2);
  for (const [index, person] of stayed.entries()) {
    near(engine.baselineOf(person).mean("face"), row(golden, "stage_crowd_means", index), 1e-5, `mean of person ${person}`);
  }
};

export const profile: Check = async (golden, manifest) => {
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

export const smoothing: Check = (golden, manifest) => {
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
