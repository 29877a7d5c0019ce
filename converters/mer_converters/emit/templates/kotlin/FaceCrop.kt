// @generated@
package @package@

import kotlin.math.abs
import kotlin.math.floor

/** A face in pixels; it may reach outside the frame. */
data class Box(val x: Double, val y: Double, val width: Double, val height: Double)

/**
 * The crop that the face graph reads: RGB, 0 to 255, [Contract.CROP_SIZE] x [Contract.CROP_SIZE] x 3.
 *
 * @param pixels ARGB, a pixel an Int, rows from the top, as `Bitmap.getPixels` gives them.
 * @return null where the crop is black, which counts as "no face".
 * @throws IllegalArgumentException a frame of another size than said, or a box without area.
 */
fun cropFace(pixels: IntArray, width: Int, height: Int, box: Box): FloatArray? {
    require(width > 0 && height > 0 && pixels.size == width * height) {
        "a frame of $width x $height pixels has ${pixels.size} values"
    }
    val finite = (box.x + box.y + box.width + box.height).isFinite()
    require(finite && box.width > 0 && box.height > 0) { "$box has no area" }
    val exact = maxOf(box.width, box.height) * (1 + 2 * Contract.CROP_MARGIN)
    val side = maxOf(1, floor(exact + 0.5).toInt())
    val left = floor(box.x + (box.width - exact) / 2 + 0.5).toInt()
    val top = floor(box.y + (box.height - exact) / 2 + 0.5).toInt()
    val taps = triangle(side, Contract.CROP_SIZE)
    val line = Contract.CROP_SIZE * 3
    // Columns first. Pixels outside the frame repeat the nearest edge pixel.
    val narrow = FloatArray(side * line)
    for (y in 0 until side) {
        val row = (top + y).coerceIn(0, height - 1) * width
        for ((x, tap) in taps.withIndex()) {
            for ((index, weight) in tap.weights.withIndex()) {
                val pixel = pixels[row + (left + tap.start + index).coerceIn(0, width - 1)]
                val at = y * line + 3 * x
                narrow[at] += weight * (pixel shr 16 and 0xff)
                narrow[at + 1] += weight * (pixel shr 8 and 0xff)
                narrow[at + 2] += weight * (pixel and 0xff)
            }
        }
    }
    val crop = FloatArray(Contract.CROP_SIZE * line)
    for ((y, tap) in taps.withIndex()) {
        for ((index, weight) in tap.weights.withIndex()) {
            for (x in 0 until line) crop[y * line + x] += weight * narrow[(tap.start + index) * line + x]
        }
    }
    return crop.takeIf { it.max() > Contract.BLACK_LEVEL }
}

private class Taps(val start: Int, val weights: FloatArray)

/** The antialiased triangle filter from [source] to [target] pixels. */
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
