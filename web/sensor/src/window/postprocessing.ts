/** From what the window says at one step to the estimate that an app gets: mer_sdk.window.postprocessing. */
import type { Manifest } from "../contract/manifest_fields.js";
import type { FaceView } from "../frontends/face_crop.js";
import { decide } from "./decision.js";
import type { StepOutput } from "./engine.js";
import { type EmotionEstimate, NOTHING, stateOf } from "./estimate.js";
import type { Smoother } from "./smoothing.js";

/**
 * The estimate of one person at one step.
 *
 * @param end of the step, seconds since the stream began.
 * @param view the person's face at this step, null where it was not seen.
 * @param begin when work on the step began, by `performance.now()`.
 */
export function postprocess(
  output: StepOutput,
  manifest: Manifest,
  smoother: Smoother,
  end: number,
  view: FaceView | null,
  begin: number,
  speech: boolean | null = null,
): EmotionEstimate {
  const state = stateOf(output.present);
  const raw = output.probabilities;
  let smoothed = raw;
  let label: number | undefined;
  if (state === NOTHING) smoother.forget();
  else ({ probabilities: smoothed, label } = smoother.update(raw, end, view?.id ?? null));
  const decided = decide(smoothed, manifest, state, label);
  return {
    time: Math.round(end * 1e6) / 1e6,
    ...decided,
    va_source: manifest.va_source,
    state,
    reliance: output.reliance,
    face: view,
    latency_ms: performance.now() - begin,
    raw_probabilities: Object.fromEntries(manifest.labels.map((name, index) => [name, raw[index]!])),
    speech,
    others: [],
    enrolling: 0,
    dropped: 0,
  };
}
