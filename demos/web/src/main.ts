/** From the start button to an estimate every 250 ms. Estimates are also told as events, "mer:estimate". */
import { type EmotionEstimate, LiveCamera, MerError, openSensor, type Sensor } from "@mer-edge/web";
import { notice, setModel, startButton, switches, video, View } from "./view";

// Whether the page was built with a face finder's bundle, see vite.config.mjs.
declare const CARRIES_FINDER: boolean;

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
    const sensor = await openSensor(
      {
        bundle: "bundle/",
        // Without one of its own the page takes the browser's, and without that the middle of the picture.
        finder: CARRIES_FINDER ? "finder/" : "browser",
        ort: "ort/",
        litert: "litert/",
        faces: { faces: 2 },
        waiting: WAITING,
        patience: PATIENCE,
        // For browsers that give a page no worker, and for tests.
        worker: !new URLSearchParams(location.search).has("page"),
      },
      (_, done, total) => notice(`Loading the model, ${done} of ${total} …`),
    );
    const { name, finder, labels } = sensor.info;
    setModel(`Model: ${name}, ${sensor.inWorker ? "in a worker" : "on the page"}. Faces: ${FACES[finder]}.`);
    const view = new View(labels);
    notice("");
    startButton.hidden = false;
    startButton.onclick = () => void start(sensor, view);
  } catch (error) {
    notice(error instanceof MerError ? error.message : `The page could not be loaded: ${String(error)}`);
  }
}

async function start(sensor: Sensor, view: View): Promise<void> {
  startButton.hidden = true;
  notice("Waiting for camera and microphone …");
  const show = (estimate: EmotionEstimate) => {
    view.show(estimate);
    view.showBoxes(estimate);
    dispatchEvent(new CustomEvent("mer:estimate", { detail: estimate }));
  };
  const onError = (error: unknown) => notice(`The estimates broke off: ${String(error)}`);
  try {
    const camera = await LiveCamera.start(Promise.resolve(sensor), { video, onError }, show);
    const centred = sensor.info.finder === "centre" && camera.stream.getVideoTracks().length > 0;
    notice(camera.lacking || (centred ? "Keep your face in the square." : ""));
    wireSwitches(camera);
  } catch (error) {
    notice(error instanceof Error ? error.message : String(error));
    startButton.textContent = "Try again";
    startButton.hidden = false;
  }
}

function wireSwitches(camera: LiveCamera): void {
  const tracks = { audio: camera.stream.getAudioTracks()[0], video: camera.stream.getVideoTracks()[0] };
  for (const kind of ["audio", "video"] as const) {
    const [button, track] = [switches[kind], tracks[kind]];
    button.disabled = !track;
    button.setAttribute("aria-pressed", String(Boolean(track)));
    button.onclick = () => {
      camera.enable(kind, !track!.enabled);
      button.setAttribute("aria-pressed", String(track!.enabled));
      notice(tracks.audio?.enabled || tracks.video?.enabled ? "" : "Camera and microphone are off.");
    };
  }
  switches.forget.disabled = false;
  switches.forget.onclick = () => void camera.sensor.forget();
}

void main();
