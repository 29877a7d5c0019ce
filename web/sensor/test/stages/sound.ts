/** Sound: its rate, silence, the chunks of steps, and voice activity. */
import { AudioFrontend, MonoMix, Resampler, StepEngine, VoiceActivity } from "../../src/index.js";
import { near, of, row } from "../golden_file.js";
import { type Check, pairs, Recorder } from "./check.js";

export const resampling: Check = (golden, manifest) => {
  for (const [index, [rate, channels]] of pairs(of(golden, "stage_resample_cases").data).entries()) {
    const prefix = `stage_resample${index}_`;
    const pcm = planes(of(golden, `${prefix}pcm`).data, channels);
    const [mix, resampler] = [new MonoMix(rate), new Resampler(rate, manifest.audio.sample_rate)];
    const made: number[] = [];
    let place = 0;
    for (const piece of of(golden, `${prefix}pieces`).data) {
      made.push(...resampler.push(mix.push(pcm.map((plane) => plane.slice(place, place + piece)))));
      place += piece;
    }
    made.push(...resampler.push(mix.flush()), ...resampler.flush());
    near(made, of(golden, `${prefix}out`).data, 1e-5, `${channels} channels at ${rate} Hz`);
  }
};

export const silence: Check = (golden, manifest) => {
  const rate = of(golden, "stage_silence_rate").data[0]!;
  const pcm = of(golden, "stage_silence_pcm").data;
  const frontend = new AudioFrontend(manifest.audio, manifest.clock);
  const covered: number[] = [];
  let place = 0;
  for (const piece of of(golden, "stage_silence_pieces").data) {
    covered.push(...frontend.push([pcm.slice(place, place + piece)], rate).map((one) => Number(one.covered)));
    place += piece;
  }
  covered.push(...frontend.flush().map((one) => Number(one.covered)));
  near(covered, of(golden, "stage_silence_covered").data, 0, "which steps have sound");
};

export const chunks: Check = (golden, manifest) => {
  const sound = of(golden, "host_sound").data;
  const frontend = new AudioFrontend(manifest.audio, manifest.clock);
  const made: number[] = [];
  let place = 0;
  for (const piece of of(golden, "host_pieces").data) {
    const steps = frontend.push([sound.slice(place, place + piece)], manifest.audio.sample_rate);
    for (const { chunk } of steps) made.push(...chunk);
    place += piece;
  }
  for (const { chunk } of frontend.flush()) made.push(...chunk);
  near(made, of(golden, "host_chunks").data, 0, "chunks");
};

export const voice: Check = async (golden, manifest) => {
  const step = Math.floor((manifest.audio.sample_rate * manifest.clock.step_ms) / 1000);
  const probabilities = of(golden, "stage_voice_probabilities").data;
  const at = golden.has("stage_voice_window_at") ? of(golden, "stage_voice_window_at").data[0]! : -1;
  for (const [index, [threshold, hangover]] of pairs(of(golden, "stage_voice_options").data).entries()) {
    let next = 0;
    const model = { reset: () => undefined, probability: async () => probabilities[next++]! };
    const activity = new VoiceActivity(model, { threshold, hangover });
    const fusion = new Recorder(manifest);
    const engine = new StepEngine(manifest, { fusion });
    let before: (Float32Array | null)[] = [];
    const [masks, said, open]: [number[], number[], number[]] = [[], [], []];
    let window: ArrayLike<number> = [];
    for (const [number, present] of of(golden, "stage_voice_present").data.entries()) {
      const heard = present ? row(golden, "stage_voice_rows", number) : null;
      let speech = -1;
      if (heard) speech = Number(await activity.step(new Float32Array(step)));
      else activity.gap(step);
      // As `EmotionSensor` does it.
      if (speech === 1 && before.length) engine.recallSound(before);
      before = activity.undecided ? [...before, heard] : [];
      fusion.given = null;
      await engine.advance({ audio: speech === 0 ? null : heard, face: null });
      said.push(speech);
      open.push(Number(activity.undecided));
      masks.push(...Array.from(fusion.seen("audio_mask")));
      if (at < 0 || at === number) window = fusion.seen("audio");
    }
    near(said, row(golden, "stage_voice_speech", index), 0, "speech");
    near(open, row(golden, "stage_voice_undecided", index), 0, "undecided");
    near(masks, row(golden, "stage_voice_window_mask", index), 0, "sound in the window");
    near(window, row(golden, "stage_voice_window", index), 1e-5, "window of sound");
  }
};

/** [n x channels] to an array a channel. */
function planes(pcm: Float32Array, channels: number): Float32Array[] {
  return Array.from({ length: channels }, (_, channel) => pcm.filter((_, i) => i % channels === channel));
}
