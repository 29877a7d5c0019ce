/** Hashes, as the browser computes them. */
import { RuntimeUnavailable } from "../errors.js";

/** The sha256 of some bytes, hexadecimal. @throws RuntimeUnavailable the page was not loaded over HTTPS. */
export async function sha256(content: ArrayBuffer): Promise<string> {
  if (!globalThis.crypto?.subtle) {
    throw new RuntimeUnavailable("this page was loaded without HTTPS, so the browser checks no hashes: use https://");
  }
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
