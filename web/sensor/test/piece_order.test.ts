/** Pieces of live sound: which is used next, and which came already. */
import { expect, test } from "vitest";
import { nextPiece, Repeats } from "../src/dialogue/piece_order.js";

const RATE = 16000;

test("stamps decide where they are exact, coming decides where they are not", () => {
  const first = { begin: 1, end: 1.01, order: 5 };
  expect(nextPiece([first, { begin: 1.01, end: 1.02, order: 4 }], RATE)).toBe(0);
  expect(nextPiece([first, { begin: 1.006, end: 1.016, order: 4 }], RATE)).toBe(1);
  expect(nextPiece([first, { begin: 1.3, end: 1.31, order: 4 }], RATE)).toBe(0);
});

test("silence and other sound of the same time are no repeat", () => {
  const repeats = new Repeats();
  const noise = Float32Array.from({ length: 160 }, (_, index) => index / 160 - 0.5);
  expect(repeats.seen(1, [noise], RATE)).toBe(false);
  expect(repeats.seen(1, [noise.slice()], RATE)).toBe(true);
  expect(repeats.seen(1.01, [noise], RATE)).toBe(false);
  expect(repeats.seen(1, [noise.map((value) => -value)], RATE)).toBe(false);
  expect(repeats.seen(2, [new Float32Array(160)], RATE)).toBe(false);
  expect(repeats.seen(2, [new Float32Array(160)], RATE)).toBe(false);
});
