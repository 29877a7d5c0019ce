/** A bundle's files, from wherever they lie, each held to its hash before anything reads it. */
import { BundleError, RuntimeUnavailable } from "./errors";
import { type Manifest, readManifest } from "./manifest";

/** Gives the bytes of one file of a bundle by its path in it. */
export type FileSource = (path: string) => Promise<ArrayBuffer>;

/** Called with the files read and how many there are. */
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
   * @throws BundleError a file is missing, differs from the manifest, or the manifest itself is wrong.
   * @throws RuntimeUnavailable the page may not compute hashes, as it was not loaded over HTTPS.
   */
  static async open(source: string | FileSource, golden = false, progress?: FileProgress): Promise<Bundle> {
    const read = typeof source === "string" ? fromUrl(source) : source;
    const manifest = readManifest(new TextDecoder().decode(await read("manifest.json")));
    const wanted = Object.values(manifest.graphs).map((graph) => graph.file);
    if (golden) wanted.push("golden.npz");
    const files = new Map<string, ArrayBuffer>();
    for (const [index, path] of wanted.entries()) {
      progress?.(path, index, wanted.length);
      const content = await read(path);
      await checkFile(manifest, path, content);
      files.set(path, content);
    }
    progress?.("", wanted.length, wanted.length);
    return new Bundle(manifest, files);
  }

  /** The bytes of a file. @throws BundleError it was not read. */
  file(path: string): ArrayBuffer {
    const content = this.files.get(path);
    if (!content) throw new BundleError(`${path} was not read from the bundle ${this.manifest.name}`);
    return content;
  }
}

/** The sha256 of some bytes, hexadecimal. @throws RuntimeUnavailable see `Bundle.open`. */
export async function sha256(content: ArrayBuffer): Promise<string> {
  if (!globalThis.crypto?.subtle) {
    throw new RuntimeUnavailable("this page was loaded without HTTPS, so the browser checks no hashes: use https://");
  }
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function checkFile(manifest: Manifest, path: string, content: ArrayBuffer): Promise<void> {
  const spec = manifest.files.find((file) => file.path === path);
  if (!spec) throw new BundleError(`${path} is not listed in the manifest; convert the bundle again`);
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
}

function fromUrl(base: string): FileSource {
  return async (path) => {
    let response: Response;
    try {
      response = await fetch(base + path);
    } catch {
      throw new BundleError(`${path} could not be fetched: the network is gone, or the server has ended`);
    }
    if (!response.ok) throw new BundleError(`${path} could not be fetched: the server answered ${response.status}`);
    try {
      return await response.arrayBuffer();
    } catch {
      throw new BundleError(`${path} broke off while it was fetched: the network is gone, or the server has ended`);
    }
  };
}
