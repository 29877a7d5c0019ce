/** What the sensor says at one step: mer_sdk.contract.estimate. */
import type { FaceView } from "../frontends/face_crop.js";

/** The label of an estimate that is not sure enough, or of which nothing is there. */
export const UNKNOWN = "unknown";
/** The modality state of a window that holds nothing. */
export const NOTHING = "none";

/**
 * One step's estimate; the fields are those of mer_sdk.EmotionEstimate, and `dropped`. Where the sensor smooths, emotion,
 * confidence, probabilities, valence and arousal are the smoothed ones.
 *
 * - `time`: seconds since the stream began, at the step's end.
 * - `emotion`, `confidence`: the label, or "unknown", and its calibrated probability.
 * - `state`: which modalities the window holds: "audio+face", "audio", "face" or "none".
 * - `reliance`: modality -> share of the decision; sums to 1, all 0 in the state "none".
 * - `raw_probabilities`: of this step's window alone, before smoothing.
 * - `speech`: whether somebody spoke in this step; null where voice activity is off or there is no sound.
 * - `others`: what the faces of further persons say, by themselves and without the sound.
 * - `enrolling`: seconds of sound or face that an enrolment still wanted after this step.
 * - `latency_ms`: time spent in graphs and front ends for this step, without finding faces.
 * - `dropped`: steps that were left out before this one, because the device was behind.
 */
export interface EmotionEstimate {
  time: number;
  emotion: string;
  confidence: number;
  probabilities: Record<string, number>;
  valence: number;
  arousal: number;
  va_source: string;
  state: string;
  reliance: Record<string, number>;
  face: FaceView | null;
  latency_ms: number;
  raw_probabilities: Record<string, number>;
  speech: boolean | null;
  others: EmotionEstimate[];
  enrolling: number;
  dropped: number;
}

/** The estimate of one utterance of a dialogue, made when it was the newest one: mer_sdk.UtteranceEstimate. */
export interface UtteranceEstimate {
  index: number;
  time: number | null;
  speaker: string | null;
  text: string | null;
  emotion: string;
  confidence: number;
  probabilities: Record<string, number>;
  valence: number;
  arousal: number;
  va_source: string;
  state: string;
  reliance: Record<string, number>;
  latency_ms: number;
}

/** The modality state of a window: what it holds, in the order of the fusion graph's inputs, such as "audio+face". */
export function stateOf(present: Record<string, number>): string {
  return Object.keys(present).filter((name) => present[name]).join("+") || NOTHING;
}
