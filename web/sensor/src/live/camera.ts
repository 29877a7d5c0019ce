/** From addresses to estimates of whoever sits before the camera: model, devices and capture in one call. */
import type { EmotionEstimate } from "../window/estimate.js";
import { Capture } from "./capture.js";
import { openDevices } from "./devices.js";
import { openSensor, type Sensor } from "./open.js";
import type { OpenOptions, Progress } from "./options.js";

// A step that waits behind so many others is left out: late is worse than missing.
const WAITING = 3;
// Seconds by which the camera may lag behind the sound, and the other way round.
const PATIENCE = 0.5;

/**
 * - `video`: shows the pictures; without it they are not shown.
 * - `devices`: "both" unless said otherwise.
 * - `worklet`: address of the package's live/worklet.js, where a bundler does not find it.
 * - `onAllowed`: called once the devices may be used; the model may still be on its way.
 * - `onError`: called where an estimate, or a picture, cannot be made. Those that can be made follow.
 */
export interface CameraOptions extends OpenOptions {
  video?: HTMLVideoElement;
  devices?: "both" | "camera" | "microphone";
  worklet?: string;
  onAllowed?: () => void;
  onError?: (error: unknown) => void;
  progress?: Progress;
}

/** A running camera; estimates come until `stop`. */
export class LiveCamera {
  private constructor(
    readonly sensor: Sensor,
    readonly stream: MediaStream,
    /** Why camera or microphone is not there, in a sentence; empty where both are. */
    readonly lacking: string,
    private readonly capture: Capture,
  ) {}

  /** See `startCamera`; a sensor that was opened before is taken as it is. */
  static async start(
    opened: Sensor | Promise<Sensor>,
    options: Omit<CameraOptions, keyof OpenOptions>,
    onEstimate: (estimate: EmotionEstimate) => void,
  ): Promise<LiveCamera> {
    // People take their time to allow something, in which the model is loaded; it may fail before they do.
    const model = Promise.resolve(opened);
    model.catch(() => undefined);
    const { stream, lacking } = await openDevices(options.devices);
    options.onAllowed?.();
    const video = options.video ?? document.createElement("video");
    video.muted = video.playsInline = true;
    const preparing = Capture.prepare(stream, video, options.worklet);
    try {
      const [sensor, capture] = await Promise.all([model, preparing]);
      await sensor.reset();
      const silent = stream.getAudioTracks().length && !capture.hears ? "the browser hears no sound before a click on the page" : "";
      const camera = new LiveCamera(sensor, stream, lacking || silent, capture);
      camera.begin(onEstimate, options.onError ?? ((error) => console.error(error)));
      return camera;
    } catch (error) {
      preparing.then((capture) => capture.stop(), () => undefined);
      for (const track of stream.getTracks()) track.stop();
      throw error;
    }
  }

  private begin(onEstimate: (estimate: EmotionEstimate) => void, failed: (error: unknown) => void): void {
    const { sensor, stream, capture } = this;
    const tracks = { video: stream.getVideoTracks()[0], audio: stream.getAudioTracks()[0] };
    if (tracks.video) void sensor.expect("video");
    if (capture.hears) void sensor.expect("audio");
    const rate = sensor.info.sampleRate;
    const told = (estimates: EmotionEstimate[]) => estimates.forEach(onEstimate);
    capture.begin(rate, {
      // What is switched off is not given at all: a step without it is one in which it is missing.
      sound: (samples, time) => {
        if (tracks.audio!.enabled) sensor.pushAudio([samples], rate, time).then(told, failed);
      },
      picture: (picture, time) => {
        if (tracks.video!.enabled) sensor.pushFrame(picture, time).then(told, failed);
        else if ("close" in picture) picture.close();
      },
      failed,
    });
  }

  /** Switch the camera or the microphone off, or on again. */
  enable(kind: "video" | "audio", on: boolean): void {
    for (const track of kind === "video" ? this.stream.getVideoTracks() : this.stream.getAudioTracks()) track.enabled = on;
    void (on ? this.sensor.expect(kind) : this.sensor.release(kind));
  }

  /** Let camera and microphone go. The sensor stays open. */
  stop(): void {
    this.capture.stop();
    for (const track of this.stream.getTracks()) track.stop();
  }
}

/** `openSensor` with what suits a camera: steps that would be late are left out, and a stream that stalls is not waited for. */
export function openLive(options: OpenOptions, progress?: Progress): Promise<Sensor> {
  return openSensor({ waiting: WAITING, patience: PATIENCE, ...options }, progress);
}

/**
 * Ask for camera and microphone, and give an estimate every step (250 ms).
 *
 * @throws BundleError, UntrustedBundle, OptionError see `openSensor`.
 * @throws RuntimeUnavailable also where neither camera nor microphone can be used.
 */
export async function startCamera(
  options: CameraOptions,
  onEstimate: (estimate: EmotionEstimate) => void,
): Promise<LiveCamera> {
  const { video, devices, worklet, onAllowed, onError, progress, ...model } = options;
  const sensor = openLive(model, progress);
  const rest = Object.fromEntries(
    Object.entries({ video, devices, worklet, onAllowed, onError }).filter(([, value]) => value !== undefined),
  );
  try {
    return await LiveCamera.start(sensor, rest, onEstimate);
  } catch (error) {
    sensor.then((one) => one.close(), () => undefined);
    throw error;
  }
}
