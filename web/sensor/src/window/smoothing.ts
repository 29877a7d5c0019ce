/** Steady output: probabilities smoothed on the step clock, and labels that change only for a clear reason: mer_sdk.window.smoothing. */
import { OptionError } from "../errors.js";
import { argmax } from "./decision.js";

// A person who was away for longer begins anew: nothing of an earlier mood is carried over a minute.
const FORGET_SECONDS = 60;

/**
 * How steady the output is.
 *
 * - `seconds`: time constant of the exponential mean over the probabilities; 0, which is taken where none is given,
 *   leaves them as they are.
 * - `margin`: by how much a new label must lead the present one before the label changes, 0 to below 1; 0 by default.
 */
export interface Smoothing {
  seconds?: number;
  margin?: number;
}

/** Smoothed probabilities, and the index of the label that holds. */
export interface Smoothed {
  probabilities: Float64Array;
  label: number;
}

interface Timeline extends Smoothed {
  time: number;
}

/** Smooths the timeline of one stream, each person's by itself. */
export class Smoother {
  private readonly seconds: number;
  private readonly margin: number;
  private timelines = new Map<number, Timeline>();
  private person: number | null = null;

  /** @throws OptionError a value outside its range. */
  constructor({ seconds = 0, margin = 0 }: Smoothing = {}) {
    if (!(seconds >= 0 && seconds < Infinity)) {
      throw new OptionError(`the time constant is ${seconds} s; allowed is 0 (off) or more, such as 1`);
    }
    if (!(margin >= 0 && margin < 1)) {
      throw new OptionError(`the margin is ${margin}; allowed is 0 (off) to below 1, such as 0.1`);
    }
    this.seconds = seconds;
    this.margin = margin;
  }

  /** Begin a new stream. */
  reset(): void {
    this.timelines.clear();
    this.person = null;
  }

  /** Take one step; `person` is whose face it is, null where no face was seen, which goes on with the same person. */
  update(probabilities: Float64Array, time: number, person: number | null = null): Smoothed {
    const timeline = this.timelineOf(person, time);
    if (!timeline) {
      const begun = { probabilities, label: argmax(probabilities), time };
      for (const [key, one] of this.timelines) if (time - one.time > FORGET_SECONDS) this.timelines.delete(key);
      this.timelines.set(this.person ?? 0, begun);
      return { probabilities, label: begun.label };
    }
    let current = probabilities;
    if (this.seconds > 0) {
      const keep = Math.exp(-Math.max(0, time - timeline.time) / this.seconds);
      current = current.map((value, index) => keep * timeline.probabilities[index]! + (1 - keep) * value);
    }
    const best = argmax(current);
    if (best !== timeline.label && current[best]! - current[timeline.label]! >= this.margin) timeline.label = best;
    timeline.probabilities = current;
    timeline.time = time;
    return { probabilities: current, label: timeline.label };
  }

  /** The window held nothing: the present person's timeline ends, and the next step begins it anew. */
  forget(): void {
    this.timelines.delete(this.person ?? 0);
  }

  private timelineOf(person: number | null, time: number): Timeline | null {
    if (person !== null && person !== this.person) {
      const heard = this.timelines.get(0);
      if (this.person === null && heard) this.timelines = new Map([[person, heard]]);
      this.person = person;
    }
    const timeline = this.timelines.get(this.person ?? 0);
    return !timeline || time - timeline.time > FORGET_SECONDS ? null : timeline;
  }
}
