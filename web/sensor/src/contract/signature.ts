/** Who signed a bundle: `manifest.sig` beside `manifest.json`, and whether a trusted key did; see mer_sdk. */
import { OptionError, RuntimeUnavailable, UntrustedBundle } from "../errors.js";
import { sha256 } from "./sha256.js";

export const MOST_SIGNATURE_BYTES = 16_384;
const MOST_SIGNATURES = 16;
const PREFIX = "ed25519:";
const BLOCK = new RegExp(
  "^(mer-edge bundle signature 1\\n" +
    "manifest sha256 ([0-9a-f]{64})\\n" +
    "key ed25519:([A-Za-z0-9+/]{43}=)\\n" +
    "expires (never|[0-9]{4}-[0-9]{2}-[0-9]{2})\\n)" +
    "signature ([A-Za-z0-9+/]{86}==)\\n$",
);

type Bytes = Uint8Array<ArrayBuffer>;

interface Signature {
  statement: string;
  sha256: string;
  key: string;
  expires: string;
  signature: Bytes;
}

/**
 * Refuse a manifest that no trusted key signed.
 *
 * @param name of the bundle, for messages.
 * @param manifest the bytes of manifest.json.
 * @param signature the bytes of manifest.sig, null where there is none.
 * @param trust public keys, "ed25519:BASE64", as `mer sign --new-key` wrote them.
 * @param today the day that expiry is held against, UTC, such as "2027-11-29".
 * @throws UntrustedBundle it is not signed, signed by no trusted key, changed since, or its signature has expired.
 * @throws OptionError `trust` names no key, or one that is none.
 * @throws RuntimeUnavailable this browser cannot check Ed25519, or the page was not loaded over HTTPS.
 */
export async function checkSigned(
  name: string,
  manifest: ArrayBuffer,
  signature: ArrayBuffer | null,
  trust: string | readonly string[],
  today = new Date().toISOString().slice(0, 10),
): Promise<void> {
  const keys = (typeof trust === "string" ? [trust] : trust).map(publicKey);
  if (!keys.length) throw new OptionError("trust names no key; give a public key, ed25519:BASE64");
  if (!signature) throw new UntrustedBundle(`${name} is not signed: it has no manifest.sig; take it from its signer`);
  const hash = await sha256(manifest);
  const found = readSignatures(signature);
  let wrong = "";
  for (const one of found) {
    if (!keys.includes(one.key)) continue;
    const why = await whatIsWrong(one, hash, today);
    if (!why) return;
    wrong ||= why;
  }
  if (wrong) throw new UntrustedBundle(`${name} is not trusted: ${wrong}`);
  const [signers, trusted] = await Promise.all([ids(found.map((one) => one.key)), ids(keys)]);
  throw new UntrustedBundle(`${name} is signed by the key ${signers}, and trusted is ${trusted}; take it from its signer`);
}

function readSignatures(content: ArrayBuffer): Signature[] {
  // A mark of the byte order is no part of a signature, and stays in the text, where nothing matches it.
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(content);
  const whole = content.byteLength <= MOST_SIGNATURE_BYTES && text.endsWith("\n");
  const blocks = whole ? text.split("\n\n").map((part) => BLOCK.exec(part.replace(/\n$/, "") + "\n")) : [];
  if (!blocks.length || blocks.length > MOST_SIGNATURES || blocks.includes(null)) {
    throw new UntrustedBundle(
      "manifest.sig is damaged, or of a newer kind than this sensor reads; sign again with mer sign",
    );
  }
  return blocks.map((block) => {
    const [, statement, hash, key, expires, signature] = block as unknown as [string, string, string, string, string, string];
    return { statement, sha256: hash, key, expires, signature: base64(signature) };
  });
}

async function whatIsWrong(one: Signature, hash: string, today: string): Promise<string> {
  const key = await ids([one.key]);
  if (!(await fits(one))) {
    return `the signature of the key ${key} is not one: manifest.sig was changed; take the bundle from its signer`;
  }
  if (one.sha256 !== hash) {
    return `manifest.json was changed after the key ${key} signed it; take the bundle from its signer`;
  }
  if (one.expires !== "never" && today > one.expires) {
    return `the signature of the key ${key} expired on ${one.expires}, today is ${today}; get a newer bundle`;
  }
  return "";
}

async function fits(one: Signature): Promise<boolean> {
  let key: CryptoKey;
  try {
    key = await crypto.subtle.importKey("raw", base64(one.key), { name: "Ed25519" }, false, ["verify"]);
  } catch (error) {
    // A key of 32 bytes that is none of the curve is a DataError; an algorithm that is not there is not.
    if (error instanceof Error && error.name === "DataError") return false;
    throw new RuntimeUnavailable(
      "this browser cannot check Ed25519 signatures; use one that can (Chrome 137, Firefox 129, Safari 17), " +
        "or open the bundle without trust",
    );
  }
  return crypto.subtle.verify({ name: "Ed25519" }, key, one.signature, new TextEncoder().encode(one.statement));
}

/** A key's base64. */
function publicKey(line: string): string {
  const text = line.trim();
  if (!text.startsWith(PREFIX) || !/^[A-Za-z0-9+/]{43}=$/.test(text.slice(PREFIX.length))) {
    throw new OptionError("the key is no public key; one line ed25519:BASE64 (32 bytes) is allowed");
  }
  return text.slice(PREFIX.length);
}

async function ids(keys: readonly string[]): Promise<string> {
  const hashes = await Promise.all(keys.map((key) => sha256(base64(key).buffer)));
  return hashes.map((hash) => hash.slice(0, 16)).join(", ");
}

function base64(text: string): Bytes {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}
