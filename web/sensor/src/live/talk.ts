/** A conversation as it is spoken, in a worker unless the page says otherwise. */
import type { LiveCounts, LiveSettings } from "../dialogue/live_conversation.js";
import { EstimateStream } from "../dialogue/estimate_stream.js";
import { liveRules } from "../dialogue/options.js";
import { checkSimd } from "../runtimes/simd.js";
import type { UtteranceEstimate } from "../window/estimate.js";
import type { LiveHooks, LiveInfo } from "./local_live.js";
import { errorOf, type Told } from "./messages.js";
import { type LiveTalkOptions, type Progress, resolved } from "./options.js";
import { moved, type Picture, plain } from "./pictures.js";
import { callBy, opened, Remote } from "./remote.js";

/** An open live conversation, wherever it runs: the methods of `LiveConversation`, each a promise. */
export interface LiveTalk extends AsyncIterable<UtteranceEstimate> {
  /** The bundle's name, its labels, and what it reads. */
  readonly info: LiveInfo;
  /** Whether it runs in a worker. */
  readonly inWorker: boolean;
  /** See `LiveConversation.pushAudio`. */
  pushAudio(
    channels: Float32Array[],
    sampleRate: number,
    time?: number | null,
    stream?: string | null,
    speaker?: string | null,
  ): Promise<boolean>;
  /** See `LiveConversation.pushFrame`. A bitmap or a video frame is closed once it was read. */
  pushFrame(picture: Picture, time: number, stream?: string | null): Promise<boolean>;
  /** See `LiveConversation.pushText`. */
  pushText(text: string, time: number, speaker?: string | null, end?: number | null): Promise<boolean>;
  /** The next estimate: see `EstimateStream.get`. */
  get(timeout?: number): Promise<UtteranceEstimate | null>;
  /** See `LiveConversation.finish`. */
  finish(): Promise<boolean>;
  counts(): Promise<LiveCounts>;
  timeline(): Promise<UtteranceEstimate[]>;
  /** A speaker's baseline of sound and face as a text for the app to keep. */
  saveBaseline(speaker?: string | null): Promise<string>;
  /** Continue a speaker's baseline from a text that was saved. */
  loadBaseline(profile: string, speaker?: string | null): Promise<void>;
  /** Stop: what was not estimated or not taken is thrown away; ends its worker. */
  close(): void;
}

/**
 * Open a dialogue model for what is spoken, by the address of its bundle.
 *
 * @param options addresses, and how it cuts and waits.
 * @param hooks `onEstimate`, called with each estimate; without it they are taken by iterating. `recognise`, which gives
 *   the words of an utterance; both run on the page.
 * @throws BundleError, UntrustedBundle, RuntimeUnavailable, OptionError what is missing, damaged or out of its range.
 */
export async function openLiveConversation(
  options: LiveTalkOptions,
  hooks: Pick<LiveSettings, "onEstimate" | "recognise"> = {},
  progress?: Progress,
): Promise<LiveTalk> {
  checkSimd();
  const whole = resolved(options);
  const remote = whole.worker === false ? null : await Remote.start(progress);
  if (remote) return await remoteTalk(remote, whole, hooks);
  // What only a worker reads does not burden the page.
  const { LocalLive } = await import("./local_live.js");
  return await LocalLive.open(whole, { ...hooks, ...(progress ? { progress } : {}) });
}

async function remoteTalk(remote: Remote, options: LiveTalkOptions, { onEstimate, recognise }: LiveHooks): Promise<LiveTalk> {
  const call = callBy(remote);
  const estimates = new EstimateStream<UtteranceEstimate>("live conversation", liveRules(options).queue, onEstimate);
  remote.answers = {
    // An error of the app's callback ends the conversation on both sides.
    estimate: (estimate: UtteranceEstimate) => {
      try {
        estimates.give(estimate);
      } catch (error) {
        estimates.end(error);
        void call("close", []).catch(() => undefined);
      }
    },
    end: (error: Told | null) => estimates.end(error ? errorOf(error) : undefined),
    ...(recognise ? { recognise } : {}),
  };
  const info = (await opened(remote, "live", { ...options, recognises: Boolean(recognise) } as LiveTalkOptions)) as LiveInfo;
  const push = async (method: string, given: unknown[], transfer: Transferable[] = []): Promise<boolean> => {
    estimates.check();
    return await call(method, given, transfer);
  };
  return {
    info,
    inWorker: true,
    pushAudio: (...given) => push("pushAudio", given),
    pushFrame: (picture, time, stream) => push("pushFrame", [plain(picture), time, stream], moved(picture)),
    pushText: (...given) => push("pushText", given),
    get: (timeout) => estimates.get(timeout),
    [Symbol.asyncIterator]: () => estimates[Symbol.asyncIterator](),
    finish: async () => {
      estimates.check();
      // In the worker it waits until all was estimated; who iterates here takes it afterwards.
      const over = call<boolean>("finish", []);
      if (!estimates.called) {
        over.catch(() => undefined);
        return estimates.over;
      }
      await over;
      await estimates.ended();
      estimates.check();
      return true;
    },
    counts: async () => {
      const counts = await call<LiveCounts>("counts", []);
      return { ...counts, dropped: counts.dropped + estimates.untaken };
    },
    timeline: () => call("timeline", []),
    saveBaseline: (speaker) => call("saveBaseline", [speaker]),
    loadBaseline: (profile, speaker) => call("loadBaseline", [profile, speaker]),
    close: () => {
      estimates.clear();
      estimates.end();
      remote.close();
    },
  };
}
