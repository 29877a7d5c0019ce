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
 * @property pause an utterance is over, for the window, once nobody was voiced for so many seconds: what is said next
 *     is seen without what was said before. Null lets the window slide over all of it.
 * @property lead seconds before an utterance's first voiced piece that the window still holds of it.
 */
data class VoiceOptions(
    val threshold: Double = 0.5,
    val hangover: Double = 2.0,
    val pause: Double? = 0.75,
    val lead: Double = 0.5,
) {
    init {
        require(threshold > 0 && threshold <= 1) { "the threshold is $threshold; allowed is above 0 to 1, such as 0.5" }
        require(hangover.isFinite() && hangover >= 0) { "the hangover is $hangover s; allowed is 0 or more, such as 2" }
        require(pause == null || (pause.isFinite() && pause > 0)) {
            "the pause is $pause s; allowed is more than 0, such as 0.75, or null for windows that slide"
        }
        require(lead.isFinite() && lead >= 0) { "the lead is $lead s; allowed is 0 or more, such as 0.5" }
    }
}

/**
 * Hears whether somebody speaks, in consecutive mono sound at [VOICE_RATE] of any lengths.
 *
 * What was not recorded is told by [gap], not given as zeros: the piece that had begun is thrown away, the model begins
 * anew, and the hangover runs on.
 */
class VoiceActivity(private val model: SpeechModel, val options: VoiceOptions = VoiceOptions()) {
    private val hold = samples(options.hangover)
    private val pause = options.pause?.let(::samples)
    private val lead = samples(options.lead)
    private var left = FloatArray(0)
    private var position = 0L
    private var heldUntil = 0L

    // Where the present utterance, or the pause after it, begins; and where the last voiced piece ended.
    private var utterance = 0L
    private var lastVoiced: Long? = null

    /** The highest probability of speech of the pieces that ended in what was given last; 0 where none ended. */
    var probability = 0.0
        private set

    /** Whether the stream is no older than the hangover and no piece of it was voiced. */
    var undecided = hold > 0
        private set

    /**
     * Samples up to now that belong to the present utterance, or to the pause that goes on; what is older is of another
     * utterance. Without [VoiceOptions.pause] all that was heard so far.
     */
    val fresh: Long get() = position - utterance

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
        utterance = 0
        lastVoiced = null
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
        for ((number, one) in found.withIndex()) {
            follow(first + number.toLong() * PIECE_SAMPLES, one >= options.threshold)
        }
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
        follow(position, false)
    }

    /** What a piece, or a gap, that ends at this sample says of utterances. */
    private fun follow(end: Long, voiced: Boolean) {
        val least = pause ?: return
        val last = lastVoiced
        if (voiced) {
            val begin = end - PIECE_SAMPLES
            if (last == null || begin - last >= least) utterance = maxOf(utterance, begin - lead)
            lastVoiced = end
        } else if (last != null && end - last >= least) {
            utterance = maxOf(utterance, last)
        }
    }

    private fun samples(seconds: Double) = Math.rint(seconds * VOICE_RATE).toLong()
}
