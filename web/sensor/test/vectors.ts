/** Vectors of the Python side: from MER_VECTORS, or made anew by tests/web/vectors.py. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type FileSource, type NpyArray, readNpz } from "../src/index.js";
import { type Golden, readGoldenFile } from "./golden_file.js";

const ROOT = resolve(import.meta.dirname, "../../..");

export default function setup(): (() => void) | undefined {
  if (process.env.MER_VECTORS) return undefined;
  const folder = mkdtempSync(join(tmpdir(), "mer-vectors-"));
  const packaged = join(ROOT, ".venv/bin/python");
  const python = process.env.MER_PYTHON ?? (existsSync(packaged) ? packaged : "python3");
  execFileSync(python, [join(ROOT, "tests/web/vectors.py"), folder], { stdio: ["ignore", "ignore", "inherit"] });
  process.env.MER_VECTORS = folder;
  return () => rmSync(folder, { recursive: true });
}

const bytes = (path: string): ArrayBuffer => {
  const content = readFileSync(join(process.env.MER_VECTORS!, path));
  return content.buffer.slice(content.byteOffset, content.byteOffset + content.byteLength) as ArrayBuffer;
};

/** The folder of vectors: the facts, the arrays, and a source of a bundle's files. */
export function facts(): any {
  return JSON.parse(new TextDecoder().decode(bytes("vectors.json")));
}

export async function arrays(): Promise<(name: string) => NpyArray> {
  const all = await readNpz(bytes("vectors.npz"));
  return (name) => {
    const found = all.get(name);
    if (!found) throw new Error(`vectors.npz has no ${name}`);
    return found;
  };
}

export function bundleFiles(name: string): FileSource {
  return async (path) => bytes(`${name}/${path}`);
}

/** The stages of a bundle: see golden_file.ts. */
export function goldenFile(name: string): Golden {
  return readGoldenFile(bytes(`${name}.golden.bin`));
}
