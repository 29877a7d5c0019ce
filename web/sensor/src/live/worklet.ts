/** The microphone's sound brought to the bundle's rate, off the page's own thread. The build makes one file of it. */
import { MonoMix } from "../frontends/downmix.js";
import { joined, Resampler } from "../frontends/resampler.js";

declare const sampleRate: number;
declare const currentTime: number;
declare function registerProcessor(name: string, kind: unknown): void;
declare class AudioWorkletProcessor {
  readonly port: MessagePort;
}

// Samples of a message: 64 ms, so that a step of 250 ms is not late by much.
const BLOCK = 1024;

/** Posts {time, samples}: mono at the rate of the option `rate`; `time` is the context's at the first sample. */
class Downsampler extends AudioWorkletProcessor {
  private readonly mix = new MonoMix(sampleRate);
  private readonly resampler: Resampler;
  private held: Float32Array = new Float32Array(0);
  private time = -1;

  constructor(options: { processorOptions: { rate: number } }) {
    super();
    this.resampler = new Resampler(sampleRate, options.processorOptions.rate);
  }

  process(inputs: Float32Array[][]): boolean {
    const channels = inputs[0] ?? [];
    if (!channels.length) return true;
    if (this.time < 0) this.time = currentTime;
    // The browser uses these arrays again, and one channel is handed on as it is.
    const given = channels.map((channel) => channel.slice());
    this.held = joined(this.held, this.resampler.push(this.mix.push(given)));
    if (this.held.length >= BLOCK) {
      this.port.postMessage({ time: this.time, samples: this.held }, [this.held.buffer]);
      this.held = new Float32Array(0);
    }
    return true;
  }
}

registerProcessor("mer-downsampler", Downsampler);
