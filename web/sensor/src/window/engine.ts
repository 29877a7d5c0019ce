/** The step engine: features of each step, the window, the personal baselines and the fusion graph: mer_sdk.window.engine. */
import { PersonalBaseline } from "./baseline.js";
import { decisionOf, softmax } from "./decision.js";
import { stateOf } from "./estimate.js";
import { OptionError, SignalError } from "../errors.js";
import type { Graph, Tensors } from "../runtimes/graph.js";
import { type Manifest, modalities } from "../contract/manifest_fields.js";
import { type DueRow, FeatureWindow } from "./feature_window.js";

// Baselines are kept of so many persons; beyond it, the one who was not seen for longest is forgotten.
const PERSONS = 64;

/** Raw features of one step, null where the modality is missing. */
export interface StepFeatures {
  audio: Float32Array | null;
  face: Float32Array | null;
}

/**
 * What the window says at one step: logits before the temperature, probabilities after it (uniform where the window is
 * empty), reliance per modality (all 0 there), and of how many steps the window holds each modality.
 */
export interface StepOutput {
  logits: Float32Array;
  probabilities: Float64Array;
  reliance: Record<string, number>;
  present: Record<string, number>;
  steps: number;
}

/**
 * Runs a window bundle step by step. A person is a number, such as a face's id: each has a window of faces and a
 * baseline, and one of them is current: whoever `advance` names. The first person takes over the baseline that the engine
 * began with and what was heard before; any later one starts cold. Sound belongs to whoever was current when it was heard.
 */
export class StepEngine {
  private readonly length: number;
  private readonly sizes: Record<string, number> = {};
  private readonly neutral: number;
  /** The latest last. */
  private baselines = new Map<number, PersonalBaseline>();
  private faces = new Map<number, FeatureWindow>();
  private sound: FeatureWindow | null = null;
  private current = 0;
  private known = false;
  private enrolSteps = 0;

  /** @throws OptionError the bundle is a dialogue model or a face finder. */
  constructor(
    readonly manifest: Manifest,
    private readonly graphs: Record<string, Graph>,
  ) {
    if (manifest.finder) {
      throw new OptionError(`${manifest.name} is a face finder: give it as the finder of an emotion model's bundle`);
    }
    if (manifest.dialogue) {
      throw new OptionError(
        `${manifest.name} is a dialogue model, whose window is made of utterances: open it with openConversation`,
      );
    }
    this.length = manifest.clock.window_steps;
    this.neutral = manifest.labels.indexOf("neutral");
    for (const name of modalities(manifest)) {
      this.sizes[name] = manifest.graphs.fusion!.inputs.find((tensor) => tensor.name === name)!.shape[2]!;
    }
    this.reset();
  }

  /** The current person's baseline. */
  get baseline(): PersonalBaseline {
    return this.baselines.get(this.current)!;
  }

  /** The current person. */
  get person(): number {
    return this.current;
  }

  /** Everyone who has a baseline: who was seen last comes last, and the current person after all others. */
  get persons(): number[] {
    return [...this.baselines.keys()];
  }

  /** Steps that the enrolment begun by `enrol` still wants; 0 where there is none. */
  get enrolling(): number {
    return this.enrolSteps;
  }

  /** Begin a new stream: an empty window, and the given baseline or a cold one. */
  reset(baseline?: PersonalBaseline): void {
    this.current = 0;
    this.known = false;
    this.enrolSteps = 0;
    this.baselines = new Map([[0, baseline ?? new PersonalBaseline(this.manifest.baseline)]]);
    this.faces = new Map();
    this.sound = this.sizes.audio === undefined ? null : new FeatureWindow(this.length, this.sizes.audio);
  }

  /**
   * Features of one step; nothing is remembered.
   *
   * @param chunk float32 [chunk_samples] in [-1, 1], or null.
   * @param crop float32 [S x S x 3], RGB 0-255, or null.
   * @throws SignalError a wrong length.
   */
  async encode(chunk: Float32Array | null, crop: Float32Array | null): Promise<StepFeatures> {
    return {
      audio: chunk && (await encodeRow(this.manifest, this.graphs, "audio", chunk)),
      face: crop && (await encodeRow(this.manifest, this.graphs, "face", crop)),
    };
  }

