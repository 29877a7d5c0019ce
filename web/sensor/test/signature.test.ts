import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { Bundle, checkSigned, type FileSource, OptionError, RuntimeUnavailable, UntrustedBundle } from "../src/index.js";
import { bundleFiles, facts } from "./vectors.js";

interface Case {
  name: string;
  signature: string | null;
  trust: string[];
  says: string | null;
}

const stored = join(import.meta.dirname, "../../../docs/signature_vectors.json");
const vectors: { manifest: string; today: string; cases: Case[] } = JSON.parse(readFileSync(stored, "utf8"));
const bytes = (text: string): ArrayBuffer => new TextEncoder().encode(text).buffer as ArrayBuffer;
const judged = (one: Case) =>
  checkSigned("bundle", bytes(vectors.manifest), one.signature === null ? null : bytes(one.signature), one.trust, vectors.today);

afterEach(() => vi.restoreAllMocks());

test.each(vectors.cases)("golden signature: $name", async (one) => {
  if (one.says === null) return expect(judged(one)).resolves.toBeUndefined();
  await expect(judged(one)).rejects.toBeInstanceOf(UntrustedBundle);
  await expect(judged(one)).rejects.toThrow(one.says);
});

test("a bundle opens with the key that signed it, and no graph of another is read", async () => {
  const { bundle, signature, trusted, stranger } = facts().signed;
  const asked: string[] = [];
  const source: FileSource = async (path, most) => {
    asked.push(path);
    return path === "manifest.sig" ? bytes(signature) : bundleFiles(bundle)(path, most);
  };
  const opened = await Bundle.open(source, false, undefined, [stranger, trusted]);
  expect(Object.keys(opened.manifest.graphs)).toContain("fusion");
  asked.length = 0;
  await expect(Bundle.open(source, false, undefined, stranger)).rejects.toThrow(/is signed by the key \w{16}, and trusted is/);
  const unsigned = Bundle.open(bundleFiles(bundle), false, undefined, trusted);
  await expect(unsigned).rejects.toThrow("is not signed");
  expect(asked).toEqual(["manifest.json", "manifest.sig"]);
  await expect(Bundle.open(source, false, undefined, "ed25519:short")).rejects.toBeInstanceOf(OptionError);
  await expect(Bundle.open(source, false, undefined, [])).rejects.toThrow("trust names no key");
});

test("a browser without Ed25519 says so, and trusts nothing", async () => {
  vi.spyOn(crypto.subtle, "importKey").mockRejectedValue(new DOMException("no such algorithm", "NotSupportedError"));
  const refused = judged(vectors.cases[0]!);
  await expect(refused).rejects.toBeInstanceOf(RuntimeUnavailable);
  await expect(refused).rejects.toThrow("cannot check Ed25519 signatures");
});
