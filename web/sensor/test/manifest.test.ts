import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { deflateRawSync } from "node:zlib";
import { expect, test } from "vitest";
import { Bundle, BundleError, readManifest, readNpz } from "../src/index.js";
import { bundleFiles, facts } from "./vectors.js";

const refusal = (text: string): string | null => {
  try {
    readManifest(text);
  } catch (error) {
    expect(error).toBeInstanceOf(BundleError);
    return (error as Error).message;
  }
  return null;
};

test.each(facts().manifests)("$name: taken or refused as in Python", ({ text, says }: any) => {
  const found = refusal(text);
  if (says === null) return expect(found).toBeNull();
  expect(found).toContain(says);
  expect(found!.length).toBeLessThan(400);
  expect(found).not.toContain("\n");
});

test("seeded mutations are taken or refused as in Python", () => {
  const given = facts().mutations as { text: string; says: string | null }[];
  expect(given.length).toBe(300);
  const found = given.map(({ text }) => refusal(text));
  // A browser runs fewer targets, which is no fault of a manifest.
  const same = given.filter(({ says }, i) => (says === null) === (found[i] === null) || /a browser runs/.test(found[i]!));
  expect(same.length).toBe(given.length);
  expect(found.filter((one) => one === null).length).toBeGreaterThan(3);
});

test.each(["", "[", "[".repeat(100_000), '{"schema_version": NaN}', "1".repeat(5000), "null", "[]", '"x"', "\ufeff{}"])(
  "what is no JSON of a manifest: %#",
  (broken) => expect(refusal(broken)).toMatch(/not valid JSON|no schema_version/),
);

test("fields that are not there get their defaults", () => {
  const { text } = facts().manifests.find((one: any) => one.name === "fields with defaults are not there");
  const { clock, decision, va_source, text: contract } = readManifest(text);
  expect([clock.step_ms, clock.window_steps, va_source, contract]).toEqual([250, 16, "circumplex", null]);
  expect(decision.temperature).toBe(1);
});

test("no more is read of a file than its manifest says, and addresses lead nowhere else", async () => {
  const good = bundleFiles(facts().bundle);
  const asked: string[] = [];
  let sent = 0;
  const piece = Buffer.alloc(1 << 16);
  const manifest = JSON.parse(new TextDecoder().decode(await good("manifest.json", Infinity)));
  const [file] = manifest.files.filter((one: any) => one.path === manifest.graphs.audio.file);
  file.path = manifest.graphs.audio.file = "%2e%2e/a?b#c.onnx";
  // Says nothing of its length, and goes on for as long as somebody reads, a gigabyte at most.
  const server = createServer((request, response) => {
    asked.push(request.url!);
    if (request.url === "/b/manifest.json") return void response.end(JSON.stringify(manifest));
    const more = () => {
      while (!response.destroyed && sent < 1 << 30) {
        sent += piece.length;
        if (!response.write(piece)) return void response.once("drain", more);
      }
    };
    more();
  });
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  const { port } = server.address() as AddressInfo;
  await expect(Bundle.open(`http://127.0.0.1:${port}/b/`)).rejects.toThrow(/differs from the manifest/);
  server.closeAllConnections();
  server.close();
  expect(asked).toEqual(["/b/manifest.json", "/b/%252e%252e/a%3Fb%23c.onnx"]);
  expect(sent).toBeLessThan(1 << 26);
});

test("a golden file that unpacks to too much, or claims to, is refused", async () => {
  const header = "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999,), }";
  const npy = Buffer.concat([Buffer.from("\x93NUMPY\x01\x00", "latin1"), Buffer.from([header.length, 0]), Buffer.from(header)]);
  await expect(readNpz(zipped(npy))).rejects.toThrow(/does not hold what its header says/);
  await expect(readNpz(zipped(Buffer.alloc((1 << 22) + 1)), 1 << 22)).rejects.toThrow(/more bytes than are allowed/);
  await expect(readNpz(zipped(Buffer.alloc(1 << 22)), 1 << 22)).rejects.toThrow(/no .npy array/);
});

/** A zip archive of one array, x.npy. */
function zipped(content: Buffer): ArrayBuffer {
  const packed = deflateRawSync(content, { level: 1 });
  const local = Buffer.alloc(30);
  const entry = Buffer.alloc(46);
  const end = Buffer.alloc(22);
  const name = Buffer.from("x.npy");
  local.writeUInt32LE(0x04034b50, 0);
  local.writeUInt16LE(name.length, 26);
  entry.writeUInt32LE(0x02014b50, 0);
  entry.writeUInt16LE(8, 10);
  entry.writeUInt32LE(packed.length, 20);
  entry.writeUInt16LE(name.length, 28);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(1, 10);
  end.writeUInt32LE(local.length + name.length + packed.length, 16);
  const whole = Buffer.concat([local, name, packed, entry, name, end]);
  return whole.buffer.slice(whole.byteOffset, whole.byteOffset + whole.byteLength) as ArrayBuffer;
}
