/** The personal baseline: a running mean of one person's features, from the population's mean to their own. */
import type { BaselineContract } from "./manifest";

/** Means and counts alone, no audio, no image; it leaves the page only if the app sends it. */
export class PersonalBaseline {
  private sums = new Map<string, Float64Array>();
  private counts = new Map<string, number>();
  private means = new Map<string, Float32Array>();

  constructor(private readonly contract: BaselineContract) {
    this.reset();
  }

  /** Modality -> number of observed steps; all 0 when cold. */
  get steps(): Record<string, number> {
    return Object.fromEntries(this.counts);
  }

  /** What to subtract from the features of one modality. */
  mean(modality: string): Float32Array {
    let mean = this.means.get(modality);
    if (!mean) {
      const population = this.contract.population_mean[modality]!;
      const sum = this.sums.get(modality)!;
      const prior = this.contract.prior_steps;
      const weight = prior + this.counts.get(modality)!;
      mean = Float32Array.from(population, (value, index) => (prior * value + sum[index]!) / weight);
      this.means.set(modality, mean);
    }
    return mean;
  }

  /** Take in one step's features of this person; a vector that is not finite is left out. */
  observe(modality: string, features: Float32Array): void {
    const sum = this.sums.get(modality)!;
    if (!features.every(Number.isFinite)) return;
    for (let index = 0; index < sum.length; index++) sum[index]! += features[index]!;
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
  }
}
