/** Silero VAD by onnxruntime-web, from a model file of the app: silero_vad.onnx of snakers4/silero-vad, version 5 or later (MIT). */
import { OptionError } from "../errors.js";
import { type OrtSession, type OrtTensors, openSession } from "../runtimes/onnx.js";
import { PIECE_SAMPLES, type SpeechModel, VOICE_RATE } from "./voice_activity.js";

// The network hears so many samples of the piece before, and carries a state from piece to piece.
const CONTEXT = 64;
const STATE: readonly number[] = [2, 1, 128];

/** One stream's network. */
export class SileroModel implements SpeechModel {
  private state = new Float32Array(0);
  private context = new Float32Array(0);

  private constructor(private readonly session: OrtSession) {
    this.reset();
  }

  /**
   * @param content the bytes of the model file.
   * @param ort see `RuntimeOptions.ort`.
   * @throws OptionError the file is not Silero VAD.
   */
  static async open(content: ArrayBuffer, ort?: string): Promise<SileroModel> {
    let session: OrtSession;
    try {
      session = await openSession(content, ort);
    } catch (error) {
      throw new OptionError(`the voice model cannot be loaded (${String(error)}); give Silero VAD's silero_vad.onnx`);
    }
    const names = session.inputs.join();
    if (names !== "input,state,sr") {
      throw new OptionError(`the voice model reads ${names}; give Silero VAD's silero_vad.onnx, which reads input,state,sr`);
    }
    return new SileroModel(session);
  }

  /** The same network for another stream: the file is loaded once. */
  another(): SileroModel {
    return new SileroModel(this.session);
  }

  reset(): void {
    this.state = new Float32Array(STATE.reduce((a, b) => a * b));
    this.context = new Float32Array(CONTEXT);
  }

  async probability(piece: Float32Array): Promise<number> {
    const input = new Float32Array(CONTEXT + PIECE_SAMPLES);
    input.set(this.context);
    input.set(piece, CONTEXT);
    const given: OrtTensors = {
      input: [input, [1, input.length]],
      state: [this.state, STATE],
      sr: [BigInt64Array.of(BigInt(VOICE_RATE)), []],
    };
    const [output, state] = await this.session.run(given);
    this.context = piece.slice(-CONTEXT);
    this.state = state!.slice();
    return output![0]!;
  }
}

/**
 * The model file at a URL.
 *
 * @throws OptionError it is not there.
 */
export async function fetchVoiceModel(url: string): Promise<ArrayBuffer> {
  const why = "give the address of Silero VAD's silero_vad.onnx";
  let response: Response;
  try {
    response = await fetch(url);
  } catch {
    throw new OptionError(`the voice model ${url} could not be fetched: the network is gone, or it lies elsewhere; ${why}`);
  }
  if (!response.ok) throw new OptionError(`the voice model ${url} is not there (the server answered ${response.status}); ${why}`);
  return await response.arrayBuffer();
}
