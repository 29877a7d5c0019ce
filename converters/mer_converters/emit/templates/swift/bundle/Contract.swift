// @generated@

/// The contract of @bundle_name@: model @model@, scheme @scheme@, for @runtime@.
///
/// Checkpoint sha256 @checkpoint@.
public enum Contract {
//#if sound
    /// The clock: a step has so many milliseconds, and with sound so many samples.
    public static let stepMilliseconds = @step_ms@

    /// Sound: mono, -1 to 1. The chunk of a step ends with the step.
    public static let sampleRate = @sample_rate@
    public static let stepSamples = @step_samples@
    public static let chunkSamples = @chunk_samples@

//#end
//#if window
    /// One estimate a step; the fusion graph reads a window of the last steps.
    public static let windowSteps = @window_steps@

//#end
//#if dialogue
    /// The window holds the last utterances; speakers from the last number on share it.
    public static let utterances = @utterances@
    public static let speakers = @speakers@

//#end
//#if text
    /// Words: the ids of hashed subwords.
    public static let textWords = @text_words@
    public static let textSlots = @text_slots@
    public static let textBuckets = @text_buckets@
    public static let textShortest = @shortest_ngram@
    public static let textLongest = @longest_ngram@

//#end
//#if face
    /// Faces: a square RGB crop, 0 to 255, whose side is the larger one of the box times 1 + 2 * margin.
    public static let cropSize = @crop_size@
    public static let cropMargin = @margin@
    /// A crop whose brightest value is at most this is no face.
    public static let blackLevel: Float = @swift_black_level@

//#end
//#if finder
    /// The input of the face finder, pixels; a face has a score above the threshold.
    public static let finderHeight = @input_height@
    public static let finderWidth = @input_width@
    public static let threshold: Float = @finder_threshold@
    public static let overlap = @finder_overlap@

//#else
    /// The personal baseline: the population's mean counts as so many steps.
    public static let priorSteps = @prior_steps@
    /// Share of neutral steps behind the population's mean; 0 where a running baseline takes steps in as they are.
    public static let neutralPrior = @neutral_prior@

    /// The decision by what is there: bit m of the index is set where modality m is.
    public static let decisions = [
@decisions@
    ]

//#end
@graphs@

    /// The graphs that are run.
    static let graphs = [@sensor_graphs@]

//#if finder
    /// Positions in the outputs of `finder`.
    static let scores = @scores_index@
    static let boxes = @boxes_index@
//#else
    /// Positions in the outputs of `fusion`.
    static let logits = @logits_index@
    static let reliance = @reliance_index@
//#end
}
//#if finder
//#else

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
    public var features: Int {
        switch self {
@sizes@
        }
    }

    /// Nil where nothing is subtracted.
    var populationMean: [Double]? {
        switch self {
@mean_cases@
        }
    }

    /// What an enrolment adds to each step that it takes in; nil where it adds nothing. Other steps get as much of it
    /// as the person is neutral more often than `Contract.neutralPrior`.
    var neutralOffset: [Double]? {
        switch self {
@offset_cases@
        }
    }
}

@vectors@
//#end

/// One input or output of a graph: float32, or int32 where it is `integer`.
public struct TensorInfo: Sendable {
    public let name: String
    public let shape: [Int]
    public var integer = false
    public var elements: Int { shape.reduce(1, *) }
}

/// A graph of the bundle: its package, and its inputs and outputs in order.
public struct GraphInfo: Sendable {
    public let name: String
    public let inputs: [TensorInfo]
    public let outputs: [TensorInfo]
}
