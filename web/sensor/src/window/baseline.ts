/** The personal baseline: a running mean of one person's features, from the population's mean to their own: mer_sdk.window.baseline. */
import type { BaselineContract } from "../contract/manifest_fields.js";
import { sha256 } from "../contract/sha256.js";
import { BundleError } from "../errors.js";

const VERSION = 2;
// No feature is larger: half precision ends here. And no stream has more steps than this.
const [LARGEST_FEATURE, MOST_STEPS] = [65504, 1e15];
const AGAIN = "enrol again, and keep one profile per model: features of two models cannot be mixed";

/** Means and counts alone, no audio, no image; it leaves the page only if the app sends it. */
export class PersonalBaseline {
  private sums = new Map<string, Float64Array>();
  private counts = new Map<string, number>();
  private means = new Map<string, Float32Array>();
  private share = 0;

  constructor(private readonly contract: BaselineContract) {
    this.reset();
  }

  /** A baseline of its own with the same sums and counts. */
  copy(): PersonalBaseline {
    const other = new PersonalBaseline(this.contract);
    for (const [name, sum] of this.sums) other.sums.set(name, sum.slice());
    for (const [name, count] of this.counts) other.counts.set(name, count);
    return other;
  }

  /** Modality -> number of observed steps; all 0 when cold. */
  get steps(): Record<string, number> {
    return Object.fromEntries(this.counts);
  }

  /** What to subtract from the features of one modality. */
  mean(modality: string): Float32Array {
    let mean = this.means.get(modality);
    if (!mean) {
      mean = this.meanOf(modality, this.sums.get(modality)!, this.counts.get(modality)!);
      this.means.set(modality, mean);
    }
    return mean;
  }

  /**
   * Say how likely the latest estimate finds the person neutral, 0-1: steps that are observed from now on get as much of
   * the contract's `neutral_offset` as that is above (or below) its `neutral_prior`: all of it at 1, none at the prior. A
   * probability that is not finite changes nothing.
   */
  expectNeutral(probability: number): void {
    const { neutral_prior: prior } = this.contract;
    if (prior && Number.isFinite(probability)) this.share = (probability - prior) / (1 - prior);
  }

  /** Take in one step's features of this person; a vector that is not finite is left out. */
  observe(modality: string, features: Float32Array): void {
    this.take(modality, features, this.share);
  }

  /**
   * `observe` for a step of an enrolment, in which the person is at rest: the whole of the contract's `neutral_offset` is
   * added, so that the baseline does not stand at the neutral end of what the person shows.
   */
  observeNeutral(modality: string, features: Float32Array): void {
    this.take(modality, features, 1);
  }

  private take(modality: string, features: Float32Array, share: number): void {
    const sum = this.sums.get(modality)!;
    const offset = this.contract.neutral_offset[modality];
    if (!features.every(Number.isFinite)) return;
    for (let index = 0; index < sum.length; index++) sum[index]! += features[index]! + share * (offset?.[index] ?? 0);
    this.counts.set(modality, this.counts.get(modality)! + 1);
    this.means.delete(modality);
  }

  /** Forget the person: back to the population's means. */
  reset(): void {
    for (const [name, mean] of Object.entries(this.contract.population_mean)) {
      this.sums.set(name, new Float64Array(mean.length));
      this.counts.set(name, 0);
    }
    this.means.clear();
    this.share = 0;
  }

  /** Which encoders the features come from: a hash of the population's means, which every training changes. */
  async encoders(): Promise<string> {
    const parts: Uint8Array<ArrayBuffer>[] = [];
    for (const name of Object.keys(this.contract.population_mean).sort()) {
      const mean = this.contract.population_mean[name]!;
      const floats = new DataView(new ArrayBuffer(4 * mean.length));
      for (const [index, value] of mean.entries()) floats.setFloat32(4 * index, value, true);
      parts.push(new TextEncoder().encode(`${name}\0`), new Uint8Array(floats.buffer));
    }
    return (await sha256(await new Blob(parts).arrayBuffer())).slice(0, 16);
  }

  /** The profile (sums and counts) as the text of a JSON file, which the Python SDK reads too, for the app to keep. */
  async save(): Promise<string> {
    const modalities = Object.fromEntries(
      [...this.sums].map(([name, sum]) => [name, { sum: [...sum], steps: this.counts.get(name)! }]),
    );
    return `${JSON.stringify({ mer_baseline: VERSION, encoders: await this.encoders(), modalities })}\n`;
  }

  /**
   * Continue from a profile that `save` wrote, here or in Python.
   *
   * @throws BundleError not such a text, or made with other encoders than this bundle's.
   */
  async load(text: string): Promise<void> {
    let content: { mer_baseline?: unknown; encoders?: unknown; modalities?: unknown } | null;
    try {
      content = JSON.parse(text);
    } catch {
      throw new BundleError(`the profile is not a personal baseline: it is no JSON; ${AGAIN}`);
    }
    if (content === null || typeof content !== "object" || !("mer_baseline" in content)) {
      throw new BundleError(`the profile is not a personal baseline: save() of a baseline writes one; ${AGAIN}`);
    }
    const version = content.mer_baseline as number;
    if (!Number.isInteger(version) || version < 1) {
      throw new BundleError(`the profile is a damaged personal baseline; ${AGAIN}`);
    }
    if (version > VERSION) {
      throw new BundleError(`the profile is a personal baseline of a later version; bring @mer-edge/web up to date, or ${AGAIN}`);
    }
    if (content.encoders !== (await this.encoders())) {
      const known = "encoders" in content ? "belongs to the encoders of another model" : "does not say which model";
      throw new BundleError(`the profile ${known}, and cannot be used with this bundle; ${AGAIN}`);
    }
    this.restore(content.modalities);
  }

  private restore(profile: unknown): void {
    const sums = new Map<string, Float64Array>();
    const counts = new Map<string, number>();
    for (const [name, mean] of Object.entries(this.contract.population_mean)) {
      const one = (profile as Record<string, { sum?: unknown; steps?: unknown }> | null)?.[name];
      const [sum, steps] = [one?.sum, one?.steps];
      const count = Number.isInteger(steps) && (steps as number) >= 0 && (steps as number) < MOST_STEPS ? (steps as number) : -1;
      const possible = (value: unknown) => typeof value === "number" && Math.abs(value) <= LARGEST_FEATURE * count;
      if (count < 0 || !Array.isArray(sum) || sum.length !== mean.length || !sum.every(possible)) {
        throw new BundleError(`the profile is a damaged personal baseline; ${AGAIN}`);
      }
      sums.set(name, Float64Array.from(sum as number[]));
      counts.set(name, count);
    }
    this.sums = sums;
    this.counts = counts;
    this.share = 0;
    this.means.clear();
  }

  private meanOf(modality: string, sum: Float64Array, count: number): Float32Array {
    const { prior_steps: prior, population_mean } = this.contract;
    return Float32Array.from(population_mean[modality]!, (value, index) => (prior * value + sum[index]!) / (prior + count));
  }
}
