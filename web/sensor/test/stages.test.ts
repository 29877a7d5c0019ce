/** The stages in Node.js; test/browser.ts runs the same ones in a browser. */
import { beforeAll, expect, test } from "vitest";
import { Bundle, type Manifest } from "../src/index.js";
import { type Golden, near } from "./golden_file.js";
import { STAGES } from "./stages.js";
import { bundleFiles, facts, goldenFile } from "./vectors.js";

const BUNDLES = { window: "bundle", dialogue: "talk", finder: "face_finder" } as const;

for (const [kind, name] of Object.entries(BUNDLES) as ["window", "bundle"][]) {
  let golden: Golden;
  let manifest: Manifest;

  beforeAll(async () => {
    ({ manifest } = await Bundle.open(bundleFiles(facts()[name])));
    golden = goldenFile(facts()[name]);
  });

  test.each(Object.entries(STAGES[kind]))(`${kind}: %s`, async (_, check) => await check(golden, manifest));

  test(`${kind}: a stage fails on other numbers`, async () => {
    const wrong = new Map([...golden].map(([key, { shape, data }]) => [key, { shape, data: data.map((value) => value + 1) }]));
    for (const check of Object.values(STAGES[kind])) {
      await expect(Promise.resolve().then(() => check(wrong, manifest))).rejects.toThrow();
    }
  });
}

test("what is near is near, and nothing else", () => {
  near([1, 2], [1, 2.01], 0.02, "values");
  expect(() => near([1], [1, 2], 1, "values")).toThrow(/1 values, wanted 2/);
  expect(() => near([Number.NaN], [1], 9, "values")).toThrow(/value 0 is NaN/);
});
