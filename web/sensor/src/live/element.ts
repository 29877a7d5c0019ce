/**
 * <mer-camera bundle="..." finder="...">: a mirrored picture with a box around each face, and what it says. Everything
 * of its own lies in a shadow root; estimates are told as events.
 */
import { MerError, sentence } from "../errors.js";
import type { EmotionEstimate } from "../window/estimate.js";
import { UNKNOWN } from "../window/estimate.js";
import { LiveCamera, openLive } from "./camera.js";
import type { Sensor } from "./open.js";
import type { OpenOptions } from "./options.js";

const STYLE = `
:host { display: block; position: relative; overflow: hidden; aspect-ratio: 4 / 3; background: #14171a; color: #fff;
  font: 600 1rem/1.3 system-ui, sans-serif; border-radius: 12px; }
:host([hidden]) { display: none; }
video, svg { position: absolute; inset: 0; width: 100%; height: 100%; object-fit: cover; transform: scaleX(-1); }
/* On a white wall a white line is seen by its shadow. */
svg { filter: drop-shadow(0 0 1px #000) drop-shadow(0 0 2px rgb(0 0 0 / 60%)); }
rect { fill: none; stroke: #fff; stroke-width: 2; vector-effect: non-scaling-stroke; }
rect + rect { stroke-opacity: 0.5; }
output { position: absolute; left: 0.75rem; bottom: 0.75rem; padding: 0.25rem 0.6rem; border-radius: 8px;
  background: rgb(0 0 0 / 60%); }
output:empty, p:empty { display: none; }
p { position: absolute; inset: auto 0.75rem 3.25rem; margin: 0; text-align: center; font-weight: 400; }
button { position: absolute; inset: 50% auto auto 50%; transform: translate(-50%, -50%); padding: 0.75rem 1.25rem;
  border: 0; border-radius: 999px; font: inherit; color: #14171a; background: #fff; cursor: pointer; }
button[hidden] { display: none; }`;
const NUMBERS = { faces: "faces", smoothing: "smoothing", margin: "margin", threads: "threads" } as const;

// Where there is no page, as in Node.js, the module can be read, and defines nothing.
const Base = globalThis.HTMLElement ?? (class {} as typeof HTMLElement);

/**
 * Attributes: `bundle`, `finder`, `voice` (addresses), `ort`, `litert`, `worklet`; `faces`, `smoothing` (seconds),
 * `margin`, `threads`; `devices` (both, camera, microphone); `label` of the button; `preload` to load the model before anybody
 * presses it; `autostart`.
 *
 * Events: `estimate` (detail: `EmotionEstimate`), `start`, `error` (detail: the error).
 */
export class MerCameraElement extends Base {
  private camera: LiveCamera | null = null;
  private opening: Promise<Sensor> | null = null;
  /** Counts calls of `start` and `stop`, so that a start which ends after the next one is not taken for it. */
  private turn = 0;
  private starting = false;
  private readonly parts = this.build();

  connectedCallback(): void {
    this.parts.button.textContent = this.getAttribute("label") ?? "Start camera and microphone";
    if (this.hasAttribute("preload")) void this.open().catch((error) => this.fail(error));
    if (this.hasAttribute("autostart")) void this.start();
  }

  disconnectedCallback(): void {
    this.stop();
  }

  /** The open sensor, once `start` is done; null before. */
  get sensor(): Sensor | null {
    return this.camera?.sensor ?? null;
  }

  /** Camera and microphone, to switch them off and on; null before `start` is done. */
  get live(): LiveCamera | null {
    return this.camera;
  }

