// @generated@
package @package@

/**
 * The last [length] rows of one modality's features, newest last, and whose they are; a row may be missing.
 */
internal class FeatureWindow(private val length: Int, private val size: Int) {
    private class Row(val features: FloatArray, var owner: Int, var due: Boolean)

    private val rows = ArrayDeque<Row?>(List(length) { null })

    /** Whether every row is missing. */
    val empty: Boolean get() = rows.all { it == null }

    /**
     * Takes a row, null where it is missing. Gives the owner and the row that leave the window and are due for the
     * owner's baseline. A row that was [observed] was already taken into it.
     */
    fun append(row: FloatArray?, owner: Int, observed: Boolean = false): Pair<Int, FloatArray>? {
        val leaving = rows.removeFirst()
        rows.addLast(row?.let { Row(it, owner, due = !observed) })
        return leaving?.takeIf(Row::due)?.let { it.owner to it.features }
    }

    /** Puts rows in the places of the newest ones, oldest first, where these are missing; null leaves a place. */
    fun fill(found: List<FloatArray?>, owner: Int) {
        val newest = found.takeLast(length)
        for ((index, row) in newest.withIndex()) {
            val place = length - newest.size + index
            if (row != null && rows[place] == null) rows[place] = Row(row, owner, due = true)
        }
    }

    /** Lets all but the newest rows be missing: owners and rows that are due for a baseline, oldest first. */
    fun beginAfter(newest: Int): List<Pair<Int, FloatArray>> {
        val gone = (0 until length - newest).mapNotNull { place -> rows[place].also { rows[place] = null } }
        return gone.filter(Row::due).map { it.owner to it.features }
    }

    /** Lets no row of a person go into their baseline any more. */
    fun settle(person: Int) = rows.forEach { if (it?.owner == person) it.due = false }

    /** Every row becomes the owner's. */
    fun give(owner: Int) = rows.forEach { it?.owner = owner }

    /** A person's rows less their baseline, [length x size], 0 where missing; and which rows are there. */
    fun read(mean: FloatArray, person: Int): Pair<FloatArray, BooleanArray> {
        val held = BooleanArray(length) { rows[it]?.owner == person }
        val result = FloatArray(length * size)
        for ((index, row) in rows.withIndex()) {
            if (row == null || !held[index]) continue
            for (i in 0 until size) result[index * size + i] = row.features[i] - mean[i]
        }
        return result to held
    }
}
