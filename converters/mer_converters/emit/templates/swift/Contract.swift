// @generated@

/// The contract of @bundle_name@: model @model@, scheme @scheme@, for @runtime@.
///
/// Checkpoint sha256 @checkpoint@.
public enum Contract {
    /// The clock: one estimate a step; the fusion graph reads a window of the last steps.
    public static let stepMilliseconds = @step_ms@
    public static let windowSteps = @window_steps@
//#if audio

    /// Sound: mono, -1 to 1. The chunk of a step ends with the step.
    public static let sampleRate = @sample_rate@
    public static let stepSamples = @step_samples@
    public static let chunkSamples = @chunk_samples@
//#end
//#if face

    /// Faces: a square RGB crop, 0 to 255, whose side is the larger one of the box times 1 + 2 * margin.
    public static let cropSize = @crop_size@
    public static let cropMargin = @margin@
    /// A crop whose brightest value is at most this is no face.
    public static let blackLevel: Float = @swift_black_level@
//#end

    /// The personal baseline: the population's mean counts as so many steps.
    public static let priorSteps = @prior_steps@

    /// The decision by what the window holds: bit m of the index is set where it holds modality m.
    public static let decisions = [
@decisions@
    ]

@graphs@
}

/// What the model tells apart, in the order of its logits.
public enum Emotion: String, CaseIterable, Codable, Sendable {
@emotions@

    /// Valence and arousal, -1 to 1: Russell and Mehrabian 1977; "neutral" and "calm" are the origin.
    public var affect: (valence: Double, arousal: Double) {
        switch self {
@affect@
        }
    }
}

/// Logits are divided by the temperature; below the threshold the emotion is unknown.
public struct Decision: Sendable {
    public let temperature: Double
    public let abstentionThreshold: Double
}

/// What the fusion graph reads, in the order of its inputs and of its reliance.
public enum Modality: String, CaseIterable, Codable, Sendable {
@modalities@

    /// Length of the feature vector.
    public var features: Int { populationMean.count }

    var populationMean: [Double] {
        switch self {
@mean_cases@
        }
    }
}

@means@

/// One float32 input or output of a graph.
public struct TensorInfo: Sendable {
    public let name: String
    public let shape: [Int]
    public var elements: Int { shape.reduce(1, *) }
}

/// A graph of the bundle: its package, and its inputs and outputs in order.
public struct GraphInfo: Sendable {
    public let name: String
    public let inputs: [TensorInfo]
    public let outputs: [TensorInfo]
}
