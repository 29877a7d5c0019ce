/** From addresses to an emotion for each utterance of whoever speaks into the microphone: model, devices and capture in one call. */
import type { LiveSettings } from "../dialogue/live_conversation.js";
import { OptionError } from "../errors.js";
import { VOICE_RATE } from "../frontends/voice_activity.js";
import type { UtteranceEstimate } from "../window/estimate.js";
import { Capture } from "./capture.js";
import { openDevices } from "./devices.js";
import type { LiveTalkOptions, Progress } from "./options.js";
import { type LiveTalk, openLiveConversation } from "./talk.js";

/**
 * What a conversation is opened with; see `LiveTalkOptions` for the rest.
 *
 * - `devices`: "microphone" unless said otherwise; "both" for a bundle that reads faces.
 * - `recognise`: gives the words of an utterance: see `LiveSettings`.
 * - `video`, `worklet`, `onError`, `progress`: see `CameraOptions`.
 */
export interface ListeningOptions extends LiveTalkOptions, Pick<LiveSettings, "recognise"> {
  devices?: "both" | "microphone";
  video?: HTMLVideoElement;
  worklet?: string;
  onError?: (error: unknown) => void;
  progress?: Progress;
}

/** A conversation that listens; estimates come until `stop`. */
export class LiveListening {
  private constructor(
    readonly talk: LiveTalk,
    readonly stream: MediaStream,
    /** Why the camera is not there, in a sentence; empty where nothing is lacking. */
    readonly lacking: string,
    private readonly capture: Capture,
  ) {}

  /** See `startConversation`. */
  static async start(options: ListeningOptions, onEstimate: (estimate: UtteranceEstimate) => void): Promise<LiveListening> {
    const { devices = "microphone", video = document.createElement("video"), worklet, onError, progress, recognise, ...model } = options;
    const opening = openLiveConversation(model, { onEstimate, ...(recognise ? { recognise } : {}) }, progress);
    opening.catch(() => undefined);
    let stream: MediaStream | null = null;
    let preparing: Promise<Capture> | null = null;
    try {
      const found = await openDevices(devices);
      stream = found.stream;
      video.muted = video.playsInline = true;
      preparing = Capture.prepare(stream, video, worklet);
      const [talk, capture] = await Promise.all([opening, preparing]);
      if (!capture.hears) throw new OptionError("no sound is heard: start a conversation from a click on the page, with a microphone");
      const listening = new LiveListening(talk, stream, found.lacking, capture);
      listening.begin(onError ?? ((error) => console.error(error)));
      return listening;
    } catch (error) {
      preparing?.then((capture) => capture.stop(), () => undefined);
      for (const track of stream?.getTracks() ?? []) track.stop();
      opening.then((talk) => talk.close(), () => undefined);
      throw error;
    }
  }

  /** Seconds on the clock of the sound, such as for `talk.pushText`. */
  get time(): number {
    return this.capture.time;
  }

  /** Let the devices go, and estimate what was said last. */
  async stop(): Promise<void> {
    this.capture.stop();
    for (const track of this.stream.getTracks()) track.stop();
    await this.talk.finish();
    this.talk.close();
  }

  private begin(failed: (error: unknown) => void): void {
    const { talk, capture } = this;
    const sees = talk.info.reads.includes("face");
    capture.begin(VOICE_RATE, {
      sound: (samples, time) => void talk.pushAudio([samples], VOICE_RATE, time).catch(failed),
      picture: (picture, time) => {
        if (sees) void talk.pushFrame(picture, time).catch(failed);
        else if ("close" in picture) picture.close();
      },
      failed,
    });
  }
}

/**
 * Ask for the microphone, and give an estimate for each utterance, once it is over.
 *
 * @throws BundleError, UntrustedBundle, OptionError see `openLiveConversation`.
 * @throws RuntimeUnavailable also where there is no microphone.
 */
export async function startConversation(
  options: ListeningOptions,
  onEstimate: (estimate: UtteranceEstimate) => void,
): Promise<LiveListening> {
  return await LiveListening.start(options, onEstimate);
}
