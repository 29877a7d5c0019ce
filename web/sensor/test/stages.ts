/**
 * Every stage of the pipeline against the golden file that all ports share. They run in Node.js and in a browser: what is
 * wrong is thrown.
 */
import type { Check } from "./stages/check.js";
import { cutter, dialogue, spoken, text } from "./stages/dialogue.js";
import { crops, finding, speaking, tracks } from "./stages/faces.js";
import { chunks, resampling, silence, voice } from "./stages/sound.js";
import { crowd, persons, profile, smoothing, steps } from "./stages/window.js";

/** Kind of bundle -> stage -> its check. */
export const STAGES: Record<"window" | "dialogue" | "finder", Record<string, Check>> = {
  window: { resampling, silence, chunks, crops, voice, steps, persons, crowd, profile, smoothing, tracks, speaking },
  dialogue: { chunks, crops, text, dialogue, profile, cutter, spoken },
  finder: { finding },
};
