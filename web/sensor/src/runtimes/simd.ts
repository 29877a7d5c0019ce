/** Whether a browser can run the graphs at all; small, so that a page can ask before it starts a worker. */
import { RuntimeUnavailable } from "../errors.js";

// The module (func i32.const 0, i8x16.splat, drop): valid only where the browser has SIMD.
const SIMD = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 10, 9, 1, 7, 0, 65, 0, 253, 15, 26, 11,
]);

/** Whether this browser has WebAssembly with SIMD. */
export function hasSimd(): boolean {
  return typeof WebAssembly === "object" && WebAssembly.validate(SIMD);
}

/** @throws RuntimeUnavailable this browser has no WebAssembly with SIMD. */
export function checkSimd(): void {
  if (hasSimd()) return;
  throw new RuntimeUnavailable(
    "this browser has no WebAssembly SIMD, which the graphs need: use Chrome 91, Firefox 89, Safari 16.4 or later",
  );
}
