/** A bundle's files, from wherever they lie, each held to its hash before anything reads it. */
import { BundleError } from "../errors.js";
import { readManifest } from "./manifest.js";
import type { Manifest } from "./manifest_fields.js";
import { sha256 } from "./sha256.js";
import { checkSigned, MOST_SIGNATURE_BYTES } from "./signature.js";

const MOST_MANIFEST_BYTES = 16_000_000;

/** Gives the bytes of one file of a bundle by its path in it; it need not read more than `most` bytes and one. */
export type FileSource = (path: string, most: number) => Promise<ArrayBuffer>;

/** Called with a file that was read, how many of them are, and how many there are. */
export type FileProgress = (path: string, done: number, total: number) => void;

/** A manifest and the bytes of its graphs (and of golden.npz, where asked for), all equal to their hashes. */
export class Bundle {
  private constructor(
    readonly manifest: Manifest,
    private readonly files: Map<string, ArrayBuffer>,
  ) {}

  /**
   * Read a bundle.
   *
   * @param source a URL of the bundle's folder that ends in "/", or a function that gives files.
   * @param golden whether golden.npz is read too; an app does not need it.
   * @param progress called after each file, in the order in which they come.
   * @param trust public keys, "ed25519:BASE64", of which one must have signed the bundle; without any it is opened
   *   whoever made it. Held against the bytes of the manifest before anything of it is used.
   * @throws BundleError a file is missing, differs from the manifest, or the manifest itself is wrong.
   * @throws UntrustedBundle no trusted key signed it, it was changed since, or the signature has expired.
   * @throws RuntimeUnavailable the page may not compute hashes, as it was not loaded over HTTPS.
   */
  static async open(
    source: string | FileSource,
    golden = false,
    progress?: FileProgress,
    trust?: string | readonly string[],
  ): Promise<Bundle> {
    const read = typeof source === "string" ? fromUrl(source) : source;
    const content = await read("manifest.json", MOST_MANIFEST_BYTES);
    const text = decoded(content);
    if (trust !== undefined) await checkSigned("the bundle", content, await signatureOf(read), trust);
    const manifest = readManifest(text);
    const wanted = Object.values(manifest.graphs).map((graph) => graph.file);
    if (golden) wanted.push("golden.npz");
    const files = new Map<string, ArrayBuffer>();
    let done = 0;
    let ended = false;
    const reads = wanted.map(async (path) => {
      files.set(path, await readChecked(read, manifest, path));
      if (!ended) progress?.(path, ++done, wanted.length);
    });
    // The other files are still on their way when one is refused; nobody is told of them any more.
    await Promise.all(reads).catch((error: unknown) => {
      ended = true;
      throw error;
    });
    return new Bundle(manifest, files);
  }

  /** The bytes of a file. @throws BundleError it was not read. */
  file(path: string): ArrayBuffer {
    const content = this.files.get(path);
    if (!content) throw new BundleError(`${path} was not read from the bundle ${this.manifest.name}`);
    return content;
  }
}

/** Whatever keeps it from being read, a bundle without a signature is not trusted. */
async function signatureOf(read: FileSource): Promise<ArrayBuffer | null> {
  try {
    return await read("manifest.sig", MOST_SIGNATURE_BYTES);
  } catch {
    return null;
  }
}

function decoded(content: ArrayBuffer): string {
  if (content.byteLength > MOST_MANIFEST_BYTES) {
    throw new BundleError(`manifest.json has more than the ${MOST_MANIFEST_BYTES} bytes that are allowed`);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(content);
  } catch {
    throw new BundleError("manifest.json is not UTF-8; convert the bundle again");
  }
}

async function readChecked(read: FileSource, manifest: Manifest, path: string): Promise<ArrayBuffer> {
  const spec = manifest.files.find((file) => file.path === path);
  if (!spec) throw new BundleError(`${path} is not listed in the manifest; convert the bundle again`);
  const content = await read(path, spec.bytes);
  if (content.byteLength !== spec.bytes) {
    throw new BundleError(
      `${path} differs from the manifest: ${content.byteLength} bytes instead of ${spec.bytes}; convert or copy it again`,
    );
  }
  if ((await sha256(content)) !== spec.sha256) {
    throw new BundleError(
      `${path} differs from the manifest: its sha256 is another; it was changed or damaged after the bundle was ` +
        "written: convert or copy it again",
    );
  }
  return content;
}

function fromUrl(base: string): FileSource {
  return async (path, most) => {
    let response: Response;
    try {
      // Each part is encoded: an address has ways of its own to say "..".
      response = await fetch(base + path.split("/").map(encodeURIComponent).join("/"));
    } catch {
      throw new BundleError(`${path} could not be fetched: the network is gone, or the server has ended`);
    }
    if (!response.ok) throw new BundleError(`${path} could not be fetched: the server answered ${response.status}`);
    try {
      return await readAtMost(response, most);
    } catch {
      throw new BundleError(`${path} broke off while it was fetched: the network is gone, or the server has ended`);
    }
  };
}

/** The body of an answer, and no more of it than one byte too many. */
async function readAtMost(response: Response, most: number): Promise<ArrayBuffer> {
  const reader = response.body?.getReader();
  if (!reader) return await response.arrayBuffer();
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  while (size <= most) {
    const { done, value } = await reader.read();
    if (done) break;
    pieces.push(value as Uint8Array<ArrayBuffer>);
    size += value.byteLength;
  }
  if (size > most) await reader.cancel();
  return await new Blob(pieces).arrayBuffer();
}
