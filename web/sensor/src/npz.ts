/** NumPy's .npz, as numpy.savez_compressed writes it: a zip archive of .npy arrays. No pickles. */
import { BundleError } from "./errors";

export type Values = Float32Array | Int32Array | Uint32Array | Uint8Array;

/** An array in C order. */
export interface NpyArray {
  shape: number[];
  data: Values;
}

const END = 0x06054b50;
const ENTRY = 0x02014b50;

/**
 * The arrays of an .npz by name.
 *
 * @throws BundleError not an .npz, damaged, or an array of a type other than float32, float64, int32, uint32, uint8.
 */
export async function readNpz(content: ArrayBuffer): Promise<Map<string, NpyArray>> {
  const view = new DataView(content);
  const arrays = new Map<string, NpyArray>();
  try {
    let place = endRecord(view);
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
      arrays.set(name.replace(/\.npy$/, ""), readNpy(await unpack(content.slice(start, start + packed), method)));
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

async function unpack(packed: ArrayBuffer, method: number): Promise<ArrayBuffer> {
  if (method === 0) return packed;
  if (method !== 8) throw new Error(`compression method ${method} is not known`);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return await new Response(stream).arrayBuffer();
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
  return { shape: sizes, data: values(content.slice(start + length), type, sizes.reduce((a, b) => a * b, 1)) };
}

function values(raw: ArrayBuffer, type: string, count: number): Values {
  if (type === "<f4") return new Float32Array(raw, 0, count);
  if (type === "<f8") return Float32Array.from(new Float64Array(raw, 0, count));
  if (type === "<i4") return new Int32Array(raw, 0, count);
  if (type === "<u4") return new Uint32Array(raw, 0, count);
  if (type === "|u1") return new Uint8Array(raw, 0, count);
  throw new Error(`an array has type ${type}`);
}
