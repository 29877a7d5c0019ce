/** The dialogue engine: features of each utterance, the window of utterances, speakers, and the fusion graph: mer_sdk.dialogue.engine. */
import { type DialogueContract, type Manifest, modalities } from "../contract/manifest_fields.js";
import { OptionError } from "../errors.js";
import { TextFrontend } from "../frontends/text.js";
import type { Graph, Tensors } from "../runtimes/graph.js";
import { PersonalBaseline } from "../window/baseline.js";
import { decisionOf, softmax } from "../window/decision.js";
import { encodeRow } from "../window/engine.js";
import { stateOf } from "../window/estimate.js";

/** Raw features of one utterance: modality -> a row a step (one row for text). Missing ones are left out. */
export type UtteranceFeatures = ReadonlyMap<string, readonly Float32Array[]>;

/** Features of a text by an encoder of the app, for bundles that have none. */
export type EncodeText = (text: string) => Promise<Float32Array> | Float32Array;

/**
 * What the window says once its newest utterance is in: logits [n x K] of the n utterances in the window, oldest first;
 * of the newest one the probabilities [K], uniform where it has no modality, the reliance, and which modalities it has.
 */
export interface DialogueOutput {
  logits: Float32Array;
  probabilities: Float64Array;
  reliance: Record<string, number>;
  present: Record<string, number>;
}

interface Row {
  features: UtteranceFeatures;
  speaker: string | null;
}

/** The number of each utterance's speaker: 0, 1, ... in order of first appearance; from `most - 1` on all share it. */
export function speakerNumbers(speakers: readonly (string | null)[], most: number): number[] {
  const seen = new Map<string | null, number>();
  return speakers.map((speaker) => {
    const found = seen.get(speaker) ?? Math.min(seen.size, most - 1);
    seen.set(speaker, found);
    return found;
  });
}

/**
 * Runs a dialogue bundle utterance by utterance. Each speaker has a personal baseline for the modalities that the bundle
 * has a population mean of; an utterance is taken into it once it has left the window.
 */
export class DialogueEngine {
  readonly contract: DialogueContract;
  private readonly text: TextFrontend | null;
  private readonly sizes: Record<string, number> = {};
  private window: Row[] = [];
  private baselines = new Map<string | null, PersonalBaseline>();

  /** @throws OptionError the bundle is a window model or a face finder. */
  constructor(
    readonly manifest: Manifest,
    private readonly graphs: Record<string, Graph>,
    private readonly encodeText?: EncodeText,
  ) {
    if (!manifest.dialogue) {
      throw new OptionError(
        `${manifest.name} is no dialogue model, whose window is made of utterances: open it with openSensor or openFinder`,
      );
    }
    this.contract = manifest.dialogue;
    this.text = manifest.text && graphs.text ? new TextFrontend(manifest.text) : null;
    for (const name of modalities(manifest)) {
      this.sizes[name] = manifest.graphs.fusion!.inputs.find((tensor) => tensor.name === name)!.shape[2]!;
    }
  }

  /** Features of one modality of an utterance, a row each: of the chunks or crops of its steps. @throws SignalError a wrong length. */
  async encode(name: string, values: readonly (Float32Array | Int32Array)[]): Promise<Float32Array[]> {
    const rows: Float32Array[] = [];
    for (const value of values) rows.push(await encodeRow(this.manifest, this.graphs, name, value));
    return rows;
  }

  /**
   * Features of what was said; null where there is no word.
   *
   * @throws SignalError half of a surrogate pair.
   * @throws OptionError the bundle's text features come from an encoder that is not here, or from another one.
   */
  async read(text: string): Promise<Float32Array[] | null> {
    if (this.text) {
      const ids = this.text.ids(text);
      return ids.some(Boolean) ? await this.encode("text", [ids]) : null;
    }
    if (!this.encodeText) {
      throw new OptionError(
        `${this.manifest.name} has no text graph: its text features come from another encoder; use a bundle of a student ` +
          "that has one",
      );
    }
    if (!text.trim()) return null;
    const features = await this.encodeText(text);
    if (features.length !== this.sizes.text) {
      throw new OptionError(
        `the text encoder gives ${features.length} values a text, ${this.manifest.name} reads ${this.sizes.text}; give ` +
          "the encoder that the model was trained with",
      );
    }
    return [features];
  }

  /** A speaker's baseline; cold where none of their utterances has left the window yet. */
  baseline(speaker: string | null): PersonalBaseline {
    const found = this.baselines.get(speaker) ?? new PersonalBaseline(this.manifest.baseline);
    this.baselines.set(speaker, found);
    return found;
  }

  /** Begin a new dialogue: an empty window and cold baselines. */
  reset(): void {
    this.window = [];
    this.baselines.clear();
  }

  /** Take one utterance into the window and run the fusion graph. */
  async advance(features: UtteranceFeatures, speaker: string | null = null): Promise<DialogueOutput> {
    this.window.push({ features, speaker });
    if (this.window.length > this.contract.utterances) {
      const old = this.window.shift()!;
      for (const [name, rows] of old.features) {
        if (!this.hasMean(name)) continue;
        for (const row of rows) this.baseline(old.speaker).observe(name, row);
      }
    }
    return await this.fuse();
  }

  private async fuse(): Promise<DialogueOutput> {
    const { utterances: length, speakers: most } = this.contract;
    const labels = this.manifest.labels.length;
    const first = length - this.window.length;
    const inputs: Tensors = {};
    for (const [name, size] of Object.entries(this.sizes)) {
      const [values, mask] = [new Float32Array(length * size), new Float32Array(length)];
      for (const [index, { features, speaker }] of this.window.entries()) {
        const rows = features.get(name);
        if (!rows) continue;
        const mean = this.hasMean(name) ? this.baseline(speaker).mean(name) : null;
        for (let i = 0; i < size; i++) {
          let sum = 0;
          for (const row of rows) sum += row[i]!;
          values[(first + index) * size + i] = sum / rows.length - (mean ? mean[i]! : 0);
        }
        mask[first + index] = 1;
      }
      inputs[name] = values;
      inputs[`${name}_mask`] = mask;
    }
    const speakers = new Float32Array(length);
    speakers.set(speakerNumbers(this.window.map((row) => row.speaker), most), first);
    inputs.speakers = speakers;
    const names = Object.keys(this.sizes);
    const present = Object.fromEntries(names.map((name) => [name, inputs[`${name}_mask`]!.at(-1)!]));
    const uniform = new Float64Array(labels).fill(1 / labels);
    const nothing = Object.fromEntries(names.map((name) => [name, 0]));
    if (!names.some((name) => inputs[`${name}_mask`]!.some(Boolean))) {
      return { logits: new Float32Array(this.window.length * labels), probabilities: uniform, reliance: nothing, present };
    }
    const outputs = await this.graphs.fusion!.run(inputs);
    const logits = outputs.logits!.slice(first * labels);
    if (!Object.values(present).some(Boolean)) return { logits, probabilities: uniform, reliance: nothing, present };
    const shares = outputs.reliance!.slice(-names.length);
    const { temperature } = decisionOf(this.manifest.decision, stateOf(present));
    return {
      logits,
      probabilities: softmax(logits.slice(-labels), temperature),
      reliance: Object.fromEntries(names.map((name, index) => [name, shares[index]!])),
      present,
    };
  }

  private hasMean(name: string): boolean {
    return name in this.manifest.baseline.population_mean;
  }
}
