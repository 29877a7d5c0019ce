// @generated@
package @package@

import kotlin.math.abs
import kotlin.math.floor

/**
 * Resizes a part of a frame to float RGB, 0 to 255, [rows x columns x 3], by the antialiased triangle filter of the
 * contract, values unrounded. Do not use the platform's filters: they differ.
 *
 * @param sourceRows which row of the frame each row of the part is; [sourceColumns] likewise.
 */
internal fun resizeTriangle(
    frame: Frame,
    sourceRows: IntArray,
    sourceColumns: IntArray,
    rows: Int,
    columns: Int,
): FloatArray {
    val down = triangle(sourceRows.size, rows)
    val across = triangle(sourceColumns.size, columns)
    val line = columns * 3
    // Columns first: of each row of the part only what is needed.
    val narrow = FloatArray(sourceRows.size * line)
    for ((y, sourceRow) in sourceRows.withIndex()) {
        val row = sourceRow * frame.width
        for ((x, tap) in across.withIndex()) {
            var red = 0f
            var green = 0f
            var blue = 0f
            for ((index, weight) in tap.weights.withIndex()) {
                val pixel = frame.pixels[row + sourceColumns[tap.start + index]]
                red += weight * (pixel shr 16 and 0xff)
                green += weight * (pixel shr 8 and 0xff)
                blue += weight * (pixel and 0xff)
            }
            val at = y * line + 3 * x
            narrow[at] = red
            narrow[at + 1] = green
            narrow[at + 2] = blue
        }
    }
    val result = FloatArray(rows * line)
    for ((y, tap) in down.withIndex()) {
        for ((index, weight) in tap.weights.withIndex()) {
            for (x in 0 until line) result[y * line + x] += weight * narrow[(tap.start + index) * line + x]
        }
    }
    return result
}

private class Taps(val start: Int, val weights: FloatArray)

/** The antialiased triangle filter from [source] to [target] pixels, as Pillow defines it. */
private fun triangle(source: Int, target: Int): List<Taps> {
    val scale = source.toDouble() / target
    val support = maxOf(1.0, scale)
    return List(target) { index ->
        val centre = (index + 0.5) * scale
        val start = maxOf(0, floor(centre - support + 0.5).toInt())
        val stop = minOf(source, floor(centre + support + 0.5).toInt())
        val raw = (start until stop).map { maxOf(0.0, 1 - abs((it + 0.5 - centre) / support)) }
        val sum = raw.sum()
        Taps(start, FloatArray(raw.size) { (raw[it] / sum).toFloat() })
    }
}
