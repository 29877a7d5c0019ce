// @generated@
package @package@

/**
 * A person's running mean of one modality's features. It holds sums and a count, no sound and no picture; the app may
 * store it and give it back, for this bundle only.
 */
class Profile(val sum: DoubleArray, val steps: Long)

/**
 * The features of the last [Contract.WINDOW_STEPS] steps with their masks, less the personal baseline.
 *
 * A step is taken into the baseline once it has left the window, so that a window is never judged against itself.
 *
 * @param profiles the baseline to begin with; a modality without one begins cold, at the population's mean.
 */
class StepWindow(profiles: Map<Modality, Profile> = emptyMap()) {
    private class Row(val features: FloatArray, var due: Boolean)

    // Null where the step lacks the modality; the newest is the last.
    private val rows = Modality.entries.associateWith { ArrayDeque<Row?>(List(Contract.WINDOW_STEPS) { null }) }
    private val sums = Modality.entries.associateWith { profiles[it]?.sum?.copyOf() ?: DoubleArray(it.features) }
    private val counts = Modality.entries.associateWithTo(HashMap()) { profiles[it]?.steps ?: 0L }
    private var enrolling = 0

    init {
        for ((modality, sum) in sums) {
            require(sum.size == modality.features) { "$modality: the profile is of another bundle" }
        }
    }

    /** The baseline as it is now, for the app to store. */
    val profiles: Map<Modality, Profile>
        get() = Modality.entries.associateWith { Profile(sums.getValue(it).copyOf(), counts.getValue(it)) }

    /** Takes one step; a modality that is missing is not in the map. */
    fun push(features: Map<Modality, FloatArray>) {
        val early = enrolling > 0 && features.isNotEmpty()
        if (early) enrolling--
        for ((modality, held) in rows) {
            held.removeFirst()?.let { if (it.due) observe(modality, it.features) }
            val row = features[modality]?.let { Row(it, due = !early) }
            held.addLast(row)
            if (early && row != null) observe(modality, row.features)
        }
    }

    /** Takes what is left in the window into the baseline and empties the window. */
    fun finish() {
        for ((modality, held) in rows) {
            for (row in held) if (row != null && row.due) observe(modality, row.features)
            held.replaceAll { null }
        }
    }

    /**
     * Begins the baseline anew with the next [steps] steps that hold anything, which are taken in at once. They should
     * be neutral ones; what is in the window now is not taken in.
     */
    fun enrol(steps: Int) {
        for ((modality, held) in rows) {
            sums.getValue(modality).fill(0.0)
            counts[modality] = 0
            held.forEach { it?.due = false }
        }
        enrolling = steps
    }

    /** What to subtract from a modality's features. */
    fun mean(modality: Modality): FloatArray {
        val sum = sums.getValue(modality)
        val weight = Contract.PRIOR_STEPS + counts.getValue(modality)
        return FloatArray(sum.size) {
            ((Contract.PRIOR_STEPS * modality.populationMean[it] + sum[it]) / weight).toFloat()
        }
    }

    /** Rows of the window, newest last, less the baseline: [WINDOW_STEPS x features], 0 where missing. */
    fun rows(modality: Modality): FloatArray {
        val mean = mean(modality)
        val result = FloatArray(Contract.WINDOW_STEPS * mean.size)
        for ((index, row) in rows.getValue(modality).withIndex()) {
            if (row == null) continue
            for (i in mean.indices) result[index * mean.size + i] = row.features[i] - mean[i]
        }
        return result
    }

    /** 1 where the window holds the modality, 0 where not: [WINDOW_STEPS]. */
    fun mask(modality: Modality): FloatArray =
        FloatArray(Contract.WINDOW_STEPS) { if (rows.getValue(modality)[it] == null) 0f else 1f }

    private fun observe(modality: Modality, features: FloatArray) {
        if (!features.all(Float::isFinite)) return
        val sum = sums.getValue(modality)
        for (i in sum.indices) sum[i] += features[i].toDouble()
        counts[modality] = counts.getValue(modality) + 1
    }
}
