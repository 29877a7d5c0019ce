/** What the page, its workers and the host tell one another. The report's fields are those of mer_sdk.phone.report. */
import type { Provider } from "@mer-edge/web";

/** From the host: what to do. */
export interface Settings {
  bundle: string;
  seconds: number;
  rounds: number;
  warm_up: number;
  clips: number;
  webgpu: boolean;
}

/** One way to run the graphs, in a worker of its own: onnxruntime-web takes its threads once. */
export interface Plan {
  provider: Provider;
  threads: number;
  seconds: number;
  clips: number;
}

/** To a worker: the files of the bundle, as they were read, and where the runtimes and the labelled clips are. */
export interface Task {
  plan: Plan;
  settings: Settings;
  files: Map<string, ArrayBuffer>;
  ort: string;
  litert: string;
  clips: string;
}

export interface Latency {
  first: number;
  p50: number;
  p90: number;
  p99: number;
  rounds: number;
}

export interface Point {
  seconds: number;
  p50: number;
  p90: number;
}

export interface SustainedRun {
  seconds: number;
  span: number;
  steps: number;
  first: number;
  last: number;
  points: Point[];
}

export interface CaseAnswer {
  case: number;
  logits: number[];
  features: Record<string, number>;
}

export interface ClipAnswer {
  clip: number;
  logits: number[];
  held: number[];
}

export interface Run {
  provider: Provider;
  threads: number;
  load_ms: number;
  cases: CaseAnswer[];
  latency: Record<string, Latency>;
  sustained: SustainedRun | null;
  hidden: boolean;
}

/** From a worker. `error` of a case is that of its logits, `near` whether it is near enough; the host judges anew. */
export type News =
  | { kind: "progress"; what: string; done: number; total: number }
  | { kind: "case"; answer: CaseAnswer; error: number; near: boolean }
  | { kind: "latency"; latency: Record<string, Latency> }
  | { kind: "timeline"; points: Point[] }
  | { kind: "done"; run: Run; clips: ClipAnswer[] }
  | { kind: "failed"; why: string };
