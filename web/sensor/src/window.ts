/** The window of one modality: the last rows of features, newest last, and whose they are: mer_sdk.window.feature_window. */

interface Row {
  features: Float32Array;
  owner: number;
}

export class FeatureWindow {
  /** Oldest first; null where a row is missing. */
  private rows: (Row | null)[];

  constructor(
    private readonly length: number,
    private readonly size: number,
  ) {
    this.rows = new Array<Row | null>(length).fill(null);
  }

  /** Whether no row is there. */
  get empty(): boolean {
    return this.rows.every((row) => row === null);
  }

  /** Take a row, or null where it is missing; give the one that leaves the window. */
  append(features: Float32Array | null, owner: number): Row | null {
    this.rows.push(features && { features, owner });
    return this.rows.shift() ?? null;
  }

  /** Every row becomes the owner's. */
  give(owner: number): void {
    for (const row of this.rows) if (row) row.owner = owner;
  }

  /** A person's rows less their baseline, [length x size], 0 where missing; and which rows are there. */
  read(mean: Float32Array, person: number): { rows: Float32Array; held: boolean[] } {
    const rows = new Float32Array(this.length * this.size);
    const held = this.rows.map((row, index) => {
      if (row?.owner !== person) return false;
      for (let i = 0; i < this.size; i++) rows[index * this.size + i] = row.features[i]! - mean[i]!;
      return true;
    });
    return { rows, held };
  }
}
