/** The window of one modality: the last rows of features, newest last, and whose they are: mer_sdk.window.feature_window. */

interface Row {
  features: Float32Array;
  owner: number;
  /** Whether it is to go into its owner's baseline. */
  due: boolean;
}

/** A row that leaves a window and is due for its owner's baseline. */
export interface DueRow {
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

  /**
   * Take a row, or null where it is missing; give the one that leaves the window and is due.
   *
   * @param observed the row was already taken into its owner's baseline.
   */
  append(features: Float32Array | null, owner: number, observed = false): DueRow | null {
    this.rows.push(features && { features, owner, due: !observed });
    const leaving = this.rows.shift() ?? null;
    return leaving?.due ? leaving : null;
  }

  /**
   * Put rows in the places of the newest ones, where these are missing; null leaves a place as it is.
   *
   * @param rows oldest first, the last one for the newest place; what is older than the window is left out.
   */
  fill(rows: readonly (Float32Array | null)[], owner: number): void {
    const last = rows.slice(-this.length);
    for (const [index, features] of last.entries()) {
      const place = this.length - last.length + index;
      if (features && !this.rows[place]) this.rows[place] = { features, owner, due: true };
    }
  }

  /** Empty the window: the rows that are due for a baseline, oldest first. */
  drain(): DueRow[] {
    const due = this.rows.filter((row): row is Row => row !== null && row.due);
    this.rows.fill(null);
    return due;
  }

  /** Let all but the newest rows be missing; give those that are due for a baseline, oldest first. */
  beginAfter(newest: number): DueRow[] {
    const gone = this.rows.slice(0, Math.max(0, this.length - newest));
    this.rows.fill(null, 0, gone.length);
    return gone.filter((row): row is Row => row !== null && row.due);
  }

  /** Let no row of a person go into their baseline any more. */
  settle(person: number): void {
    for (const row of this.rows) if (row?.owner === person) row.due = false;
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