  /** Open the model, ask for the devices, and begin. What fails is shown, and told as the event `error`. */
  async start(): Promise<void> {
    const { button, notice, video } = this.parts;
    if (this.camera || this.starting) return;
    this.starting = true;
    const turn = ++this.turn;
    button.hidden = true;
    notice.textContent = "Waiting for camera and microphone …";
    try {
      const worklet = this.getAttribute("worklet");
      const camera = await LiveCamera.start(
        this.open(),
        {
          video,
          devices: (this.getAttribute("devices") ?? "both") as "both",
          ...(worklet ? { worklet } : {}),
          onAllowed: () => (notice.textContent = "Loading the model …"),
          onError: (error) => this.fail(error),
        },
        (estimate) => this.show(estimate),
      );
      // Stopped, or taken from the page, while somebody was asked for the devices.
      if (turn !== this.turn) return camera.stop();
      this.camera = camera;
      notice.textContent = sentence(this.camera.lacking);
      this.dispatchEvent(new CustomEvent("start"));
    } catch (error) {
      if (turn !== this.turn) return;
      this.fail(error);
      button.hidden = false;
    } finally {
      if (turn === this.turn) this.starting = false;
    }
  }

  /** The model, loaded once; one that failed is tried again by the next call. */
  private open(): Promise<Sensor> {
    this.opening ??= openLive(this.options()).catch((error) => {
      this.opening = null;
      throw error;
    });
    return this.opening;
  }

  /** Let the devices go, and end the worker. */
  stop(): void {
    this.turn += 1;
    this.starting = false;
    this.camera?.stop();
    void this.opening?.then((sensor) => sensor.close(), () => undefined);
    this.camera = this.opening = null;
    const { boxes, output, notice, button } = this.parts;
    boxes.replaceChildren();
    output.textContent = notice.textContent = "";
    button.hidden = false;
  }

  private options(): OpenOptions {
    const text = (name: string) => this.getAttribute(name) ?? undefined;
    const number = (name: string) => (this.hasAttribute(name) ? Number(this.getAttribute(name)) : undefined);
    const [faces, seconds, margin, threads] = Object.values(NUMBERS).map(number);
    const voice = text("voice");
    const given = {
      finder: text("finder"),
      ort: text("ort"),
      litert: text("litert"),
      threads,
      faces: faces === undefined ? undefined : { faces },
      smoothing: seconds === undefined && margin === undefined ? undefined : { seconds: seconds ?? 0, margin: margin ?? 0 },
      voice: voice ? { model: voice } : undefined,
    };
    const chosen = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
    return { bundle: text("bundle") ?? "bundle/", ...chosen };
  }

  private show(estimate: EmotionEstimate): void {
    const { boxes, output, video } = this.parts;
    boxes.setAttribute("viewBox", `0 0 ${video.videoWidth || 4} ${video.videoHeight || 3}`);
    const faces = [estimate, ...estimate.others].flatMap((one) => one.face ?? []);
    boxes.replaceChildren(
      ...faces.map(({ box: [x, y, width, height] }) => {
        const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
        for (const [name, value] of Object.entries({ x, y, width, height, rx: 8 })) rect.setAttribute(name, value.toFixed(1));
        return rect;
      }),
    );
    const known = estimate.emotion !== UNKNOWN;
    output.textContent = known ? `${estimate.emotion} ${Math.round(100 * estimate.confidence)} %` : "";
    this.dispatchEvent(new CustomEvent("estimate", { detail: estimate }));
  }

  private fail(error: unknown): void {
    const message = error instanceof MerError ? error.message : `it broke off: ${String(error)}`;
    this.parts.notice.textContent = sentence(message);
    this.dispatchEvent(new CustomEvent("error", { detail: error }));
  }

  private build() {
    const root = this.attachShadow({ mode: "open" });
    // A sheet that is made by script needs no leave of a content policy.
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    root.adoptedStyleSheets = [sheet];
    const make = <K extends keyof HTMLElementTagNameMap>(name: K) => root.appendChild(document.createElement(name));
    const video = make("video");
    const boxes = root.appendChild(document.createElementNS("http://www.w3.org/2000/svg", "svg"));
    boxes.setAttribute("preserveAspectRatio", "xMidYMid slice");
    boxes.setAttribute("aria-hidden", "true");
    const [output, notice, button] = [make("output"), make("p"), make("button")];
    notice.setAttribute("role", "status");
    button.type = "button";
    button.onclick = () => void this.start();
    return { video, boxes, output, notice, button };
  }
}

if (globalThis.customElements && !customElements.get("mer-camera")) customElements.define("mer-camera", MerCameraElement);
