/** The step engine: features of each step, the window, the personal baselines and the fusion graph: mer_sdk.window.engine. */
import { PersonalBaseline } from "./baseline";
import { decisionOf, softmax, stateOf } from "./decision";
import { OptionError, SignalError } from "./errors";
import type { Graph, Tensors } from "./graph";
import { type Manifest, modalities } from "./manifest";
import { FeatureWindow } from "./window";

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
 * baseline, and the sound belongs to whoever was current when it was heard. The first person takes over the baseline
 * that the engine began with; any later one starts cold.
 */
export class StepEngine {
  private readonly length: number;
  private readonly sizes: Record<string, number> = {};
  private baselines = new Map<number, PersonalBaseline>();
  private faces = new Map<number, FeatureWindow>();
  private sound: FeatureWindow | null = null;
  private person = 0;
  private known = false;

  /** @throws OptionError the bundle is a dialogue model or a face finder. */
  constructor(
    readonly manifest: Manifest,
    private readonly graphs: Record<string, Graph>,
  ) {
    if (manifest.finder) {
      throw new OptionError(`${manifest.name} is a face finder: give it as the finder of an emotion model's bundle`);
    }
    if (manifest.dialogue) {
      throw new OptionError(`${manifest.name} is a dialogue model, whose window is made of utterances; open a window model`);
    }
    this.length = manifest.clock.window_steps;
    for (const name of modalities(manifest)) {
      this.sizes[name] = manifest.graphs.fusion!.inputs.find((tensor) => tensor.name === name)!.shape[2]!;
    }
    this.reset();
  }

  /** The current person's baseline. */
  get baseline(): PersonalBaseline {
    return this.baselines.get(this.person)!;
  }

  /** Begin a new stream: an empty window, and the given baseline or a cold one. */
  reset(baseline?: PersonalBaseline): void {
    this.person = 0;
    this.known = false;
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

  /** Take one step's features into the window and run the fusion graph; `person` is whose face it is, if any. */
  async advance(features: StepFeatures, person: number | null = null): Promise<StepOutput> {
    if (person !== null) this.switchTo(person);
    this.append(features);
    return await this.fuse();
  }

  /** A step that is left out: it stands in the window as missing, and no graph is run. */
  skip(): void {
    this.append({ audio: null, face: null });
  }

  private append(features: StepFeatures): void {
    if (this.sound) this.take("audio", this.sound, features.audio, this.person);
    if (this.sizes.face === undefined) return;
    if (features.face && !this.faces.has(this.person)) {
      this.faces.set(this.person, new FeatureWindow(this.length, this.sizes.face));
    }
    for (const [owner, window] of [...this.faces]) {
      this.take("face", window, owner === this.person ? features.face : null, owner);
      if (window.empty) this.faces.delete(owner);
    }
  }

  /** A step is observed once it has left the window, so that a window is never judged against itself. */
  private take(name: string, window: FeatureWindow, row: Float32Array | null, owner: number): void {
    const leaving = window.append(row, owner);
    if (leaving) this.baselines.get(leaving.owner)?.observe(name, leaving.features);
  }

  private switchTo(person: number): void {
    if (!this.known) {
      // What was heard before the first face belongs to that face's owner.
      this.baselines = new Map([[person, this.baseline]]);
      this.sound?.give(person);
      this.known = true;
    }
    const found = this.baselines.get(person) ?? new PersonalBaseline(this.manifest.baseline);
    this.baselines.delete(person);
    this.baselines.set(person, found);
    this.person = person;
    if (this.baselines.size > PERSONS) {
      const oldest = this.baselines.keys().next().value!;
      this.baselines.delete(oldest);
      this.faces.delete(oldest);
    }
  }

  private async fuse(): Promise<StepOutput> {
    const inputs: Tensors = {};
    const present: Record<string, number> = {};
    const anything = new Array<boolean>(this.length).fill(false);
    for (const [name, size] of Object.entries(this.sizes)) {
      const window = name === "face" ? this.faces.get(this.person) : this.sound;
      const { rows, held } = window?.read(this.baseline.mean(name), this.person) ?? {
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
    return { logits, probabilities: softmax(logits, temperature), reliance, present, steps };
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