  /**
   * Take one step's features into the window and run the fusion graph.
   *
   * @param person whose face it is; null where there is no face, or only one person.
   * @param others face features of further persons; see `lookAt`.
   */
  async advance(
    features: StepFeatures,
    person: number | null = null,
    others: ReadonlyMap<number, Float32Array> = new Map(),
  ): Promise<StepOutput> {
    if (person !== null) this.switchTo(person);
    this.append(features, others);
    return await this.fuse(this.current, true);
  }

  /** What the faces of another person say, without sound; of the steps so far. @throws OptionError nobody of that number. */
  async lookAt(person: number): Promise<StepOutput> {
    this.baselineOf(person);
    return await this.fuse(person, false);
  }

  /** A person's baseline. @throws OptionError nobody of that number is known. */
  baselineOf(person: number): PersonalBaseline {
    const found = this.baselines.get(person);
    if (!found) throw new OptionError(`person ${person} is not known here; known are ${this.persons.join(", ")}`);
    return found;
  }

  /**
   * Begin the current person's baseline anew with the next `steps` steps that hold anything of them, at rest. These are
   * taken in at once, and what is in the window now is not.
   */
  enrol(steps: number): void {
    this.baseline.reset();
    this.settle(this.current);
    this.enrolSteps = steps;
  }

  /** Forget a person: the baseline is cold again, and nothing of the window goes into it. @throws OptionError nobody of that number. */
  forget(person: number): void {
    this.baselineOf(person).reset();
    this.settle(person);
    if (person === this.current) {
      this.enrolSteps = 0;
    } else {
      this.baselines.delete(person);
      this.faces.delete(person);
    }
  }

  /** A step that is left out: it stands in the window as missing, and no graph is run. */
  skip(): void {
    this.append({ audio: null, face: null }, new Map());
  }

  /** Sound of the last steps that was held back counts after all: features oldest first, null where missing. */
  recallSound(rows: readonly (Float32Array | null)[]): void {
    this.sound?.fill(rows, this.current);
  }

  /**
   * Let all but the newest steps leave the window, as those of another utterance: they are missing from now on, in every
   * modality and for everyone, and go into the baselines.
   */
  beginWindow(newest: number): void {
    if (newest >= this.length) return;
    if (this.sound) for (const row of this.sound.beginAfter(newest)) this.observe("audio", row);
    for (const window of this.faces.values()) for (const row of window.beginAfter(newest)) this.observe("face", row);
  }

  /** End a recording: the steps still in the window are taken into the baselines, and the window is empty. */
  finish(): void {
    if (this.sound) for (const row of this.sound.drain()) this.observe("audio", row);
    for (const window of this.faces.values()) for (const row of window.drain()) this.observe("face", row);
    this.faces.clear();
  }

  private settle(person: number): void {
    this.sound?.settle(person);
    for (const window of this.faces.values()) window.settle(person);
  }

  private append(features: StepFeatures, others: ReadonlyMap<number, Float32Array>): void {
    const person = this.current;
    const seen = new Map(others);
    if (features.face) seen.set(person, features.face);
    for (const owner of [...[...seen.keys()].sort((a, b) => a - b), person]) this.meet(owner);
    this.forgetOldest(seen);
    const early = this.enrolSteps > 0 && (features.audio !== null || features.face !== null);
    if (early) this.enrolSteps -= 1;
    if (this.sound) this.take("audio", this.sound, features.audio, person, early);
    if (this.sizes.face === undefined) return;
    for (const owner of seen.keys()) {
      if (!this.faces.has(owner)) this.faces.set(owner, new FeatureWindow(this.length, this.sizes.face));
    }
    for (const [owner, window] of [...this.faces]) {
      this.take("face", window, seen.get(owner) ?? null, owner, early && owner === person);
      if (window.empty) this.faces.delete(owner);
    }
  }

