/** What the page shows. */
import { sentence } from "@mer-edge/web";
import type { Latency, Point } from "./messages";

const element = <T extends Element = HTMLElement>(id: string) => document.getElementById(id) as unknown as T;

export const startButton = element<HTMLButtonElement>("start");

export function setTitle(title: string, device: string): void {
  element("title").textContent = title;
  element("device").textContent = device;
}

export function say(text: string, kind: "" | "good" | "bad" = "", hint = ""): void {
  const status = element("status");
  status.textContent = sentence(text);
  status.className = kind;
  element("hint").textContent = hint;
}

export function setBar(share: number): void {
  const percent = Math.round(100 * Math.min(1, Math.max(0, share)));
  element("bar").style.width = `${percent}%`;
  element("bar").parentElement!.setAttribute("aria-valuenow", String(percent));
}

export function addCase(run: string, index: number, error: number, passed: boolean): void {
  const cells = [run, String(index), error.toExponential(1), passed ? "ok" : "differs"];
  addRow("cases", cells).lastElementChild!.className = passed ? "good" : "bad";
}

export function addTimes(run: string, latency: Record<string, Latency>): void {
  for (const [graph, times] of Object.entries(latency)) {
    const numbers = [times.p50, times.p90, times.p99].map((value) => value.toFixed(2));
    addRow("times", [run, graph, ...numbers]);
  }
}

/** The timeline of a sustained run so far: medians over time, from 0 up. */
export function drawTimeline(points: readonly Point[], seconds: number): void {
  const svg = element<SVGSVGElement>("timeline");
  for (const id of ["timeline-title", "timeline"]) element(id).toggleAttribute("hidden", false);
  const most = Math.max(...points.map((point) => point.p50)) * 1.2 || 1;
  const line = points
    .map((point) => `${((point.seconds / seconds) * 318 + 1).toFixed(1)} ${(74 - (point.p50 / most) * 68).toFixed(1)}`)
    .join("L");
  svg.innerHTML =
    `<line x1="0" x2="320" y1="74" y2="74"/><path d="M${line}"/>` +
    `<text x="0" y="88">0 s</text><text x="320" y="88" text-anchor="end">${Math.round(seconds)} s</text>`;
  element("timeline-note").textContent = `${points.at(-1)!.p50.toFixed(2)} ms a step now, ${points[0]!.p50.toFixed(2)} ms at the start`;
}

function addRow(table: string, cells: string[]): HTMLTableRowElement {
  element("results").toggleAttribute("hidden", false);
  const row = element(table).querySelector("tbody")!.appendChild(document.createElement("tr"));
  for (const cell of cells) row.appendChild(document.createElement("td")).textContent = cell;
  return row;
}
