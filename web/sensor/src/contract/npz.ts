/** NumPy's .npz, as numpy.savez_compressed writes it: a zip archive of .npy arrays. No pickles. */
import { BundleError } from "../errors.js";

export type Values = Float32Array | Int32Array | Uint32Array | Uint8Array;

/** An array in C order. */
export interface NpyArray {
  shape: number[];
  data: Values;
}

// Of all arrays together: mer_sdk.contract.golden.MOST_BYTES.
const MOST_BYTES = 2 ** 28;
const END = 0x06054b50;
const ENTRY = 0x02014b50;

/**
 * The arrays of an .npz by name.
 *
 * @param most bytes of all arrays together.
 * @throws BundleError not an .npz, damaged, an array of a type other than float32, float64, int32, uint32, uint8, or more
 *   than `most` bytes.
 */
export async function readNpz(content: ArrayBuffer, most = MOST_BYTES): Promise<Map<string, NpyArray>> {
  const view = new DataView(content);
  const arrays = new Map<string, NpyArray>();
  try {
    let place = endRecord(view);
    let left = most;
    const count = view.getUint16(place + 10, true);
    place = view.getUint32(place + 16, true);
    for (let index = 0; index < count; index++) {
      if (view.getUint32(place, true) !== ENTRY) throw new Error("its directory is damaged");
      const method = view.getUint16(place + 10, true);
      const packed = view.getUint32(place + 20, true);
      const [nameBytes, extra, comment] = [28, 30, 32].map((offset) => view.getUint16(place + offset, true)) as number[];
      const local = view.getUint32(place + 42, true);
      const name = new TextDecoder().decode(new Uint8Array(content, place + 46, nameBytes!));
      const start = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
      const unpacked = await unpack(content.slice(start, start + packed), method, left);
      left -= unpacked.byteLength;
      arrays.set(name.replace(/\.npy$/, ""), readNpy(unpacked));
      place += 46 + nameBytes! + extra! + comment!;
    }
  } catch (error) {
    throw new BundleError(`the .npz file cannot be read (${(error as Error).message}); convert the bundle again`);
  }
  return arrays;
}

function endRecord(view: DataView): number {
  // The end record has 22 bytes and may be followed by a comment; numpy writes none.
  for (let place = view.byteLength - 22; place >= 0; place--) {
    if (view.getUint32(place, true) === END) return place;
  }
  throw new Error("it is no zip archive");
}

/** The bytes of one array, and no more of them than `most`: a few packed bytes may claim to be gigabytes. */
async function unpack(packed: ArrayBuffer, method: number, most: number): Promise<ArrayBuffer> {
  if (method !== 0 && method !== 8) throw new Error(`compression method ${method} is not known`);
  const given = new Blob([packed]).stream();
  const reader = (method === 0 ? given : given.pipeThrough(new DecompressionStream("deflate-raw"))).getReader();
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  for (let size = 0; ; ) {
    const { done, value } = await reader.read();
    if (done) return await new Blob(pieces).arrayBuffer();
    size += value.byteLength;
    if (size > most) {
      await reader.cancel();
      throw new Error("its arrays have more bytes than are allowed");
    }
    pieces.push(value);
  }
}

function readNpy(content: ArrayBuffer): NpyArray {
  const bytes = new Uint8Array(content);
  if (bytes[0] !== 0x93 || new TextDecoder().decode(bytes.subarray(1, 6)) !== "NUMPY") throw new Error("no .npy array");
  const view = new DataView(content);
  const long = bytes[6]! >= 2;
  const start = long ? 12 : 10;
  const length = long ? view.getUint32(8, true) : view.getUint16(8, true);
  const header = new TextDecoder().decode(bytes.subarray(start, start + length));
  const type = /'descr':\s*'([^']+)'/.exec(header)?.[1];
  const shape = /'shape':\s*\(([^)]*)\)/.exec(header)?.[1];
  if (!type || shape === undefined || !/'fortran_order':\s*False/.test(header)) throw new Error("an .npy header is wrong");
  const sizes = shape.split(",").filter((part) => part.trim()).map(Number);
  if (!sizes.every((size) => Number.isInteger(size) && size >= 0)) throw new Error("an .npy header has no shape");
  return { shape: sizes, data: values(content.slice(start + length), type, sizes.reduce((a, b) => a * b, 1)) };
}

function values(raw: ArrayBuffer, type: string, count: number): Values {
  const bytes = { "<f4": 4, "<f8": 8, "<i4": 4, "<u4": 4, "|u1": 1 }[type];
  if (!bytes) throw new Error(`an array has type ${type}`);
  // A header may claim more than the file holds.
  if (count * bytes !== raw.byteLength) throw new Error("an array does not hold what its header says");
  if (type === "<f4") return new Float32Array(raw);
  if (type === "<f8") return Float32Array.from(new Float64Array(raw));
  if (type === "<i4") return new Int32Array(raw);
  return type === "<u4" ? new Uint32Array(raw) : new Uint8Array(raw);
}
