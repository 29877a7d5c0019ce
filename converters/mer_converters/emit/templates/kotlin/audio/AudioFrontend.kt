// @generated@
package @package@

import kotlin.math.abs
import kotlin.math.floor

// Sound is silent where it moves by no more than a step and a half of 16 bits up or down: digital zeros, a muted track,
// a dead microphone. It is missing once it has been silent for so long, seconds, and before it first moves.
private const val STILL_SPAN = 3.0 / 32768.0
private const val STILL_SECONDS = 1.0

// Stamps of sound jitter by some milliseconds; only a larger difference is a gap or an overlap, seconds.
private const val GAP_SECONDS = 0.05
private const val LOUDEST = 8f

/** The sound of one step. [covered] says whether it counts: at least half of it was recorded, and it is no silence. */
class AudioStep(val chunk: FloatArray, val covered: Boolean)

/**
 * Sound of any sample rate and layout, with time stamps, in pieces of any size, to the chunk of each step.
 *
 * Pieces of any size give the same chunks as the whole recording at once.
 */
class AudioFrontend {
    private val chunker = AudioChunker()
    private var rate: Int? = null
    private lateinit var resampler: Resampler
    private lateinit var mix: MonoMix
    private lateinit var motion: Motion
    private var taken = 0L
    private var made = 0L
    private val gaps = ArrayList<Pair<Double, Double>>()
    private var ended = false

    /** Steps that were recorded and are not covered, as they are silent. */
    var stillSteps = 0
        private set

    /** Seconds of the stream that have been taken in. */
    val time: Double get() = rate?.let { taken.toDouble() / it } ?: 0.0

    /**
     * Takes sound, gives the steps that it completes.
     *
     * @param samples interleaved, -1 to 1; a little over is clipped.
     * @param sampleRate Hz, the same for the whole stream.
     * @param time seconds from the stream's start to the first sample; null continues where the last piece ended.
     * @param names of the channels; see [Downmix].
     * @throws IllegalArgumentException values that are no sound, a changed rate, or a time that was given already.
     */
    fun push(
        samples: FloatArray,
        sampleRate: Int,
        time: Double? = null,
        channels: Int = 1,
        names: List<String> = emptyList(),
    ): List<AudioStep> {
        var sound = clipped(samples)
        val known = rate ?: sampleRate.also(::begin)
        require(known == sampleRate) { "the sample rate changed from $known to $sampleRate Hz; begin a new front end" }
        val steps = ArrayList<AudioStep>()
        val missing = if (time == null) 0L else Math.rint((time - this.time) * known).toLong()
        if (missing < 0 && taken == 0L) {
            // Samples before the stream's start are left out, so that sound begins at 0 in any pieces.
            sound = sound.copyOfRange(minOf(sound.size.toLong(), -missing * channels).toInt(), sound.size)
        } else if (time != null && abs(time - this.time) > GAP_SECONDS) {
            require(missing >= 0) { "audio for $time s came after ${this.time} s was given; push it in order" }
            gaps += this.time to time
            taken += missing
            steps += advance(mix.flush() + FloatArray(missing.toInt()))
        }
        taken += sound.size / channels
        steps += advance(mix.push(sound, channels, names))
        return steps
    }

    /** Ends the stream: the steps still held back. An incomplete last one counts where at least half of it is there. */
    fun flush(): List<AudioStep> {
        if (rate == null || ended) return emptyList()
        ended = true
        val steps = ArrayList(advance(mix.flush()))
        steps += cut(resampler.flush())
        val pending = chunker.pending
        if (pending > 0 && (2 * pending >= Contract.STEP_SAMPLES || made == 0L)) {
            val covered = covered(pending)
            chunker.flush()?.let { steps += AudioStep(it, covered) }
        }
        return steps
    }

    private fun begin(sampleRate: Int) {
        resampler = Resampler(sampleRate)
        mix = MonoMix(sampleRate)
        motion = Motion(sampleRate * Contract.STEP_MS / 1000.0)
        rate = sampleRate
    }

    private fun advance(mono: FloatArray): List<AudioStep> {
        motion.take(mono)
        return cut(resampler.push(mono))
    }

    private fun cut(samples: FloatArray) = chunker.push(samples).map { AudioStep(it, covered(Contract.STEP_SAMPLES)) }

    private fun covered(samples: Int): Boolean {
        val begin = made * Contract.STEP_SAMPLES / Contract.SAMPLE_RATE.toDouble()
        val end = begin + samples / Contract.SAMPLE_RATE.toDouble()
        val still = motion.still(made) * Contract.STEP_MS / 1000.0
        made++
        val missing = gaps.sumOf { (start, stop) -> maxOf(0.0, minOf(end, stop) - maxOf(begin, start)) }
        gaps.removeAll { it.second <= end }
        val recorded = missing <= 0.5 * (end - begin)
        val silent = still >= STILL_SECONDS
        if (recorded && silent) stillSteps++
        return recorded && !silent
    }
}

/** For how many steps in a row a sound has been silent; a step has [step] samples, which need not be whole. */
private class Motion(private val step: Double) {
    private var taken = 0L

    // Step -> lowest and highest sample, of the steps that were not asked about yet.
    private val spans = HashMap<Long, FloatArray>()

    // Before it first moves, a sound has been silent for ever.
    private var still = Double.POSITIVE_INFINITY

    fun take(mono: FloatArray) {
        for (value in mono) {
            val number = floor((taken + 0.5) / step).toLong()
            val span = spans.getOrPut(number) { floatArrayOf(value, value) }
            if (value < span[0]) span[0] = value
            if (value > span[1]) span[1] = value
            taken++
        }
    }

    /** How many steps in a row have been silent, with this one; each is asked about once, in order. */
    fun still(number: Long): Double {
        val span = spans.remove(number)
        still = if (span == null || span[1] - span[0] <= STILL_SPAN) still + 1 else 0.0
        return still
    }
}

/** @throws IllegalArgumentException a rate, a number of channels or values that are no sound. */
internal fun checkSound(samples: FloatArray, sampleRate: Int, channels: Int) {
    checkRate(sampleRate)
    require(channels in 1..64 && samples.size % channels == 0) {
        "${samples.size} samples are no whole number of $channels channels; allowed are 1 to 64"
    }
    clipped(samples)
}

private fun clipped(samples: FloatArray): FloatArray {
    for ((index, value) in samples.withIndex()) {
        require(value.isFinite()) { "sample $index is not a finite number; check the source, or replace it by 0" }
        require(abs(value) <= LOUDEST) { "sound must lie in -1 to 1, found $value; divide 16-bit samples by 32768" }
    }
    return FloatArray(samples.size) { samples[it].coerceIn(-1f, 1f) }
}
