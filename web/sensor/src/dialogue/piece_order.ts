/** In which order pieces of live sound are used, and which come twice; see mer_sdk.live.piece_order. */
import { GAP_SECONDS } from "../frontends/audio.js";

/** Sound that begins this close to where the last piece ended goes on from there, samples. */
export const SEAMLESS = 0.5;
/** A piece that was sent twice comes again within so many pieces. */
const REMEMBERED = 32;

/** Where a piece begins and ends by its time stamp, seconds, and the how manieth came. */
export interface Place {
  begin: number;
  end: number;
  order: number;
}

/**
 * Which of the pieces that wait is used next, where none joins the sound before them.
 *
 * Stamps of a microphone jitter by more than half of a short piece. So the one that came first goes first, unless the
 * stamps are exact: then one piece begins where another ends.
 *
 * @param waiting in order of their beginnings. @param rate of the first one, Hz.
 */
export function nextPiece(waiting: readonly Place[], rate: number): number {
  const { begin, end } = waiting[0]!;
  if (waiting.slice(1).some((other) => Math.abs(other.begin - end) * rate <= SEAMLESS)) return 0;
  let found = 0;
  waiting.forEach((other, index) => {
    if (other.begin - begin <= GAP_SECONDS && other.order < waiting[found]!.order) found = index;
  });
  return found;
}

/** Knows the last pieces of a stream again: one that is sent twice would be sound that nobody made. */
export class Repeats {
  private readonly last: { time: number; channels: readonly Float32Array[] }[] = [];

  /** Whether the same samples came with the same time stamp; silence never has. */
  seen(time: number, channels: readonly Float32Array[], rate: number): boolean {
    const moves = channels.some((channel) => channel.some((value) => value !== channel[0]));
    const before = this.last.some(
      (other) => Math.abs(other.time - time) * rate <= SEAMLESS && same(other.channels, channels),
    );
    if (before && moves) return true;
    this.last.push({ time, channels });
    if (this.last.length > REMEMBERED) this.last.shift();
    return false;
  }
}

function same(a: readonly Float32Array[], b: readonly Float32Array[]): boolean {
  return (
    a.length === b.length &&
    a.every((channel, index) => {
      const other = b[index]!;
      return channel.length === other.length && channel.every((value, place) => value === other[place]);
    })
  );
}
