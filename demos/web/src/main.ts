/** From the start button to an estimate every 250 ms. Estimates are also told as events, "mer:estimate". */
import {
  browserFinder,
  Bundle,
  type EmotionEstimate,
  EmotionSensor,
  type FaceFinder,
  MerError,
  openFinder,
} from "@mer-edge/web";
import { Capture, openDevices } from "./capture";
import { notice, setModel, startButton, switches, video, View } from "./view";

// Whether the page was built with a face finder's bundle, see vite.config.mjs.
declare const CARRIES_FINDER: boolean;

const HERE = new URL(".", location.href).href;
const RUNTIMES = { ort: `${HERE}ort/`, litert: `${HERE}litert/` };
// A step that waits behind so many others is left out: late is worse than missing.
const WAITING = 3;
// Seconds by which the camera may lag behind the sound, and the other way round.
const PATIENCE = 0.5;
// Where a face is looked for, by the finder's name.
const FACES: Record<string, string> = {
  bundle: "the page's own finder",
  browser: "the browser's finder",
  centre: "the middle of the picture",
};

async function main(): Promise<void> {
  if ("serviceWorker" in navigator && import.meta.env.PROD) {
    // It keeps the page's files, so that the page works without a network.
    navigator.serviceWorker.register("./sw.js").catch(() => undefined);
  }
  try {
    const bundle = await read("bundle", "the model");
    const finder = await findFinder();
    const sensor = await EmotionSensor.open(bundle, { ...RUNTIMES, finder, waiting: WAITING, patience: PATIENCE });
    setModel(`Model: ${bundle.manifest.name}. Faces: ${FACES[sensor.finder.name]}.`);
    const view = new View(bundle.manifest.labels);
    notice("");
    startButton.hidden = false;
    startButton.onclick = () => void start(sensor, view);
  } catch (error) {
    notice(error instanceof MerError ? error.message : `The page could not be loaded: ${String(error)}`);
  }
}

async function read(folder: string, what: string): Promise<Bundle> {
  return await Bundle.open(`${HERE}${folder}/`, false, (path, done, total) => {
    if (path) notice(`Loading ${what}, ${done + 1} of ${total} …`);
  });
}

/** The finder that the page carries, else the browser's own, else none: the middle of the picture. */
async function findFinder(): Promise<FaceFinder | undefined> {
  if (CARRIES_FINDER) return await openFinder(await read("finder", "the face finder"), RUNTIMES);
  return (await browserFinder()) ?? undefined;
}

async function start(sensor: EmotionSensor, view: View): Promise<void> {
  startButton.hidden = true;
  notice("Waiting for camera and microphone …");
  try {
    const { stream, lacking } = await openDevices();
    const tracks = { video: stream.getVideoTracks()[0], audio: stream.getAudioTracks()[0] };
    if (tracks.video) sensor.expect("video");
    if (tracks.audio) sensor.expect("audio");
    const show = (estimates: EmotionEstimate[]) => {
      for (const estimate of estimates) {
        view.show(estimate);
        view.showBox(estimate);
        dispatchEvent(new CustomEvent("mer:estimate", { detail: estimate }));
      }
    };
    const fail = (error: unknown) => notice(`The estimates broke off: ${String(error)}`);
    const rate = sensor.bundle.manifest.audio.sample_rate;
    await Capture.start(stream, video, rate, {
      // What is switched off is not given at all: a step without it is one in which it is missing.
      sound: (samples, time) => {
        if (tracks.audio!.enabled) sensor.pushAudio([samples], rate, time).then(show, fail);
      },
      frame: (frame, time) => {
        if (tracks.video!.enabled) sensor.pushFrame(frame, time).then(show, fail);
      },
    });
    const centred = sensor.finder.name === "centre" && tracks.video;
    notice(lacking || (centred ? "Keep your face in the square." : ""));
    wireSwitches(sensor, tracks);
  } catch (error) {
    notice(error instanceof Error ? error.message : String(error));
    startButton.textContent = "Try again";
    startButton.hidden = false;
  }
}

function wireSwitches(sensor: EmotionSensor, tracks: Record<"audio" | "video", MediaStreamTrack | undefined>): void {
  for (const kind of ["audio", "video"] as const) {
    const [button, track] = [switches[kind], tracks[kind]];
    button.disabled = !track;
    button.setAttribute("aria-pressed", String(Boolean(track)));
    button.onclick = () => {
      track!.enabled = !track!.enabled;
      button.setAttribute("aria-pressed", String(track!.enabled));
      if (!track!.enabled) sensor.release(kind);
      notice(tracks.audio?.enabled || tracks.video?.enabled ? "" : "Camera and microphone are off.");
    };
  }
  switches.forget.disabled = false;
  switches.forget.onclick = () => sensor.baseline.reset();
}

void main();
