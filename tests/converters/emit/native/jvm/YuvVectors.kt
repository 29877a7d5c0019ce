// For tests alone: colours and rotations of the generated app's pictures.
package mer.pictures

import java.nio.ByteBuffer
import kotlin.math.abs
import kotlin.system.exitProcess
import mer.second.app.YuvPlane
import mer.second.app.yuvToFrame

private const val WIDTH = 6
private const val HEIGHT = 4

// Y, U, V of full range (JFIF) and their RGB; the last is out of the range of RGB and is bounded.
private val COLOURS = listOf(
    listOf(0, 128, 128) to listOf(0, 0, 0),
    listOf(255, 128, 128) to listOf(255, 255, 255),
    listOf(76, 85, 255) to listOf(254, 0, 0),
    listOf(150, 44, 21) to listOf(0, 255, 1),
    listOf(29, 255, 107) to listOf(0, 0, 254),
    listOf(255, 255, 255) to listOf(255, 121, 255),
)

fun main() {
    val failed = COLOURS.filterNot { (yuv, rgb) -> colourIs(yuv, rgb) }.map { "colour $it" }.toMutableList()
    // The brightest pixel lies at row 1, column 4 of the camera's picture.
    val places = mapOf(0 to (1 to 4), 90 to (4 to 2), 180 to (2 to 1), 270 to (1 to 1))
    for ((rotation, place) in places) if (!brightestIs(rotation, place)) failed += "rotation by $rotation"
    println(failed.joinToString("\n").ifEmpty { "passed" })
    if (failed.isNotEmpty()) exitProcess(1)
}

private fun colourIs(yuv: List<Int>, rgb: List<Int>): Boolean {
    // Rows are padded, and U and V lie between one another, as in NV12.
    val luma = plane(WIDTH + 3, 1, HEIGHT) { _, _ -> yuv[0] }
    val chroma = yuv.drop(1).map { value -> plane(WIDTH + 2, 2, HEIGHT / 2) { _, _ -> value } }
    val frame = yuvToFrame(listOf(luma) + chroma, WIDTH, HEIGHT, 0)
    return frame.width == WIDTH && frame.height == HEIGHT && frame.pixels.all { pixel ->
        val found = listOf(pixel shr 16 and 0xff, pixel shr 8 and 0xff, pixel and 0xff)
        found.indices.all { abs(found[it] - rgb[it]) <= 1 }
    }
}

private fun brightestIs(rotation: Int, place: Pair<Int, Int>): Boolean {
    val luma = plane(WIDTH, 1, HEIGHT) { row, column -> if (row == 1 && column == 4) 250 else 10 }
    val grey = plane(WIDTH, 2, HEIGHT / 2) { _, _ -> 128 }
    val frame = yuvToFrame(listOf(luma, grey, grey), WIDTH, HEIGHT, rotation)
    val turned = rotation % 180 != 0
    val size = if (turned) HEIGHT to WIDTH else WIDTH to HEIGHT
    val brightest = frame.pixels.indices.maxBy { frame.pixels[it] and 0xff }
    return frame.width to frame.height == size && brightest / frame.width to brightest % frame.width == place
}

private fun plane(rowStride: Int, pixelStride: Int, rows: Int, value: (Int, Int) -> Int): YuvPlane {
    val bytes = ByteArray(rowStride * rows + 2 * WIDTH)
    for (row in 0 until rows) {
        for (column in 0 until WIDTH / pixelStride) {
            bytes[row * rowStride + column * pixelStride] = value(row, column).toByte()
        }
    }
    return YuvPlane(ByteBuffer.wrap(bytes), rowStride, pixelStride)
}
