/** From one utterance to the ids that a text graph reads, by the rules of mer_sdk.frontends.text, which are part of the contract. */
import type { TextContract } from "../contract/manifest_fields.js";
import { OptionError, SignalError } from "../errors.js";

const LONGEST_WORD = 24;
const LONGEST_MARK = 3;
const APOSTROPHE = 0x27;
const QUOTES = [0x60, 0xb4, 0x2bc, 0x2018, 0x2019, 0x201a, 0x201b, 0x2032];
const DOUBLE_QUOTES = [0xab, 0xbb, 0x201c, 0x201d, 0x201e, 0x201f, 0x2033];
const DASHES = [0x2010, 0x2011, 0x2012, 0x2013, 0x2014, 0x2015, 0x2212];
const REPLACED = new Map([
  ...QUOTES.map((point) => [point, "'"] as const),
  ...DOUBLE_QUOTES.map((point) => [point, '"'] as const),
  ...DASHES.map((point) => [point, "-"] as const),
]);
type Ranges = readonly (readonly [number, number])[];
const DROPPED: Ranges = [
  [0x300, 0x36f],
  [0x200b, 0x200f],
  [0x2060, 0x2064],
  [0xfe00, 0xfe0f],
  [0xfeff, 0xfeff],
  [0x1f3fb, 0x1f3ff],
];
const SPACES: Ranges = [
  [0x0, 0x20],
  [0x7f, 0xa0],
  [0x1680, 0x1680],
  [0x2028, 0x2029],
];
const MARKS: Ranges = [
  [0x21, 0x2f],
  [0x3a, 0x40],
  [0x5b, 0x60],
  [0x7b, 0x7e],
  [0xa1, 0xbf],
  [0xd7, 0xd7],
  [0xf7, 0xf7],
  [0x2016, 0x2027],
  [0x2030, 0x205e],
  [0x20a0, 0x20cf],
  [0x2190, 0x2bff],
  [0x3001, 0x303f],
  [0x1f000, 0x1faff],
];

/** Turns utterances into the ids of a contract. */
export class TextFrontend {
  /** @throws OptionError the contract's numbers or hash are none that this front end knows. */
  constructor(readonly contract: TextContract) {
    const { words, slots, buckets, ngrams, hash } = contract;
    if (hash !== "fnv1a-32") throw new OptionError(`the text contract asks for the hash ${hash}; known is fnv1a-32`);
    if (words < 1 || slots < 1 || buckets < 2 || !(1 <= ngrams[0] && ngrams[0] <= ngrams[1])) {
      throw new OptionError(
        `the text contract has words ${words}, slots ${slots}, buckets ${buckets}, n-grams ${ngrams[0]} to ` +
          `${ngrams[1]}; allowed are 1 or more, buckets from 2, n-grams in rising order`,
      );
    }
  }

  /**
   * [words x slots] of one utterance, values 0 to `buckets - 1`; all 0 where it has no word.
   *
   * @throws SignalError half of a surrogate pair.
   */
  ids(text: string): Int32Array {
    const { words, slots, buckets } = this.contract;
    const result = new Int32Array(words * slots);
    for (const [row, word] of splitWords(text).slice(0, words).entries()) {
      for (const [slot, part] of this.subwords(word).entries()) {
        result[row * slots + slot] = 1 + (fnv1a32(new TextEncoder().encode(part)) % (buckets - 1));
      }
    }
    return result;
  }

  /** What is hashed of one word, in the order of the slots: the marked word, then n-grams spread over it. */
  subwords(word: string): string[] {
    const marked = ["<", ...word, ">"];
    const [shortest, longest] = this.contract.ngrams;
    const found: string[] = [];
    for (let start = 0; start < marked.length; start++) {
      for (let length = shortest; length <= Math.min(longest, marked.length - 1); length++) {
        if (start + length <= marked.length) found.push(marked.slice(start, start + length).join(""));
      }
    }
    const room = this.contract.slots - 1;
    if (found.length <= room) return [marked.join(""), ...found];
    const apart = (index: number) => Math.floor((index * (found.length - 1)) / Math.max(room - 1, 1));
    return [marked.join(""), ...Array.from({ length: room }, (_, index) => found[apart(index)]!)];
  }
}

/** All words of an utterance, normalised and cut. @throws SignalError half of a surrogate pair. */
export function splitWords(text: string): string[] {
  const points = normalised(text);
  const kinds = points.map(kindOf);
  for (let i = 1; i < points.length - 1; i++) {
    const between = kinds[i - 1] === "letter" && kinds[i + 1] === "letter";
    if (points[i]!.codePointAt(0) === APOSTROPHE && between) kinds[i] = "letter";
  }
  const words: string[] = [];
  let start = 0;
  for (let end = 1; end <= points.length; end++) {
    const kind = kinds[start];
    const same = end < points.length && kinds[end] === kind && (kind !== "mark" || points[end] === points[start]);
    if (same) continue;
    if (kind !== "space") words.push(points.slice(start, end).slice(0, kind === "mark" ? LONGEST_MARK : LONGEST_WORD).join(""));
    start = end;
  }
  return words;
}

/** FNV-1a hash of 32 bits (Fowler, Noll, Vo; RFC 9923). */
export function fnv1a32(bytes: Uint8Array): number {
  let value = 2166136261;
  for (const byte of bytes) value = Math.imul(value ^ byte, 16777619) >>> 0;
  return value;
}

/** @throws SignalError half of a surrogate pair. */
export function checkWords(text: string): void {
  const half = /\p{Surrogate}/u.exec(text);
  if (half) {
    throw new SignalError(
      `the text has half of a surrogate pair at position ${half.index}, which no UTF-8 can hold; decode it anew, or ` +
        "replace it by U+FFFD",
    );
  }
}

/** Code points, one string each. */
function normalised(text: string): string[] {
  checkWords(text);
  const replaced = Array.from(text, (point) => REPLACED.get(point.codePointAt(0)!) ?? point).join("");
  const kept = [...replaced.normalize("NFKD")].filter((point) => !within(point.codePointAt(0)!, DROPPED));
  // Some letters become two code points in lower case.
  return kept.flatMap((point) => [...point.toLowerCase()]);
}

function kindOf(point: string): "space" | "mark" | "letter" {
  const number = point.codePointAt(0)!;
  if (within(number, SPACES)) return "space";
  return within(number, MARKS) ? "mark" : "letter";
}

function within(number: number, ranges: Ranges): boolean {
  return ranges.some(([low, high]) => low <= number && number <= high);
}
