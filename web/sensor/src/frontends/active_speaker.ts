/**
 * Who speaks: the face whose mouth region moves with the sound: mer_sdk.frontends.active_speaker. Motion is what is left
 * between two grey pictures of the mouth once the faces are laid over each other, against what is left of eyes and nose.
 */
import type { Box, Frame } from "./face_crop.js";
import { correlation, facePatch, type Grey, meanOf, part } from "./face_patch.js";

// Seconds over which sound and motion are compared.
const WINDOW_SECONDS = 2;
// Side of the grey pictures, and by how much two may be shifted against each other, pixels.
const FACE = 32;
const SHIFT = 4;
// In a frontal finder's box: the mouth, and what moves with the head alone, as rows and columns of the picture.
const MOUTH = [21, 31, 9, 23] as const;
const REST = [7, 20, 7, 25] as const;
// Change that a camera's noise makes, in standard deviations of the face.
const NOISE = 0.02;
// The sound's level counts between these, dB re full scale.
const QUIET = -60;
const LOUD = -20;
// Weight of motion while there is sound, against motion that rises with it.
const ACTIVITY = 0.5;
// Another face is preferred when its score is ahead by this factor, and by this much, for so many seconds.
const LEAD_FACTOR = 1.3;
const LEAD = 0.1;
const LEAD_SECONDS = 0.5;
// Fewer comparisons than this say nothing.
const LEAST = 4;

interface Face {
  picture: Grey;
  time: number;
  timeline: { time: number; motion: number; level: number }[];
}

/** Chooses among faces by who speaks; the choice holds until another one is clearly ahead for 0.5 s. */
export class ActiveSpeaker {
  private faces = new Map<number, Face>();
  private preferred: number | null = null;
  private ahead: { key: number; time: number } | null = null;

  /** Begin anew, with nobody preferred. */
  reset(): void {
    this.faces.clear();
    this.preferred = this.ahead = null;
  }

  /** Forget what one face did. */
  forget(key: number): void {
    this.faces.delete(key);
    if (this.preferred === key) this.preferred = null;
  }

  /**
   * Look at the faces of one frame.
   *
   * @param time seconds, later than the frame's before.
   * @param level of the sound since that frame, 0-1 (see `soundLevel`); null where there is none.
   */
  watch(frame: Frame, boxes: ReadonlyMap<number, Box>, time: number, level: number | null): void {
    for (const [key, face] of this.faces) if (time - face.time > WINDOW_SECONDS) this.faces.delete(key);
    for (const [key, box] of boxes) {
      const wide = facePatch(frame, box, FACE + 2 * SHIFT, SHIFT / FACE);
      const picture = part(wide, SHIFT, SHIFT, FACE);
      const face = this.faces.get(key);
      if (!face) {
        this.faces.set(key, { picture, time, timeline: [] });
        continue;
      }
      if (level !== null) {
        const { scores, places } = correlation(face.picture, wide);
        let top = 0;
        for (let index = 1; index < scores.length; index++) if (scores[index]! > scores[top]!) top = index;
        const now = part(wide, Math.floor(top / places), top % places, FACE);
        face.timeline.push({ time, motion: motionOf(face.picture, now), level });
      }
      face.timeline = face.timeline.filter((one) => time - one.time <= WINDOW_SECONDS);
      face.picture = picture;
      face.time = time;
    }
  }

  /** How much a face's mouth goes with the sound; 0 where too little is known. Only compares faces. */
  score(key: number): number {
    const timeline = this.faces.get(key)?.timeline ?? [];
    if (timeline.length < LEAST) return 0;
    const [motions, levels] = [timeline.map((one) => one.motion), timeline.map((one) => one.level)];
    if (Math.max(...levels) <= 0) return 0;
    const [motion, level] = [meanOf(motions), meanOf(levels)];
    const spread = Math.sqrt(meanOf(levels.map((one) => (one - level) ** 2)));
    const rises = meanOf(timeline.map((one) => (one.motion - motion) * (one.level - level))) / Math.max(spread, 0.1);
    const weighted = timeline.reduce((sum, one) => sum + one.motion * one.level, 0);
    return rises + (ACTIVITY * weighted) / levels.reduce((a, b) => a + b, 0);
  }

  /** The face to prefer among these; null where there is none. The first choice is the largest face. */
  prefer(boxes: ReadonlyMap<number, Box>, time: number): number | null {
    if (!boxes.size) return null;
    let held = this.preferred;
    if (held === null || !boxes.has(held)) {
      this.ahead = null;
      this.preferred = held = largest(boxes.keys(), (key) => boxes.get(key)![2] * boxes.get(key)![3]);
    }
    const scores = new Map([...boxes.keys()].map((key) => [key, this.score(key)]));
    const best = largest(boxes.keys(), (key) => scores.get(key)!);
    if (best === held || scores.get(best)! < Math.max(scores.get(held)!, 0) * LEAD_FACTOR + LEAD) {
      this.ahead = null;
    } else if (this.ahead?.key !== best) {
      this.ahead = { key: best, time };
    } else if (time - this.ahead.time > LEAD_SECONDS - 1e-3) {
      this.preferred = best;
      this.ahead = null;
    }
    return this.preferred;
  }
}

/** The level of some sound, 0 (at most -60 dB) to 1 (at least -20 dB); null where there is no sample. */
export function soundLevel(samples: Float32Array): number | null {
  if (!samples.length) return null;
  let power = 0;
  for (const sample of samples) power += sample * sample;
  const decibels = 10 * Math.log10(power / samples.length + 1e-12);
  return Math.min(1, Math.max(0, (decibels - QUIET) / (LOUD - QUIET)));
}

/** Logarithm of how much more the mouth's region changed than eyes and nose; 0 for a face at rest. */
function motionOf(before: Grey, now: Grey): number {
  const [old, present] = [meanOf(before.values), meanOf(now.values)];
  const spread = Math.max(Math.sqrt(meanOf(before.values.map((value) => (value - old) ** 2))), 2);
  const change = (region: typeof MOUTH | typeof REST) => {
    const [top, bottom, left, right] = region;
    let sum = 0;
    for (let row = top; row < bottom; row++) {
      for (let column = left; column < right; column++) {
        const place = row * FACE + column;
        sum += Math.abs(now.values[place]! - present - (before.values[place]! - old)) / spread;
      }
    }
    return sum / ((bottom - top) * (right - left));
  };
  return Math.log((change(MOUTH) + NOISE) / (change(REST) + NOISE));
}

function largest(keys: Iterable<number>, value: (key: number) => number): number {
  return [...keys].reduce((best, key) => (value(key) > value(best) ? key : best));
}
