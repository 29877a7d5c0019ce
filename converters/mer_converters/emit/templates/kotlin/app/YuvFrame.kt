// @generated@
package @package@.app

import java.nio.ByteBuffer
import @package@.Frame

/** One plane of a picture of the camera, as `ImageProxy.PlaneProxy` has it. */
class YuvPlane(val buffer: ByteBuffer, val rowStride: Int, val pixelStride: Int)

/**
 * A picture of the camera as an upright frame: YUV_420_888 of full range (JFIF, BT.601), as Android's cameras give it.
 *
 * @param planes Y, U and V; U and V have a value for each 2 x 2 pixels.
 * @param rotation by which the picture has to be turned clockwise to be upright: 0, 90, 180 or 270 degrees.
 */
fun yuvToFrame(planes: List<YuvPlane>, width: Int, height: Int, rotation: Int): Frame {
    require(planes.size == 3) { "a picture has 3 planes; given are ${planes.size}" }
    require(rotation in listOf(0, 90, 180, 270)) { "a rotation of $rotation degrees; allowed are 0, 90, 180 and 270" }
    val (luma, blue, red) = planes
    val turned = rotation == 90 || rotation == 270
    val columns = if (turned) height else width
    val rows = if (turned) width else height
    val pixels = IntArray(width * height)
    for (y in 0 until height) {
        for (x in 0 until width) {
            val light = value(luma, y, x)
            val u = value(blue, y / 2, x / 2) - 128
            val v = value(red, y / 2, x / 2) - 128
            // Fixed point, 16 bits: 1.402, 0.344136, 0.714136, 1.772.
            val r = bounded(light + (91_881 * v + 32_768 shr 16))
            val g = bounded(light - (22_554 * u + 46_802 * v + 32_768 shr 16))
            val b = bounded(light + (116_130 * u + 32_768 shr 16))
            val place = when (rotation) {
                90 -> x * columns + (columns - 1 - y)
                180 -> (rows - 1 - y) * columns + (columns - 1 - x)
                270 -> (rows - 1 - x) * columns + y
                else -> y * columns + x
            }
            pixels[place] = 0xff shl 24 or (r shl 16) or (g shl 8) or b
        }
    }
    return Frame(pixels, columns, rows)
}

private fun value(plane: YuvPlane, row: Int, column: Int): Int =
    plane.buffer.get(row * plane.rowStride + column * plane.pixelStride).toInt() and 0xff

private fun bounded(value: Int): Int = value.coerceIn(0, 255)
