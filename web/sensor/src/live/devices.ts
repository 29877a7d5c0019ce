/** Camera and microphone: asked for together, and either of them alone where the other is refused or missing. */
import { RuntimeUnavailable } from "../errors.js";

/** What could be opened, and why the rest could not, in a sentence; empty where nothing is lacking. */
export interface Opened {
  stream: MediaStream;
  lacking: string;
}

/**
 * Ask for camera and microphone.
 *
 * @param wanted "both", or one of them alone.
 * @throws RuntimeUnavailable neither can be used; the message says what to do.
 */
export async function openDevices(wanted: "both" | "camera" | "microphone" = "both"): Promise<Opened> {
  if (!globalThis.navigator?.mediaDevices) {
    throw new RuntimeUnavailable("camera and microphone need a page that was loaded over HTTPS");
  }
  const video = { facingMode: "user", width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 } };
  // What makes calls pleasant removes what a voice shows.
  const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  const asked = (given: MediaStreamConstraints) => navigator.mediaDevices.getUserMedia(given);
  const attempts: [MediaStreamConstraints, string][] = [];
  if (wanted === "both") attempts.push([{ video, audio }, ""]);
  const without = (what: string, read: string) =>
    wanted === "both" ? `no ${what}: it is missing, in use, or was not allowed; only the ${read}` : "";
  if (wanted !== "microphone") attempts.push([{ video }, without("microphone", "face is read")]);
  if (wanted !== "camera") attempts.push([{ audio }, without("camera", "voice is heard")]);
  let failed: unknown;
  for (const [given, lacking] of attempts) {
    try {
      return { stream: await asked(given), lacking };
    } catch (error) {
      failed = error;
    }
  }
  const denied = (failed as DOMException).name === "NotAllowedError";
  const what = wanted === "both" ? "camera and microphone were" : `the ${wanted} was`;
  const none = wanted === "both" ? "no camera and no microphone were" : `no ${wanted} was`;
  throw new RuntimeUnavailable(
    denied
      ? `${what} not allowed: allow it for this page in the browser's settings, and load it again`
      : `${none} found: connect one, and load this page again`,
  );
}
