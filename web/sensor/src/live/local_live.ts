/** A live conversation that is opened by addresses; it runs where it is made, in a worker or on a page. */
import { Bundle } from "../contract/bundle.js";
import { Conversation } from "../dialogue/conversation.js";
import { type LiveCounts, LiveConversation, type LiveSettings } from "../dialogue/live_conversation.js";
import { liveRules } from "../dialogue/options.js";
import { OptionError } from "../errors.js";
import { fetchVoiceModel, SileroModel } from "../frontends/silero.js";
import { warmUp } from "../runtimes/onnx.js";
import type { UtteranceEstimate } from "../window/estimate.js";
import { finderBundleOf, finderOf, runtimeOf } from "./local.js";
import type { LiveTalkOptions, Progress } from "./options.js";
import { type Picture, Pixels } from "./pictures.js";

/** What is known of a live conversation once it is open; `reads` is what the bundle reads of text, audio and face. */
export interface LiveInfo {
  name: string;
  labels: string[];
  reads: string[];
}

/** What a page gives besides options: see `LiveSettings`. */
export interface LiveHooks extends Pick<LiveSettings, "recognise" | "onEstimate"> {
  progress?: Progress;
}

/** `LiveConversation` by addresses: see `openLiveConversation` for its methods. */
export class LocalLive {
  readonly inWorker = false;
  readonly info: LiveInfo;
  private readonly pixels = new Pixels();

  private constructor(
    private readonly live: LiveConversation,
    { name, labels }: { name: string; labels: string[] },
    reads: string[],
  ) {
    this.info = { name, labels, reads };
  }

  static async open(options: LiveTalkOptions, { progress, ...hooks }: LiveHooks): Promise<LocalLive> {
    if (!options.voice?.model) {
      throw new OptionError("a live conversation needs the option voice: { model }, the address of Silero VAD's silero_vad.onnx");
    }
    // Before anything is loaded, which takes longer.
    liveRules(options);
    void warmUp(options.threads ?? 1, options.ort).catch(() => undefined);
    const [bundle, finderBundle, file] = await Promise.all([
      Bundle.open(options.bundle, false, progress, options.trust),
      finderBundleOf(options, progress),
      fetchVoiceModel(options.voice.model),
    ]);
    const finder = await finderOf(options, finderBundle);
    const talk = await Conversation.open(bundle, { ...runtimeOf(options), ...(finder ? { finder } : {}) });
    const silero = await SileroModel.open(file, options.ort);
    const live = new LiveConversation(talk, () => silero.another(), { ...options, ...hooks });
    return new LocalLive(live, bundle.manifest, talk.reads);
  }

  /** Once it is over; gives the error that stopped it, if one did. */
  async ended(): Promise<unknown> {
    return await this.live.ended();
  }

  async pushAudio(
    channels: Float32Array[],
    sampleRate: number,
    time?: number | null,
    stream?: string | null,
    speaker?: string | null,
  ): Promise<boolean> {
    return await this.live.pushAudio(channels, sampleRate, time, stream, speaker);
  }

  async pushFrame(picture: Picture, time: number, stream?: string | null): Promise<boolean> {
    return await this.live.pushFrame(this.pixels.of(picture), time, stream);
  }

  async pushText(text: string, time: number, speaker?: string | null, end?: number | null): Promise<boolean> {
    return await this.live.pushText(text, time, speaker, end);
  }

  async get(timeout?: number): Promise<UtteranceEstimate | null> {
    return await this.live.get(timeout);
  }

  [Symbol.asyncIterator](): AsyncGenerator<UtteranceEstimate, void, undefined> {
    return this.live[Symbol.asyncIterator]();
  }

  async finish(): Promise<boolean> {
    return await this.live.finish();
  }

  async counts(): Promise<LiveCounts> {
    return this.live.counts;
  }

  async timeline(): Promise<UtteranceEstimate[]> {
    return [...this.live.timeline];
  }

  async saveBaseline(speaker: string | null = null): Promise<string> {
    return await this.live.betweenUtterances((talk) => talk.baseline(speaker).save());
  }

  async loadBaseline(profile: string, speaker: string | null = null): Promise<void> {
    await this.live.betweenUtterances((talk) => talk.baseline(speaker).load(profile));
  }

  close(): void {
    this.live.close();
  }
}
