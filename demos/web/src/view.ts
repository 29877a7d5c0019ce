/** What the page shows of an estimate. Every part has its place from the beginning, so that nothing jumps. */
import { type EmotionEstimate, sentence, UNKNOWN } from "@mer-edge/web";

const TIMELINE_SECONDS = 60;

const element = <T extends Element = HTMLElement>(id: string) => document.getElementById(id) as unknown as T;

export const startButton = element<HTMLButtonElement>("start");
export const video = element<HTMLVideoElement>("video");
export const switches = {
  video: element<HTMLButtonElement>("camera"),
  audio: element<HTMLButtonElement>("microphone"),
  forget: element<HTMLButtonElement>("forget"),
};

export function notice(text: string): void {
  element("notice").textContent = sentence(text);
}

export function setModel(text: string): void {
  element("model").textContent = text;
}

/** The parts that show estimates with these labels. */
export class View {
  private readonly rows: { row: HTMLElement; fill: HTMLElement; value: HTMLElement }[];
  private readonly canvas = element<HTMLCanvasElement>("timeline");
  private readonly timeline: { time: number; shares: number[] }[] = [];

  constructor(private readonly labels: readonly string[]) {
    this.rows = labels.map((label, index) => {
      const row = document.createElement("div");
      row.className = "row";
      const name = row.appendChild(document.createElement("span"));
      name.textContent = label;
      const track = row.appendChild(document.createElement("div"));
      track.className = "track";
      const fill = track.appendChild(document.createElement("i"));
      fill.style.background = colour(index);
      const value = row.appendChild(document.createElement("b"));
      value.textContent = "0 %";
      element("bars").append(row);
      return { row, fill, value };
    });
    new ResizeObserver(() => this.draw()).observe(this.canvas);
  }

  show(estimate: EmotionEstimate): void {
    const shares = this.labels.map((label) => estimate.probabilities[label]!);
    const best = estimate.state === "none" ? -1 : shares.indexOf(Math.max(...shares));
    for (const [index, { row, fill, value }] of this.rows.entries()) {
      row.classList.toggle("best", index === best);
      fill.style.transform = `scaleX(${shares[index]!.toFixed(3)})`;
      value.textContent = `${Math.round(100 * shares[index]!)} %`;
    }
    const known = estimate.emotion !== UNKNOWN;
    element("emotion").textContent = known ? estimate.emotion : estimate.state === "none" ? "–" : "not sure";
    element("confidence").textContent = best < 0 ? "" : `${Math.round(100 * estimate.confidence)} % ${known ? "sure" : this.labels[best]}`;
    element("state").textContent = { none: "nothing", audio: "voice", face: "face" }[estimate.state] ?? "voice and face";
    const late = estimate.dropped ? `, ${estimate.dropped} left out` : "";
    element("latency").textContent = `${estimate.latency_ms.toFixed(1)} ms of 250${late}`;
    this.showReliance(estimate);
    this.timeline.push({ time: estimate.time, shares });
    while (this.timeline[0]!.time < estimate.time - TIMELINE_SECONDS) this.timeline.shift();
    this.draw();
  }

  /** A square around each face, over the mirrored picture. */
  showBoxes(estimate: EmotionEstimate): void {
    const svg = element<SVGSVGElement>("box");
    svg.setAttribute("viewBox", `0 0 ${video.videoWidth || 1} ${video.videoHeight || 1}`);
    const faces = [estimate, ...estimate.others].flatMap((one) => one.face ?? []);
    svg.replaceChildren(
      ...faces.map(({ box: [x, y, width, height] }) => {
        const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
        for (const [name, value] of Object.entries({ x, y, width, height, rx: 8 })) rect.setAttribute(name, value.toFixed(1));
        return rect;
      }),
    );
  }

  private showReliance({ reliance, state }: EmotionEstimate): void {
    const [voice, face] = [reliance.audio ?? 0, reliance.face ?? 0];
    element("share").style.transform = `scaleX(${voice.toFixed(3)})`;
    element("share").parentElement!.classList.toggle("none", state === "none");
    element("reliance").textContent =
      state === "none" ? "–" : `voice ${Math.round(100 * voice)} %, face ${Math.round(100 * face)} %`;
  }

  private draw(): void {
    const scale = devicePixelRatio || 1;
    const [width, height] = [this.canvas.clientWidth, this.canvas.clientHeight];
    Object.assign(this.canvas, { width: width * scale, height: height * scale });
    const context = this.canvas.getContext("2d")!;
    context.scale(scale, scale);
    const style = getComputedStyle(document.documentElement);
    context.strokeStyle = style.getPropertyValue("--rule");
    for (const level of [0, 0.5, 1]) line(context, [[0, y(level, height)], [width, y(level, height)]]);
    const now = this.timeline.at(-1)?.time ?? 0;
    context.lineWidth = 2;
    context.lineJoin = "round";
    for (const index of this.labels.keys()) {
      context.strokeStyle = style.getPropertyValue(`--c${index % 7}`);
      const points = this.timeline.map(({ time, shares }): [number, number] => [
        width * (1 - (now - time) / TIMELINE_SECONDS),
        y(shares[index]!, height),
      ]);
      line(context, points);
    }
  }
}

function y(share: number, height: number): number {
  return 2 + (height - 4) * (1 - share);
}

function line(context: CanvasRenderingContext2D, points: [number, number][]): void {
  context.beginPath();
  for (const point of points) context.lineTo(...point);
  context.stroke();
}

function colour(index: number): string {
  return `var(--c${index % 7})`;
}
