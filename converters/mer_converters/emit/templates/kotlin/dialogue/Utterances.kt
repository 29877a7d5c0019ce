// @generated@
package @package@

/**
 * Where an utterance begins and ends; all times in seconds.
 *
 * @property voice its hangover is the pause that ends an utterance.
 * @property minimum an utterance whose voiced part is shorter is left out and counted.
 * @property longest an utterance that goes on for longer is cut after its last voiced piece.
 * @property preRoll sound kept before the first voiced piece.
 */
data class UtteranceOptions(
    val voice: VoiceOptions = VoiceOptions(hangover = 0.7),
    val minimum: Double = 0.25,
    val longest: Double = 15.0,
    val preRoll: Double = 0.2,
) {
    init {
        require(minimum >= 0 && preRoll >= 0) { "minimum and preRoll are 0 or more" }
        val least = minimum + preRoll + PIECE_SAMPLES.toDouble() / VOICE_RATE
        require(longest >= least && longest.isFinite()) {
            "longest is $longest s; with this minimum and preRoll it is finite and at least $least s"
        }
    }
}

/** An utterance's place, in samples at [VOICE_RATE] from the beginning of the sound, and its samples. */
class Cut(val begin: Long, val end: Long, val samples: FloatArray)

/**
 * Takes consecutive mono sound at [VOICE_RATE] in pieces of any length, gives utterances as soon as they are over. What
 * comes out depends on the sound alone, not on how it was pushed.
 */
class UtteranceCutter(model: SpeechModel, val options: UtteranceOptions = UtteranceOptions()) {
    private val voice = VoiceActivity(model, options.voice)
    private val minimum = samples(options.minimum)
    private val longest = samples(options.longest)
    private val preRoll = samples(options.preRoll)
    private val hold = samples(options.voice.hangover)

    // Samples from `soundBegin` on that an utterance may still want.
    private var sound = FloatArray(0)
    private var soundBegin = 0L

    // Where the pieces heard so far end, and where the last utterance ended.
    private var heard = 0L
    private var floor = 0L

    // Of the utterance that has begun: its beginning, its first voiced piece's, and its last voiced piece's end.
    private var start = 0L
    private var last = 0L
    private var first: Long? = null

    /** Utterances left out so far as they were shorter than the minimum. */
    var short = 0
        private set

    /** Whether an utterance has begun and is not over. */
    val speaking: Boolean get() = first != null

    /** Takes samples; gives the utterances that they end. */
    fun push(samples: FloatArray): List<Cut> {
        val probabilities = voice.pieces(samples)
        sound += samples
        val cuts = ArrayList<Cut>()
        for (probability in probabilities) piece(probability >= options.voice.threshold, cuts)
        val wanted = if (speaking) start else maxOf(floor, heard - preRoll)
        val done = maxOf(0L, wanted - soundBegin)
        sound = sound.copyOfRange(done.toInt(), sound.size)
        soundBegin += done
        return cuts
    }

    /** The sound ends here: the utterance that had begun, if any. What is pushed next is another sound, from 0. */
    fun end(): List<Cut> {
        val cuts = ArrayList<Cut>()
        if (speaking) close(cuts)
        voice.reset()
        sound = FloatArray(0)
        soundBegin = 0
        heard = 0
        floor = 0
        start = 0
        last = 0
        first = null
        return cuts
    }

    private fun piece(voiced: Boolean, cuts: MutableList<Cut>) {
        val begin = heard
        heard = begin + PIECE_SAMPLES
        if (voiced) {
            if (speaking && heard - start > longest) close(cuts)
            if (!speaking) {
                first = begin
                start = maxOf(floor, begin - preRoll)
            }
            last = heard
        } else if (speaking && heard - last >= hold) {
            close(cuts)
        }
    }

    private fun close(cuts: MutableList<Cut>) {
        val begin = first ?: return
        if (last - begin >= minimum) {
            val part = sound.copyOfRange((start - soundBegin).toInt(), (last - soundBegin).toInt())
            cuts += Cut(start, last, part)
        } else {
            short++
        }
        floor = last
        first = null
    }

    private fun samples(seconds: Double) = Math.rint(seconds * VOICE_RATE).toLong()
}