  /** A step is observed once it has left the window, so that a window is never judged against itself. */
  private take(name: string, window: FeatureWindow, row: Float32Array | null, owner: number, early: boolean): void {
    const leaving = window.append(row, owner, early);
    if (leaving) this.observe(name, leaving);
    if (early && row) this.baselineOf(owner).observeNeutral(name, row);
  }

  private observe(name: string, row: DueRow): void {
    this.baselines.get(row.owner)?.observe(name, row.features);
  }

  private switchTo(person: number): void {
    if (!this.known) {
      // What was heard before the first face belongs to that face's owner.
      this.baselines = new Map([[person, this.baseline]]);
      this.sound?.give(person);
      this.known = true;
    } else if (person !== this.current) {
      this.enrolSteps = 0;
    }
    this.current = person;
  }

  /** Put a person's baseline behind all others; whoever is new has a cold one. */
  private meet(person: number): void {
    const found = this.baselines.get(person) ?? new PersonalBaseline(this.manifest.baseline);
    this.baselines.delete(person);
    this.baselines.set(person, found);
  }

  /** Forget those beyond the bound who were not seen for longest; nobody who is seen now. */
  private forgetOldest(seen: ReadonlyMap<number, Float32Array>): void {
    const away = this.persons.filter((one) => !seen.has(one) && one !== this.current);
    for (const oldest of away.slice(0, Math.max(0, this.baselines.size - PERSONS))) {
      this.baselines.delete(oldest);
      this.faces.delete(oldest);
    }
  }

  private async fuse(person: number, sound: boolean): Promise<StepOutput> {
    const inputs: Tensors = {};
    const present: Record<string, number> = {};
    const anything = new Array<boolean>(this.length).fill(false);
    for (const [name, size] of Object.entries(this.sizes)) {
      const window = name === "face" ? this.faces.get(person) : sound ? this.sound : null;
      const { rows, held } = window?.read(this.baselineOf(person).mean(name), person) ?? {
        rows: new Float32Array(this.length * size),
        held: new Array<boolean>(this.length).fill(false),
      };
      for (const [index, one] of held.entries()) anything[index] ||= one;
      inputs[name] = rows;
      inputs[`${name}_mask`] = Float32Array.from(held, Number);
      present[name] = held.filter(Boolean).length;
    }
    const names = Object.keys(present);
    const steps = anything.filter(Boolean).length;
    const labels = this.manifest.labels.length;
    if (!steps) {
      const nothing = Object.fromEntries(names.map((name) => [name, 0]));
      const uniform = new Float64Array(labels).fill(1 / labels);
      return { logits: new Float32Array(labels), probabilities: uniform, reliance: nothing, present, steps };
    }
    const outputs = await this.graphs.fusion!.run(inputs);
    const logits = outputs.logits!;
    const reliance = Object.fromEntries(names.map((name, index) => [name, outputs.reliance![index]!]));
    const { temperature } = decisionOf(this.manifest.decision, stateOf(present));
    const probabilities = softmax(logits, temperature);
    if (this.neutral >= 0) this.baselineOf(person).expectNeutral(probabilities[this.neutral]!);
    return { logits, probabilities, reliance, present, steps };
  }
}

/** The features of one raw input by an encoder graph. @throws SignalError a wrong length. */
export async function encodeRow(
  manifest: Manifest,
  graphs: Record<string, Graph>,
  name: string,
  raw: Float32Array | Int32Array,
): Promise<Float32Array> {
  const spec = manifest.graphs[name]!;
  const tensor = spec.inputs[0]!;
  if (raw.length !== tensor.shape.reduce((a, b) => a * b, 1)) {
    throw new SignalError(`${name}: ${tensor.name} has ${raw.length} values, needed are ${tensor.shape.join(" x ")}`);
  }
  return (await graphs[name]!.run({ [tensor.name]: raw }))[spec.outputs[0]!.name]!;
}
