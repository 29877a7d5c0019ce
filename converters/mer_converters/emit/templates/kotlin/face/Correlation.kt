// @generated@
package @package@

import kotlin.math.sqrt

/** A small grey picture, rows from the top. */
internal class Patch(val values: FloatArray, val rows: Int, val columns: Int) {
    constructor(size: Int, make: (Int) -> Float) : this(FloatArray(size * size, make), size, size)

    operator fun get(row: Int, column: Int): Float = values[row * columns + column]

    fun part(row: Int, column: Int, size: Int) = Patch(size) { this[row + it / size, column + it % size] }

    fun mean(): Double = values.sumOf(Float::toDouble) / values.size
}

/** Normalised cross-correlation at every place of a picture: [size x size] scores, and where the best one is. */
internal class Scores(val values: DoubleArray, val size: Int) {
    private val best = values.indices.maxBy(values::get)
    val row = best / size
    val column = best % size
    val score = values[best]

    fun at(row: Int, column: Int) = values[row * size + column]
}

/**
 * The grey picture of the square around a box, with [margin] added on each side as a share of the square's side: the
 * green channel at four points a pixel; edge pixels repeat outside.
 */
internal fun facePatch(frame: Frame, box: Box, size: Int, margin: Double = 0.0): Patch {
    val side = box.side * (1.0 + 2.0 * margin)
    return sampled(frame, Box(box.centreX - side / 2, box.centreY - side / 2, side, side), size, size)
}

internal fun sampled(frame: Frame, box: Box, rows: Int, columns: Int): Patch {
    fun places(start: Double, length: Double, count: Int, most: Int) = IntArray(2 * count) {
        // Bounded before the change to whole numbers: a box may lie far outside.
        (start + (it + 0.5) * (length / (2 * count))).coerceIn(0.0, most - 1.0).toInt()
    }
    val down = places(box.y, box.height, rows, frame.height)
    val across = places(box.x, box.width, columns, frame.width)
    fun green(row: Int, column: Int) = frame.pixels[down[row] * frame.width + across[column]] shr 8 and 0xff
    return Patch(
        FloatArray(rows * columns) {
            val row = 2 * (it / columns)
            val column = 2 * (it % columns)
            val sum = green(row, column) + green(row, column + 1) + green(row + 1, column) + green(row + 1, column + 1)
            sum * 0.25f
        },
        rows,
        columns,
    )
}

/** Normalised cross-correlation, -1 to 1, of a square template at all places of a larger square patch. */
internal fun correlation(template: Patch, patch: Patch): Scores {
    val size = template.rows
    val places = patch.rows - size + 1
    val mean = template.mean().toFloat()
    val zero = FloatArray(size * size) { template.values[it] - mean }
    // A flat picture correlates with nothing: two grey levels are less than a camera's noise.
    val floor = (2.0 * size) * (2.0 * size)
    val own = maxOf(zero.sumOf { it.toDouble() * it }, floor)
    val scores = DoubleArray(places * places) { place ->
        val top = place / places
        val left = place % places
        var cross = 0.0
        var sum = 0.0
        var squares = 0.0
        for (y in 0 until size) {
            val row = (top + y) * patch.columns + left
            for (x in 0 until size) {
                val value = patch.values[row + x].toDouble()
                cross += value * zero[y * size + x]
                sum += value
                squares += value * value
            }
        }
        val energy = maxOf(squares - sum * sum / (size * size), 0.0)
        cross / sqrt(maxOf(energy, floor) * own)
    }
    return Scores(scores, places)
}
