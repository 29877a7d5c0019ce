// @generated@
package @package@

import kotlin.math.PI
import kotlin.math.abs
import kotlin.math.ceil
import kotlin.math.sin
import kotlin.math.sqrt

private const val ZERO_CROSSINGS = 16
private const val ROLLOFF = 0.945
private const val KAISER_BETA = 8.6
private const val MOST_PHASES = 640L

/** Sample rates that are allowed, Hz. */
val SAMPLE_RATES = 1000..768_000

internal fun checkRate(rate: Int) {
    require(rate in SAMPLE_RATES) { "the sample rate is $rate Hz; allowed are 1000 to 768000" }
}

/**
 * Sound of any sample rate at another one, in pieces of any size: a Kaiser-windowed sinc. Output sample k is at input
 * time k * source / target; pieces of any size give the samples of the whole recording.
 *
 * @throws IllegalArgumentException a sample rate outside [SAMPLE_RATES].
 */
class Resampler(source: Int, target: Int = Contract.SAMPLE_RATE) {
    private val up: Long
    private val down: Long
    private val half: Int
    private val phases: Array<FloatArray>

    // Input samples from number `first` on; before the stream there is silence.
    private var buffer = FloatArray(0)
    private var first = 0L
    private var received = 0L
    private var sent = 0L

    init {
        checkRate(source)
        val (numerator, denominator) = ratio(source.toLong(), target.toLong())
        down = numerator
        up = denominator
        val cutoff = ROLLOFF * minOf(1.0, up.toDouble() / down)
        half = ceil(ZERO_CROSSINGS / cutoff).toInt()
        phases = if (up == down) emptyArray() else Array(up.toInt()) { phase(it.toDouble() / up, cutoff) }
        reset()
    }

    /** Begin a new stream. */
    fun reset() {
        buffer = FloatArray(half - 1)
        first = 1L - half
        received = 0
        sent = 0
    }

    /** Takes mono samples, gives those that can be computed now. */
    fun push(samples: FloatArray): FloatArray {
        received += samples.size
        if (up == down) return samples
        buffer += samples
        // Output k reads up to input k * down / up + half.
        return emit(ceilDiv((received - half) * up, down))
    }

    /** The samples still held back, with silence after the end; then the stream is over until [reset]. */
    fun flush(): FloatArray = if (up == down) FloatArray(0) else emit(ceilDiv(received * up, down))

    private fun emit(until: Long): FloatArray {
        if (until <= sent) return FloatArray(0)
        val begin = sent
        val made = FloatArray((until - begin).toInt()) { index ->
            val number = begin + index
            val weights = phases[(number * down % up).toInt()]
            val start = (number * down / up - (half - 1) - first).toInt()
            var sum = 0f
            for (tap in 0 until minOf(weights.size, buffer.size - start)) sum += weights[tap] * buffer[start + tap]
            sum
        }
        sent = until
        val done = minOf(maxOf(0L, sent * down / up - (half - 1) - first), buffer.size.toLong()).toInt()
        buffer = buffer.copyOfRange(done, buffer.size)
        first += done
        return made
    }

    /** The filter of one phase; it sums to one, so that a constant stays that constant. */
    private fun phase(place: Double, cutoff: Double): FloatArray {
        val weights = DoubleArray(2 * half) { tap ->
            val distance = place - (tap - (half - 1))
            val inside = maxOf(0.0, 1.0 - (distance / half) * (distance / half))
            sinc(cutoff * distance) * bessel(KAISER_BETA * sqrt(inside))
        }
        val sum = weights.sum()
        return FloatArray(weights.size) { (weights[it] / sum).toFloat() }
    }
}

/** source / target in lowest terms; with over 640 phases the nearest ratio that has as many. */
private fun ratio(source: Long, target: Long): Pair<Long, Long> {
    val shared = divisor(source, target)
    val (numerator, denominator) = source / shared to target / shared
    if (denominator <= MOST_PHASES) return numerator to denominator
    // The convergents of the continued fraction, and the last one between two of them that is small enough.
    var (p0, q0) = 0L to 1L
    var (p1, q1) = 1L to 0L
    var (n, d) = numerator to denominator
    while (true) {
        val whole = n / d
        if (q0 + whole * q1 > MOST_PHASES) break
        val next = p0 + whole * p1 to q0 + whole * q1
        p0 = p1
        q0 = q1
        p1 = next.first
        q1 = next.second
        val rest = n - whole * d
        n = d
        d = rest
    }
    val k = (MOST_PHASES - q0) / q1
    val between = p0 + k * p1 to q0 + k * q1
    val exact = source.toDouble() / target
    val gap = abs(p1.toDouble() / q1 - exact)
    return if (gap <= abs(between.first.toDouble() / between.second - exact)) p1 to q1 else between
}

private fun divisor(a: Long, b: Long): Long = if (b == 0L) a else divisor(b, a % b)

private fun ceilDiv(a: Long, b: Long): Long = -Math.floorDiv(-a, b)

private fun sinc(x: Double): Double = if (x == 0.0) 1.0 else sin(PI * x) / (PI * x)

/** The modified Bessel function of the first kind, order 0, by its series. */
private fun bessel(x: Double): Double {
    var term = 1.0
    var sum = 1.0
    var k = 1
    while (term > 1e-17 * sum) {
        term *= x / (2 * k) * (x / (2 * k))
        sum += term
        k++
    }
    return sum
}
