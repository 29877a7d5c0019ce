/** The microphone's sound brought to the bundle's rate, off the page's own thread. */
import { Resampler } from "@mer-edge/web/resampler";

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
  private readonly resampler: Resampler;
  private parts: Float32Array[] = [];
  private held = 0;
  private time = -1;

  constructor(options: { processorOptions: { rate: number } }) {
    super();
    this.resampler = new Resampler(sampleRate, options.processorOptions.rate);
  }

  process(inputs: Float32Array[][]): boolean {
    const channels = inputs[0] ?? [];
    if (!channels.length) return true;
    if (this.time < 0) this.time = currentTime;
    const mono = new Float32Array(channels[0]!.length);
    for (const channel of channels) for (let i = 0; i < mono.length; i++) mono[i]! += channel[i]! / channels.length;
    const samples = this.resampler.push(mono);
    this.parts.push(samples);
    this.held += samples.length;
    if (this.held >= BLOCK) this.post();
    return true;
  }

  private post(): void {
    const samples = new Float32Array(this.held);
    let place = 0;
    for (const part of this.parts) {
      samples.set(part, place);
      place += part.length;
    }
    this.port.postMessage({ time: this.time, samples }, [samples.buffer]);
    this.parts = [];
    this.held = 0;
  }
}

registerProcessor("downsampler", Downsampler);
