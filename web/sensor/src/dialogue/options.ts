/** How a live conversation cuts, waits, and what it keeps: mer_sdk.dialogue.options. */
import { OptionError } from "../errors.js";
import { type UtteranceOptions, type UtteranceRules, utteranceRules } from "./utterances.js";

/**
 * How a live conversation cuts, waits, and what it keeps. All times in seconds.
 *
 * - `utterance`: see `UtteranceOptions`.
 * - `streams`: names of the streams of sound that are known to come, and are waited for from the start. A stream that is not
 *   named counts once it begins.
 * - `tolerance`: how far a time stamp may lie behind the latest one of its stream; 0.1 unless said otherwise.
 * - `staleSeconds`: a stream that has given nothing for so long is not waited for until it comes again, and what was being
 *   said in it is over; 1 by default.
 * - `patience`: how long an utterance of a bundle that reads text waits for its text after its end, by the streams' time
 *   stamps; where all streams are stale, by the clock on the wall; 2 by default.
 * - `queueSeconds`: a stream that lags behind another by more than this is not waited for; 30 by default.
 * - `queue`: how many utterances may wait for the device, and estimates for whoever takes them; where there are more, the
 *   oldest is dropped and counted; 16 by default.
 * - `frames`: how many frames are kept for utterances that are not over, one a step and stream, and again for those that wait
 *   for the device; where there are more, the oldest are dropped and counted; 32 by default.
 */
export interface LiveOptions {
  utterance?: UtteranceOptions;
  streams?: readonly string[];
  tolerance?: number;
  staleSeconds?: number;
  patience?: number;
  queueSeconds?: number;
  queue?: number;
  frames?: number;
}

/** The same with nothing left open. */
export interface LiveRules extends Required<Omit<LiveOptions, "utterance">> {
  utterance: UtteranceRules;
}

/** @throws OptionError a value outside its range. */
export function liveRules(given: LiveOptions = {}): LiveRules {
  const { streams = [], tolerance = 0.1, staleSeconds = 1, patience = 2, queueSeconds = 30, queue = 16, frames = 32 } = given;
  for (const [name, value] of Object.entries({ tolerance, patience })) {
    if (!(value >= 0 && value < Infinity)) throw new OptionError(`${name} is ${value} s; allowed is 0 or more, such as 0.5`);
  }
  if (!(staleSeconds > 0)) throw new OptionError(`staleSeconds is ${staleSeconds}; it must be above 0, such as 1`);
  if (!(queueSeconds > tolerance && queueSeconds < Infinity)) {
    throw new OptionError(`queueSeconds is ${queueSeconds}; it must be above the tolerance of ${tolerance} s`);
  }
  for (const [name, value] of Object.entries({ queue, frames })) {
    if (!(value >= 1)) throw new OptionError(`${name} is ${value}; at least 1 is needed`);
  }
  return { utterance: utteranceRules(given.utterance), streams, tolerance, staleSeconds, patience, queueSeconds, queue, frames };
}
