// @generated@
package @package@

/**
 * The contract of @bundle_name@: model @model@, scheme @scheme@, for @runtime@.
 *
 * Checkpoint sha256 @checkpoint@.
 */
object Contract {
//#if sound
    /** The clock: a step has so many milliseconds, and with sound so many samples. */
    const val STEP_MS = @step_ms@

    /** Sound: mono, -1 to 1. The chunk of a step ends with the step. */
    const val SAMPLE_RATE = @sample_rate@
    const val STEP_SAMPLES = @step_samples@
    const val CHUNK_SAMPLES = @chunk_samples@

//#end
//#if window
    /** One estimate a step; the fusion graph reads a window of the last steps. */
    const val WINDOW_STEPS = @window_steps@

//#end
//#if dialogue
    /** The window holds the last utterances; speakers from the last number on share it. */
    const val UTTERANCES = @utterances@
    const val SPEAKERS = @speakers@

//#end
//#if text
    /** Words: the ids of hashed subwords. */
    const val TEXT_WORDS = @text_words@
    const val TEXT_SLOTS = @text_slots@
    const val TEXT_BUCKETS = @text_buckets@
    const val TEXT_SHORTEST = @shortest_ngram@
    const val TEXT_LONGEST = @longest_ngram@

//#end
//#if face
    /** Faces: a square RGB crop, 0 to 255, whose side is the larger one of the box times 1 + 2 * margin. */
    const val CROP_SIZE = @crop_size@
    const val CROP_MARGIN = @margin@

    /** A crop whose brightest value is at most this is no face. */
    const val BLACK_LEVEL = @black_level@

//#end
//#if finder
    /** The input of the face finder, pixels; a face has a score above the threshold. */
    const val FINDER_HEIGHT = @input_height@
    const val FINDER_WIDTH = @input_width@
    const val THRESHOLD = @finder_threshold@f
    const val OVERLAP = @finder_overlap@

//#else
    /** The personal baseline: the population's mean counts as so many steps. */
    const val PRIOR_STEPS = @prior_steps@

    /** Share of neutral steps behind the population's mean; 0 where a running baseline takes steps in as they are. */
    const val NEUTRAL_PRIOR = @neutral_prior@

    /** The decision by what is there: bit m of the index is set where modality m is. */
    val DECISIONS = listOf(
@decisions@
    )

//#end
@graphs@

    /** The graphs that are run. */
    internal val GRAPHS = listOf(@sensor_graphs@)

//#if finder
    /** Positions in the outputs of [FINDER]. */
    const val SCORES = @scores_index@
    const val BOXES = @boxes_index@
//#else
    /** Positions in the outputs of [FUSION]. */
    const val LOGITS = @logits_index@
    const val RELIANCE = @reliance_index@
//#end
}
//#if finder
//#else

/**
 * What the model tells apart, in the order of its logits.
 *
 * [valence] and [arousal], -1 to 1, are those of Russell and Mehrabian 1977; "neutral" and "calm" are the origin.
 */
enum class Emotion(val label: String, val valence: Double, val arousal: Double) {
@emotions@
}

/** Logits are divided by the temperature; below the threshold the emotion is unknown. */
data class Decision(val temperature: Double, val abstentionThreshold: Double)

/**
 * What the fusion graph reads, in the order of its inputs and of its reliance.
 *
 * @property features length of the feature vector.
 * @property populationMean where a cold baseline stands; null where nothing is subtracted.
 * @property neutralOffset what an enrolment adds to each step that it takes in, null where it adds nothing. Other steps
 *   get as much of it as the person is neutral more often than [Contract.NEUTRAL_PRIOR].
 */
enum class Modality(
    val features: Int,
    internal val populationMean: DoubleArray?,
    internal val neutralOffset: DoubleArray?,
) {
@modalities@
}
//#end

/** One input or output of a graph: float32, or int32 where it is [integer]. */
class TensorInfo(val name: String, val integer: Boolean, vararg val shape: Long) {
    val elements: Int get() = shape.fold(1L) { product, size -> product * size }.toInt()
}

/** A graph of the bundle: its file, and its inputs and outputs in order. */
class GraphInfo(
    val file: String,
    val sha256: String,
    val inputs: List<TensorInfo>,
    val outputs: List<TensorInfo>,
)
