export { AudioFrontend, toMono } from "./audio";
export { PersonalBaseline } from "./baseline";
export { Bundle, type FileSource } from "./bundle";
export { argmax, decide, decisionOf, norm, softmax, stateOf, NOTHING, UNKNOWN } from "./decision";
export { encodeRow, StepEngine, type StepFeatures, type StepOutput } from "./engine";
export { BundleError, MerError, OptionError, RuntimeUnavailable, sentence, SignalError, UntrustedBundle } from "./errors";
export {
  type Box,
  cropFace,
  type Detection,
  type FaceFinder,
  FaceTracker,
  type FaceView,
  type Frame,
  overlap,
  type Region,
  resizeTriangle,
} from "./face";
export { browserFinder, CentreFinder, type Found, GraphFinder, letterboxed, openFinder, suppressed } from "./finder";
export { type FinderCase, findingErrors, readFinderCases } from "./finder_golden";
export { array, type CaseOutput, type GoldenCase, isNear, maxError, rawRow, readGolden, runCase, sqnr } from "./golden";
export type { Graph, Tensors } from "./graph";
export { StreamAlignment, type StepInput } from "./alignment";
export { type FinderContract, type GraphSpec, type Manifest, modalities, readManifest, SCHEMA_VERSION, type Target, type TensorSpec } from "./manifest";
export { type NpyArray, readNpz } from "./npz";
export { Resampler } from "./resampler";
export { checkSigned } from "./signature";
export { sha256 } from "./sha256";
export { hasWebGpu, type Provider } from "./onnx";
export { hasSimd, loadGraphs, mostThreads, type RuntimeOptions } from "./runtime";
export { type EmotionEstimate, EmotionSensor, type SensorOptions } from "./sensor";
