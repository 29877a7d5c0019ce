/** Camera and microphone, with time stamps of one clock. */
import type { Frame } from "@mer-edge/web";
import workletUrl from "./worklet.ts?worker&url";

// A step looks at its last frame, and at earlier ones where that shows no face: more than these are not needed.
const FRAME_SECONDS = 1 / 15;

/** What could be opened, and why the rest could not, in a sentence. */
export interface Opened {
  stream: MediaStream;
  lacking: string;
}

/**
 * Ask for camera and microphone; where one of them is refused or missing, for the other alone.
 *
 * @throws Error neither can be used; the message says what to do.
 */
export async function openDevices(): Promise<Opened> {
  if (!navigator.mediaDevices) throw new Error("Camera and microphone need a page that was loaded over HTTPS.");
  const video = { facingMode: "user", width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 } };
  // What makes calls pleasant removes what a voice shows.
  const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  try {
    return { stream: await navigator.mediaDevices.getUserMedia({ video, audio }), lacking: "" };
  } catch {
    // One of the two may still be there.
  }
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ video });
    return { stream, lacking: "No microphone: it is missing, in use, or was not allowed. Only the face is read." };
  } catch {
    // The other, then.
  }
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ audio });
    return { stream, lacking: "No camera: it is missing, in use, or was not allowed. Only the voice is heard." };
  } catch (error) {
    const denied = (error as DOMException).name === "NotAllowedError";
    throw new Error(
      denied
        ? "Camera and microphone were not allowed: allow them for this page in the browser's settings, and load it again."
        : "No camera and no microphone were found: connect one, and load this page again.",
    );
  }
}

/** Called with sound at `rate` Hz and with frames; `time` counts seconds since the capture began. */
export interface Receiver {
  sound(samples: Float32Array, time: number): void;
  frame(frame: Frame, time: number): void;
}

/** Runs until the page is left. The audio context's clock stamps both streams, so that they do not drift apart. */
export class Capture {
  private readonly canvas = document.createElement("canvas");
  private origin = 0;
  private last = -Infinity;

  private constructor(
    private readonly context: AudioContext,
    private readonly video: HTMLVideoElement,
    private readonly receiver: Receiver,
  ) {}

  /** Begin: the first moment at which everything that was opened runs is second 0. */
  static async start(stream: MediaStream, video: HTMLVideoElement, rate: number, receiver: Receiver): Promise<Capture> {
    const context = new AudioContext();
    const capture = new Capture(context, video, receiver);
    const [sees, hears] = [stream.getVideoTracks().length > 0, stream.getAudioTracks().length > 0];
    await Promise.all([context.resume(), hears ? context.audioWorklet.addModule(workletUrl) : null]);
    if (sees) {
      video.srcObject = stream;
      await video.play();
    }
    capture.origin = context.currentTime;
    if (hears) capture.listen(stream, rate);
    if (sees) capture.watch();
    return capture;
  }

  private listen(stream: MediaStream, rate: number): void {
    const node = new AudioWorkletNode(this.context, "downsampler", {
      numberOfOutputs: 0,
      processorOptions: { rate },
    });
    let first: number | null = null;
    let count = 0;
    node.port.onmessage = ({ data }: MessageEvent<{ time: number; samples: Float32Array }>) => {
      // After the first piece, the samples themselves are the clock.
      first ??= Math.max(0, data.time - this.origin);
      this.receiver.sound(data.samples, first + count / rate);
      count += data.samples.length;
    };
    this.context.createMediaStreamSource(stream).connect(node);
  }

  private watch(): void {
    const next = () => this.video.requestVideoFrameCallback(seen);
    const seen = () => {
      const time = this.context.currentTime - this.origin;
      // Half a frame of slack, or a camera of 30 Hz would be read at 10.
      if (time - this.last > FRAME_SECONDS - 0.017) {
        this.last = time;
        this.receiver.frame(this.grab(), Math.max(0, time));
      }
      next();
    };
    next();
  }

  private grab(): Frame {
    const { videoWidth: width, videoHeight: height } = this.video;
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
    const context = this.canvas.getContext("2d", { willReadFrequently: true })!;
    context.drawImage(this.video, 0, 0);
    return context.getImageData(0, 0, width, height);
  }
}
