/** The golden file of all ports, which mer_converters.emit.golden writes: arrays of float32 by name. */
export interface GoldenArray {
  shape: number[];
  data: Float32Array;
}

export type Golden = ReadonlyMap<string, GoldenArray>;

export function readGoldenFile(content: ArrayBuffer): Golden {
  const view = new DataView(content);
  let place = 8;
  const number = () => {
    place += 4;
    return view.getUint32(place - 4, true);
  };
  const arrays = new Map<string, GoldenArray>();
  for (let left = number(); left > 0; left--) {
    const length = number();
    const name = new TextDecoder().decode(new Uint8Array(content, place, length));
    place += length;
    const shape = Array.from({ length: number() }, number);
    const size = shape.reduce((a, b) => a * b, 1);
    // Names have any length, so that values begin anywhere.
    arrays.set(name, { shape, data: new Float32Array(content.slice(place, place + 4 * size)) });
    place += 4 * size;
  }
  return arrays;
}

/** One array. @throws Error it is not there. */
export function of(golden: Golden, name: string): GoldenArray {
  const found = golden.get(name);
  if (!found) throw new Error(`the golden file has no ${name}`);
  return found;
}

/** Row `index` of an array, of its first axis. */
export function row(golden: Golden, name: string, index: number): Float32Array {
  const { shape, data } = of(golden, name);
  const size = data.length / shape[0]!;
  return data.slice(index * size, (index + 1) * size);
}

/** Texts that are stored one after the other, with the length of each in bytes. */
export function texts(golden: Golden, name: string): string[] {
  const bytes = Uint8Array.from(of(golden, name).data);
  let place = 0;
  return [...of(golden, `${name}_bytes`).data].map((length) => {
    place += length;
    return new TextDecoder().decode(bytes.subarray(place - length, place));
  });
}

/** @throws Error a value is further from what is wanted than allowed, or there are more or fewer. */
export function near(found: ArrayLike<number>, wanted: ArrayLike<number>, most: number, what: string): void {
  if (found.length !== wanted.length) throw new Error(`${what}: ${found.length} values, wanted ${wanted.length}`);
  for (let index = 0; index < wanted.length; index++) {
    if (!(Math.abs(found[index]! - wanted[index]!) <= most)) {
      throw new Error(`${what}: value ${index} is ${found[index]}, wanted ${wanted[index]}`);
    }
  }
}
