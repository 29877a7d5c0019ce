// @generated@
package @package@

/** What voice activity hears: mono sound of so many Hz, in pieces of so many samples (32 ms). */
const val VOICE_RATE = 16_000
const val PIECE_SAMPLES = 512

/** What tells speech from other sound, piece by piece, such as Silero VAD; its state goes from piece to piece. */
interface SpeechModel {
    /** Begin a new stream. */
    fun reset()

    /** The probability of speech, 0 to 1, in the next [PIECE_SAMPLES] samples at [VOICE_RATE]. */
    fun probability(piece: FloatArray): Double
}

/**
 * When somebody counts as speaking.
 *
 * @property threshold a piece is voiced from this probability on.
 * @property hangover seconds for which speech holds on after the last voiced piece. From the beginning of a stream so
 *     long it is open whether somebody speaks: what is heard then counts once a piece is voiced.
 */
data class VoiceOptions(val threshold: Double = 0.5, val hangover: Double = 2.0) {
    init {
        require(threshold > 0 && threshold <= 1) { "the threshold is $threshold; allowed is above 0 to 1, such as 0.5" }
        require(hangover.isFinite() && hangover >= 0) { "the hangover is $hangover s; allowed is 0 or more, such as 2" }
    }
}

/**
 * Hears whether somebody speaks, in consecutive mono sound at [VOICE_RATE] of any lengths.
 *
 * What was not recorded is told by [gap], not given as zeros: the piece that had begun is thrown away, the model begins
 * anew, and the hangover runs on.
 */
class VoiceActivity(private val model: SpeechModel, val options: VoiceOptions = VoiceOptions()) {
    private val hold = Math.rint(options.hangover * VOICE_RATE).toLong()
    private var left = FloatArray(0)
    private var position = 0L
    private var heldUntil = 0L

    /** The highest probability of speech of the pieces that ended in what was given last; 0 where none ended. */
    var probability = 0.0
        private set

    /** Whether the stream is no older than the hangover and no piece of it was voiced. */
    var undecided = hold > 0
        private set

    init {
        model.reset()
    }

    /** Begin a new stream. */
    fun reset() {
        probability = 0.0
        undecided = hold > 0
        left = FloatArray(0)
        model.reset()
        position = 0
        heldUntil = 0
    }

    /** The probability of speech of each piece that these samples complete. */
    fun pieces(samples: FloatArray): List<Double> {
        // Where the first of these pieces ends, counted from the start of the stream.
        val first = position - left.size + PIECE_SAMPLES
        left += samples
        val found = (0 until left.size / PIECE_SAMPLES).map {
            model.probability(left.copyOfRange(it * PIECE_SAMPLES, (it + 1) * PIECE_SAMPLES))
        }
        left = left.copyOfRange(found.size * PIECE_SAMPLES, left.size)
        position += samples.size
        probability = found.maxOrNull() ?: 0.0
        val voiced = found.indexOfLast { it >= options.threshold }
        undecided = undecided && voiced < 0 && position < hold
        if (voiced >= 0) heldUntil = first + voiced.toLong() * PIECE_SAMPLES + hold
        return found
    }

    /** Takes the samples of one step, without the context before them; says whether its sound counts as speech. */
    fun step(samples: FloatArray): Boolean {
        val begin = position
        pieces(samples)
        return heldUntil > begin
    }

    /** So many samples are missing, as in a step without sound. */
    fun gap(samples: Int) {
        probability = 0.0
        position += samples
        undecided = undecided && position < hold
        left = FloatArray(0)
        model.reset()
    }
}
