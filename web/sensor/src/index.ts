export { Bundle, type FileSource } from "./contract/bundle.js";
export { readManifest, SCHEMA_VERSION } from "./contract/manifest.js";
export {
  type FinderContract,
  type GraphSpec,
  type Manifest,
  modalities,
  type Target,
  type TensorSpec,
} from "./contract/manifest_fields.js";
export { type NpyArray, readNpz } from "./contract/npz.js";
export { sha256 } from "./contract/sha256.js";
export { checkSigned } from "./contract/signature.js";
export { Conversation, type ConversationOptions, type Utterance } from "./dialogue/conversation.js";
export { EstimateStream } from "./dialogue/estimate_stream.js";
export { type LiveCounts, LiveConversation, type LiveSettings, type Recogniser } from "./dialogue/live_conversation.js";
export type { LiveOptions } from "./dialogue/options.js";
export { type Cut, UtteranceCutter, type UtteranceOptions, utteranceRules } from "./dialogue/utterances.js";
export { DialogueEngine, type DialogueOutput, type EncodeText, speakerNumbers } from "./dialogue/engine.js";
export { BundleError, MerError, OptionError, RuntimeUnavailable, sentence, SignalError, StreamError, UntrustedBundle } from "./errors.js";
export { ActiveSpeaker, soundLevel } from "./frontends/active_speaker.js";
export { AudioFrontend, toMono } from "./frontends/audio.js";
export { MonoMix } from "./frontends/downmix.js";
export {
  type Box,
  cropFace,
  type Detection,
  type FaceFinder,
  type FaceView,
  type Frame,
  overlap,
  type Region,
  resizeTriangle,
} from "./frontends/face_crop.js";
export { browserFinder, CentreFinder, type Found, GraphFinder, letterboxed, openFinder, suppressed } from "./frontends/face_finder.js";
export { describe, IdentityMemory, similarity } from "./frontends/face_identity.js";
export { correlation, facePatch } from "./frontends/face_patch.js";
export { FaceTracker } from "./frontends/face_tracking.js";
export { type FaceOptions, FaceTracks, type TimedFrame, type TrackedFace } from "./frontends/face_tracks.js";
export { Resampler } from "./frontends/resampler.js";
export { fetchVoiceModel, SileroModel } from "./frontends/silero.js";
export { splitWords, TextFrontend } from "./frontends/text.js";
export { type SpeechModel, VoiceActivity, type VoiceOptions } from "./frontends/voice_activity.js";
export { type FinderCase, findingErrors, readFinderCases } from "./parity/face_finder_golden.js";
export { array, type CaseOutput, type GoldenCase, isNear, maxError, rawRow, readGolden, runCase, sqnr } from "./parity/golden.js";
export type { Graph, Tensors } from "./runtimes/graph.js";
export { hasWebGpu, type Provider } from "./runtimes/onnx.js";
export { loadGraphs, mostThreads, type RuntimeOptions } from "./runtimes/runtime.js";
export { hasSimd } from "./runtimes/simd.js";
export { StreamAlignment, type StepInput } from "./window/alignment.js";
export { PersonalBaseline } from "./window/baseline.js";
export { argmax, decide, decisionOf, norm, softmax } from "./window/decision.js";
export { encodeRow, StepEngine, type StepFeatures, type StepOutput } from "./window/engine.js";
export { type EmotionEstimate, NOTHING, stateOf, UNKNOWN, type UtteranceEstimate } from "./window/estimate.js";
export { FeatureWindow } from "./window/feature_window.js";
export { postprocess } from "./window/postprocessing.js";
export { EmotionSensor, type SensorOptions } from "./window/sensor.js";
export { Smoother, type Smoothing } from "./window/smoothing.js";
export { type CameraOptions, LiveCamera, startCamera } from "./live/camera.js";
export { type Opened, openDevices } from "./live/devices.js";
export { type ListeningOptions, LiveListening, startConversation } from "./live/listening.js";
export type { SensorInfo, SpokenUtterance } from "./live/local.js";
export type { LiveInfo } from "./live/local_live.js";
export { openConversation, openSensor, type Sensor, type Talk } from "./live/open.js";
export type { LiveTalkOptions, ModelOptions, OpenOptions, Progress } from "./live/options.js";
export type { Picture } from "./live/pictures.js";
export { type LiveTalk, openLiveConversation } from "./live/talk.js";
