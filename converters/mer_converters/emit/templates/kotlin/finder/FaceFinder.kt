// @generated@
package @package@

import kotlin.math.floor

/**
 * Finds faces by the bundle's graph: letterbox, run, threshold, non-maximum suppression. Boxes are squares from the
 * middle of the forehead to the chin, in pixels of the frame, and may reach outside. Not thread-safe.
 */
class FaceFinder internal constructor(private val graph: Graph) : FaceDetector, AutoCloseable {
    /** Faces, the best first. */
    override fun detect(frame: Frame): List<Detection> = find(frame).third

    /** What the graph gives, scores N and boxes N x 4, and the faces that are read from it; see [detect]. */
    fun find(frame: Frame): Triple<FloatArray, FloatArray, List<Detection>> {
        val (input, scale) = letterbox(frame)
        val outputs = graph.run(listOf(input))
        val scores = outputs[Contract.SCORES]
        val boxes = outputs[Contract.BOXES]
        return Triple(scores, boxes, read(scores, boxes, scale))
    }

    override fun close() = graph.close()

    companion object {
        /** Loads the graph; see [openGraphs]. */
        fun open(source: BundleSource, threads: Int = 1, trust: List<String>? = null): FaceFinder =
            FaceFinder(openGraphs(source, threads, trust).getValue(Contract.FINDER))

        /** The input of the graph, RGB, 0 to 255, and the scale from pixels of the frame to pixels of the input. */
        fun letterbox(frame: Frame): Pair<FloatArray, Double> {
            val down = Contract.FINDER_HEIGHT.toDouble() / frame.height
            val scale = minOf(down, Contract.FINDER_WIDTH.toDouble() / frame.width)
            val rows = maxOf(1, floor(frame.height * scale + 0.5).toInt())
            val columns = maxOf(1, floor(frame.width * scale + 0.5).toInt())
            // Every s-th pixel, so that at least two are left for each one of the input.
            val picture = resizeTriangle(frame, thin(frame.height, rows), thin(frame.width, columns), rows, columns)
            val input = FloatArray(Contract.FINDER_HEIGHT * Contract.FINDER_WIDTH * 3)
            for (row in 0 until rows) {
                picture.copyInto(input, row * Contract.FINDER_WIDTH * 3, row * columns * 3, (row + 1) * columns * 3)
            }
            return input to scale
        }

        /** Faces from what the graph gives: [scores] N and [boxes] N x 4, shares of the input. */
        fun read(scores: FloatArray, boxes: FloatArray, scale: Double): List<Detection> {
            val width = Contract.FINDER_WIDTH / scale.toFloat()
            val height = Contract.FINDER_HEIGHT / scale.toFloat()
            val found = scores.indices.filter { scores[it] > Contract.THRESHOLD }.map {
                val x = (boxes[4 * it] * width).toDouble()
                val y = (boxes[4 * it + 1] * height).toDouble()
                val w = (boxes[4 * it + 2] * width).toDouble()
                val h = (boxes[4 * it + 3] * height).toDouble()
                Detection(Box(x, y, w, h), scores[it].toDouble())
            }
            val kept = ArrayList<Detection>()
            for (face in found.sortedByDescending(Detection::score)) {
                if (kept.all { overlap(face.box, it.box) <= Contract.OVERLAP }) kept += face
            }
            return kept
        }

        private fun thin(source: Int, target: Int): IntArray {
            val apart = maxOf(1, source / (2 * target))
            return IntArray(source / apart) { apart / 2 + it * apart }
        }
    }
}
