// @generated@
package @package@

import kotlin.math.exp

// A person who was away for longer begins anew.
private const val FORGET_SECONDS = 60.0

/**
 * How steady the output is; the defaults change nothing.
 *
 * @property seconds time constant of the exponential mean over the probabilities; 0 leaves them as they are.
 * @property margin by how much a new label's probability must lead the present one's before it changes, 0 to below 1.
 */
data class Smoothing(val seconds: Double = 0.0, val margin: Double = 0.0) {
    init {
        require(seconds.isFinite() && seconds >= 0) { "the time constant is $seconds s; allowed is 0 (off) or more" }
        require(margin >= 0 && margin < 1) { "the margin is $margin; allowed is 0 (off) to below 1, such as 0.1" }
    }
}

/** Smoothed probabilities, in the order of [Emotion], and the label that holds. */
class Smoothed(val probabilities: DoubleArray, val label: Emotion)

/**
 * Smooths the timeline of one stream, each person's by itself. The mean weighs by time: over a gap of g seconds the
 * earlier mean keeps the share exp(-g / seconds). Whoever is seen first takes over the timeline heard before.
 */
class Smoother(val options: Smoothing = Smoothing()) {
    private class Timeline(var probabilities: DoubleArray, var label: Int, var time: Double)

    private var timelines = LinkedHashMap<Int, Timeline>()
    private var person: Int? = null

    /** Begin a new stream. */
    fun reset() {
        timelines.clear()
        person = null
    }

    /**
     * Takes one step.
     *
     * @param time seconds, after the last step's.
     * @param person whose face it is; null where no face was seen, which goes on with the same person.
     */
    fun update(probabilities: DoubleArray, time: Double, person: Int? = null): Smoothed {
        val timeline = timelineOf(person, time)
        if (timeline == null) {
            val label = probabilities.indices.maxBy(probabilities::get)
            timelines.values.removeAll { time - it.time > FORGET_SECONDS }
            timelines[this.person ?: 0] = Timeline(probabilities, label, time)
            return Smoothed(probabilities, Emotion.entries[label])
        }
        var current = probabilities
        if (options.seconds > 0) {
            val keep = exp(-maxOf(0.0, time - timeline.time) / options.seconds)
            current = DoubleArray(current.size) {
                keep * timeline.probabilities[it] + (1.0 - keep) * probabilities[it]
            }
        }
        val best = current.indices.maxBy(current::get)
        if (best != timeline.label && current[best] - current[timeline.label] >= options.margin) timeline.label = best
        timeline.probabilities = current
        timeline.time = time
        return Smoothed(current, Emotion.entries[timeline.label])
    }

    /** The window held nothing: the present person's timeline ends, and the next step begins it anew. */
    fun forget() {
        timelines.remove(person ?: 0)
    }

    private fun timelineOf(given: Int?, time: Double): Timeline? {
        if (given != null && given != person) {
            val before = timelines[0]
            if (person == null && before != null) timelines = linkedMapOf(given to before)
            person = given
        }
        return timelines[person ?: 0]?.takeIf { time - it.time <= FORGET_SECONDS }
    }
}

/** The estimate of one step, smoothed; [person] is whose face was seen, null where none was. */
internal fun smoothed(estimate: Estimate, smoother: Smoother, time: Double, person: Int?): Estimate {
    if (!estimate.holdsAnything) {
        smoother.forget()
        return estimate
    }
    val raw = DoubleArray(Emotion.entries.size) { estimate.probabilities.getValue(Emotion.entries[it]) }
    val held = smoother.update(raw, time, person)
    return say(held.probabilities, estimate.present, estimate.logits, held.label).copy(reliance = estimate.reliance)
}
