/** From the tracks of a camera and a microphone to pictures and sound, with time stamps of one clock. */
import type { Picture } from "./pictures.js";

// A step looks at its last frame, and at earlier ones where that shows no face: more than these are not needed.
const FRAME_SECONDS = 1 / 15;
// A browser that plays no sound before somebody clicks never says so: after so long it is taken for that.
const RESUME_MS = 3000;

/**
 * Called with sound at the bundle's rate and with pictures; `time` counts seconds since the capture began. `failed` is
 * called where pictures cannot be taken any more; it goes on trying.
 */
export interface Receiver {
  sound(samples: Float32Array, time: number): void;
  picture(picture: Picture, time: number): void;
  failed(error: unknown): void;
}

/** Runs until `stop`. The audio context's clock stamps both streams, so that they do not drift apart. */
export class Capture {
  private canvas: HTMLCanvasElement | null = null;
  private origin = 0;
  private last = -Infinity;
  private running = true;
  private grabbing = false;
  private failing = false;
  private receiver: Receiver | null = null;

  private constructor(
    private readonly stream: MediaStream,
    private readonly context: AudioContext | null,
    private readonly video: HTMLVideoElement,
  ) {}

  /**
   * Let the devices run. Nothing is given before `begin`, so that a model may be loaded meanwhile.
   *
   * @param video shows the pictures, and is where they are taken from.
   * @param worklet address of the worklet's script; the package's own where none is given.
   */
  static async prepare(stream: MediaStream, video: HTMLVideoElement, worklet?: string): Promise<Capture> {
    const shown = async () => {
      if (!stream.getVideoTracks().length) return;
      video.srcObject = stream;
      await video.play();
    };
    const sound = soundOf(stream, worklet);
    try {
      const [context] = await Promise.all([sound, shown()]);
      return new Capture(stream, context, video);
    } catch (error) {
      if (video.srcObject === stream) video.srcObject = null;
      // A page may have only a few contexts, and whoever sees a failure tries again.
      sound.then((context) => context?.close(), () => undefined);
      throw error;
    }
  }

  /**
   * Give sound and pictures from now on, which is second 0.
   *
   * @param rate of the sound that is given, Hz.
   */
  begin(rate: number, receiver: Receiver): void {
    this.receiver = receiver;
    this.origin = this.now();
    if (this.context) this.listen(this.context, rate);
    if (this.stream.getVideoTracks().length) this.watch();
  }

  /** Seconds since the beginning, on the clock of both streams. */
  get time(): number {
    return this.now() - this.origin;
  }

  /** Whether sound is heard; a browser may want a click before. */
  get hears(): boolean {
    return this.context !== null;
  }

  stop(): void {
    this.running = false;
    void this.context?.close();
    if (this.video.srcObject === this.stream) this.video.srcObject = null;
  }

  private now(): number {
    return this.context ? this.context.currentTime : performance.now() / 1000;
  }

  private listen(context: AudioContext, rate: number): void {
    const node = new AudioWorkletNode(context, "mer-downsampler", {
      numberOfOutputs: 0,
      processorOptions: { rate },
    });
    let first: number | null = null;
    let count = 0;
    node.port.onmessage = ({ data }: MessageEvent<{ time: number; samples: Float32Array }>) => {
      if (!this.running) return;
      // After the first piece, the samples themselves are the clock.
      first ??= Math.max(0, data.time - this.origin);
      this.receiver!.sound(data.samples, first + count / rate);
      count += data.samples.length;
    };
    context.createMediaStreamSource(this.stream).connect(node);
  }

  private watch(): void {
    const next = () => this.running && this.video.requestVideoFrameCallback(seen);
    const seen = () => {
      const { time } = this;
      // Half a frame of slack, or a camera of 30 Hz would be read at 10.
      if (time - this.last > FRAME_SECONDS - 0.017 && !this.grabbing) {
        this.last = time;
        this.grabbing = true;
        void this.give(Math.max(0, time));
      }
      next();
    };
    next();
  }

  private async give(time: number): Promise<void> {
    try {
      const picture = await this.grab();
      this.failing = false;
      if (this.running) this.receiver!.picture(picture, time);
      else if ("close" in picture) picture.close();
    } catch (error) {
      // One picture that cannot be taken is missing, and the next one may be there; the first of many is told.
      if (this.running && !this.failing) this.receiver!.failed(error);
      this.failing = true;
    } finally {
      this.grabbing = false;
    }
  }

  /** A bitmap, which a worker reads, or the pixels where the browser has none for workers. */
  private async grab(): Promise<Picture> {
    if (typeof OffscreenCanvas !== "undefined") return await createImageBitmap(this.video);
    const { videoWidth: width, videoHeight: height } = this.video;
    this.canvas ??= document.createElement("canvas");
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
    const context = this.canvas.getContext("2d", { willReadFrequently: true })!;
    context.drawImage(this.video, 0, 0);
    return context.getImageData(0, 0, width, height);
  }
}

/** An audio context that runs and knows the worklet; null where there is no microphone, or the browser wants a click first. */
async function soundOf(stream: MediaStream, worklet?: string): Promise<AudioContext | null> {
  if (!stream.getAudioTracks().length) return null;
  const context = new AudioContext();
  const script = worklet ?? new URL("./worklet.js", import.meta.url).href;
  const resumed = Promise.race([context.resume(), new Promise((ended) => setTimeout(ended, RESUME_MS))]);
  try {
    await Promise.all([resumed, context.audioWorklet.addModule(script)]);
  } catch (error) {
    void context.close();
    throw error;
  }
  if (context.state === "running") return context;
  void context.close();
  return null;
}
