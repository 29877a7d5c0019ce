/** From logits to what is said of them: probabilities, the label, valence and arousal: mer_sdk.window.decision and affect. */
import { OptionError } from "../errors.js";
import type { Decision, Manifest, StateDecision } from "../contract/manifest_fields.js";
import { NOTHING, UNKNOWN } from "./estimate.js";

/** Temperature and threshold of a modality state. */
export function decisionOf(decision: Decision, state: string): StateDecision {
  return decision.states[state] ?? decision;
}

// word -> (valence, arousal): pleasure and arousal means of J. A. Russell and A. Mehrabian, "Evidence for a three-factor
// theory of emotions", Journal of Research in Personality 11 (1977), 273-294; "neutral" is the origin by convention.
const NORMS: Record<string, readonly [number, number]> = {
  neutral: [0, 0],
  happy: [0.81, 0.51],
  sad: [-0.63, -0.27],
  angry: [-0.51, 0.59],
  fearful: [-0.64, 0.6],
  disgust: [-0.6, 0.35],
  surprised: [0.4, 0.67],
};
const SYNONYMS: Record<string, string> = {
  calm: "neutral",
  happiness: "happy",
  joy: "happy",
  sadness: "sad",
  anger: "angry",
  fear: "fearful",
  disgusted: "disgust",
  surprise: "surprised",
};

/** (valence, arousal) of an emotion word, each -1 to 1. @throws OptionError no norm is known. */
export function norm(label: string): readonly [number, number] {
  const word = label.toLowerCase();
  const found = NORMS[SYNONYMS[word] ?? word];
  if (!found) {
    throw new OptionError(`no affect norm is known for the label '${label}'; known are: ${Object.keys(NORMS).sort().join(", ")}`);
  }
  return found;
}

/** Probabilities of logits. */
export function softmax(logits: ArrayLike<number>, temperature = 1): Float64Array {
  const scaled = Float64Array.from(logits, (value) => value / temperature);
  const most = scaled.reduce((a, b) => Math.max(a, b), -Infinity);
  const powers = scaled.map((value) => Math.exp(value - most));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((value) => value / sum);
}

/** Index of the largest value, the first where several are. */
export function argmax(values: ArrayLike<number>): number {
  let best = 0;
  for (let index = 1; index < values.length; index++) if (values[index]! > values[best]!) best = index;
  return best;
}

export interface DecidedLabel {
  emotion: string;
  confidence: number;
  probabilities: Record<string, number>;
  valence: number;
  arousal: number;
}

/**
 * The decision on probabilities in a modality state; "unknown", at the origin, in the state "none".
 *
 * @param label index of the one that holds, see `Smoother`; the likeliest where none is given.
 */
export function decide(
  probabilities: Float64Array,
  manifest: Manifest,
  state: string,
  label = argmax(probabilities),
): DecidedLabel {
  const present = state !== NOTHING;
  const known = present && probabilities[label]! >= decisionOf(manifest.decision, state).abstention_threshold;
  let [valence, arousal] = [0, 0];
  if (present) {
    for (const [index, name] of manifest.labels.entries()) {
      const [v, a] = norm(name);
      valence += probabilities[index]! * v;
      arousal += probabilities[index]! * a;
    }
  }
  return {
    emotion: known ? manifest.labels[label]! : UNKNOWN,
    confidence: probabilities[label]!,
    probabilities: Object.fromEntries(manifest.labels.map((name, index) => [name, probabilities[index]!])),
    valence,
    arousal,
  };
}
