// @generated@
package @package@

import kotlin.math.pow

private const val BLOCK_SECONDS = 0.05
private const val FORGET_SECONDS = 0.25
private val DECAY = 0.01.pow(BLOCK_SECONDS / FORGET_SECONDS)

// A channel that is this far below the loudest is left out, and counts again once it is less far below (power).
private val DEAD = 10.0.pow(-2.6)
private val ALIVE = 10.0.pow(-1.4)

// The centre of a surround layout carries the voice unless it is this far below the loudest channel (power).
private const val CENTRE = 1e-4

// Channels cancel where their mean has less than this share of the power that unrelated channels would have.
private const val CANCELS = 0.1

// The power of sound that moves by no more than a step and a half of 16 bits.
private const val NOTHING = (1.5 / 32768.0) * (1.5 / 32768.0) / 2
private val BASS = setOf("LFE", "LFE2")

/**
 * Several channels to one, in pieces; pieces of any size give the same samples.
 *
 * The mean of all channels, as a rule. Where the names say which channel is the centre, it is heard alone unless it is
 * silent. A channel that is silent, or over 26 dB below the loudest, is left out. Where the channels cancel one
 * another, as with a swapped wire, the loudest is heard alone.
 *
 * @param names of the channels, such as "FL", "FR", "FC", "LFE"; empty where unknown.
 */
class Downmix(val channels: Int, rate: Int, names: List<String> = emptyList()) {
    /** The names, empty where they do not fit the number of channels. */
    val names = if (names.size == channels) names else emptyList()

    private val size = maxOf(1, Math.rint(rate * BLOCK_SECONDS).toInt())
    private val candidates = (0 until channels).filter { this.names.isEmpty() || this.names[it] !in BASS }
        .ifEmpty { (0 until channels).toList() }
    private val centre = this.names.indexOf("FC").takeIf { it >= 0 && channels > 2 }
    private val power = Array(channels) { DoubleArray(channels) }
    private var alive = emptySet<Int>()
    private var heard = candidates
    private var decided = false
    private var left = FloatArray(0)

    /** Takes interleaved samples, gives mono ones of the blocks that are complete. */
    fun push(samples: FloatArray): FloatArray {
        require(samples.size % channels == 0) { "${samples.size} samples are no whole number of $channels channels" }
        val given = left + samples
        val whole = given.size / channels / size * size
        left = given.copyOfRange(whole * channels, given.size)
        return mixed(given, whole)
    }

    /** The samples still held back. */
    fun flush(): FloatArray {
        val rest = left
        left = FloatArray(0)
        return mixed(rest, rest.size / channels)
    }

    private fun mixed(pcm: FloatArray, count: Int): FloatArray {
        val result = FloatArray(count)
        val block = minOf(size, count)
        var start = 0
        while (start < count) {
            val before = heard
            val ramp = decided && decide(pcm, start, block) != before
            if (!decided) decide(pcm, start, block)
            for (index in start until start + block) {
                val now = mix(pcm, index, heard)
                // Over one block, so that a change of the choice is no click.
                val share = if (ramp) (index - start + 1).toFloat() / block else 1f
                result[index] = if (ramp) share * now + (1 - share) * mix(pcm, index, before) else now
            }
            start += block
        }
        return result
    }

    private fun mix(pcm: FloatArray, index: Int, places: List<Int>): Float {
        val share = 1f / places.size
        var sum = 0f
        for (place in places) sum += pcm[index * channels + place] * share
        return sum
    }

    /** Which channels are heard from this block on. */
    private fun decide(pcm: FloatArray, start: Int, block: Int): List<Int> {
        addPower(pcm, start, block)
        val loud = DoubleArray(channels) { power[it][it] }
        val most = candidates.maxOf { loud[it] }
        if (most <= NOTHING) return heard // nothing to choose by: what was chosen stays
        var chosen = candidates.filter { loud[it] >= (if (it in alive) DEAD else ALIVE) * most }
        alive = chosen.toSet()
        if (centre != null && loud[centre] > maxOf(CENTRE * most, NOTHING)) {
            chosen = listOf(centre)
        } else if (chosen.size > 1) {
            val sum = chosen.sumOf { row -> chosen.sumOf { power[row][it] } }
            if (sum < CANCELS * chosen.sumOf { loud[it] }) chosen = listOf(candidates.maxBy { loud[it] })
        }
        heard = chosen
        decided = true
        return heard
    }

    private fun addPower(pcm: FloatArray, start: Int, block: Int) {
        val means = FloatArray(channels) { channel ->
            var sum = 0.0
            for (index in start until start + block) sum += pcm[index * channels + channel]
            (sum / block).toFloat()
        }
        for (a in 0 until channels) {
            for (b in 0..a) {
                var sum = 0.0
                for (index in start until start + block) {
                    sum += (pcm[index * channels + a] - means[a]).toDouble() * (pcm[index * channels + b] - means[b])
                }
                power[a][b] = power[a][b] * DECAY + sum / block
                power[b][a] = power[a][b]
            }
        }
    }
}

/** Sound of any layout to one channel, in pieces; the layout may change on the way. */
class MonoMix(private val rate: Int) {
    private var mix: Downmix? = null

    /** Takes interleaved samples, gives mono ones as far as the choice of channels is made. */
    fun push(samples: FloatArray, channels: Int = 1, names: List<String> = emptyList()): FloatArray {
        require(channels in 1..64) { "$channels channels were given; allowed are 1 to 64" }
        val before = mix
        var rest = FloatArray(0)
        if (before != null && (before.channels != channels || names.isNotEmpty() && before.names != names)) {
            rest = before.flush()
            mix = null
        }
        if (channels == 1) return rest + samples
        val mixing = mix ?: Downmix(channels, rate, names).also { mix = it }
        return rest + mixing.push(samples)
    }

    /** The samples still held back. */
    fun flush(): FloatArray = mix?.flush() ?: FloatArray(0)
}
