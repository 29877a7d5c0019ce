// @generated@
package @package@

/**
 * The contract of @bundle_name@: model @model@, scheme @scheme@, for @runtime@.
 *
 * Checkpoint sha256 @checkpoint@.
 */
object Contract {
    /** The clock: one estimate a step; the fusion graph reads a window of the last steps. */
    const val STEP_MS = @step_ms@
    const val WINDOW_STEPS = @window_steps@
//#if audio

    /** Sound: mono, -1 to 1. The chunk of a step ends with the step. */
    const val SAMPLE_RATE = @sample_rate@
    const val STEP_SAMPLES = @step_samples@
    const val CHUNK_SAMPLES = @chunk_samples@
//#end
//#if face

    /** Faces: a square RGB crop, 0 to 255, whose side is the larger one of the box times 1 + 2 * margin. */
    const val CROP_SIZE = @crop_size@
    const val CROP_MARGIN = @margin@

    /** A crop whose brightest value is at most this is no face. */
    const val BLACK_LEVEL = @black_level@
//#end

    /** The personal baseline: the population's mean counts as so many steps. */
    const val PRIOR_STEPS = @prior_steps@

    /** The decision by what the window holds: bit m of the index is set where it holds modality m. */
    val DECISIONS = listOf(
@decisions@
    )

@graphs@

    /** Positions in the outputs of [FUSION]. */
    const val LOGITS = @logits_index@
    const val RELIANCE = @reliance_index@
}

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

/** What the fusion graph reads, in the order of its inputs and of its reliance. */
enum class Modality(internal val populationMean: DoubleArray) {
@modalities@
    ;

    /** Length of the feature vector. */
    val features: Int get() = populationMean.size
}

/** One float32 input or output of a graph. */
class TensorInfo(val name: String, vararg val shape: Long) {
    val elements: Int get() = shape.fold(1L) { product, size -> product * size }.toInt()
}

/** A graph of the bundle: its file, and its inputs and outputs in order. */
class GraphInfo(
    val file: String,
    val sha256: String,
    val inputs: List<TensorInfo>,
    val outputs: List<TensorInfo>,
)
