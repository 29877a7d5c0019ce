// @generated@
package @package@

// A step looks at its last frame; at earlier ones, up to so many in all, where that one is dark or lost the face.
private const val FRAMES_TRIED = 3

/**
 * A picture: ARGB, a pixel an Int, rows from the top, as `Bitmap.getPixels` gives them.
 *
 * @throws IllegalArgumentException another number of pixels than the size says.
 */
class Frame(val pixels: IntArray, val width: Int, val height: Int) {
    init {
        require(width > 0 && height > 0 && pixels.size == width * height) {
            "a frame of $width x $height pixels has ${pixels.size} values"
        }
    }

    /** The brightest value of every [apart]th pixel of every [apart]th row. */
    internal fun brightest(apart: Int): Int {
        var most = 0
        for (y in 0 until height step apart) {
            for (x in 0 until width step apart) {
                val pixel = pixels[y * width + x]
                most = maxOf(most, pixel shr 16 and 0xff, pixel shr 8 and 0xff, pixel and 0xff)
            }
        }
        return most
    }
}

/** A face in pixels; it may reach outside the frame. */
data class Box(val x: Double, val y: Double, val width: Double, val height: Double) {
    internal val area get() = width * height
    internal val side get() = maxOf(width, height)
    internal val centreX get() = x + width / 2.0
    internal val centreY get() = y + height / 2.0
}

/** A face that a detector found; a higher score is surer. */
data class Detection(val box: Box, val score: Double)

/** Anything that finds faces. */
fun interface FaceDetector {
    fun detect(frame: Frame): List<Detection>
}

/** Intersection over union of two boxes, 0 to 1. */
fun overlap(a: Box, b: Box): Double {
    val width = minOf(a.x + a.width, b.x + b.width) - maxOf(a.x, b.x)
    val height = minOf(a.y + a.height, b.y + b.height) - maxOf(a.y, b.y)
    if (width <= 0 || height <= 0) return 0.0
    val shared = width * height
    return shared / (a.area + b.area - shared)
}

/** A frame at [time] seconds; its pixels are only asked for where they are looked at. */
class TimedFrame(val time: Double, val frame: () -> Frame)

/** Which of a step's frames may be looked at: at most three, evenly from the first to the last. */
fun searched(count: Int): List<Int> {
    if (count <= 1) return List(count) { 0 }
    val picks = minOf(FRAMES_TRIED, count)
    return List(picks) { Math.rint(it * (count - 1.0) / (picks - 1)).toInt() }.distinct()
}
