// @generated@
package @package@

import kotlin.math.abs

/** A frame to the graph's input, and its outputs to faces. */
internal class FinderCheck(private val golden: Golden) {
    fun run() {
        var index = 0
        while ("stage_letterbox${index}_frame" in golden) checkLetterbox("stage_letterbox${index++}_")
        var number = 0
        while ("stage_decode${number}_size" in golden) checkDecoding("stage_decode${number++}_")
        golden.expect("letterboxes: $index, decodings: $number", index > 0 && number > 0)
    }

    private fun checkLetterbox(prefix: String) {
        val (input, scale) = FaceFinder.letterbox(frameOf(golden["${prefix}frame"]))
        golden.near("${prefix}input", input, golden["${prefix}input"].values, 2e-3)
        golden.expect("${prefix}scale", abs(scale - golden["${prefix}scale"].values[0]) <= 1e-6)
    }

    private fun checkDecoding(prefix: String) {
        val (height, width) = golden["${prefix}size"].ints()
        val scale = FaceFinder.letterbox(Frame(IntArray(height * width), width, height)).second
        val found = FaceFinder.read(golden["${prefix}scores"].values, golden["${prefix}boxes"].values, scale)
        val values = found.flatMap { listOf(it.box.x, it.box.y, it.box.width, it.box.height, it.score) }
        val wanted = golden["${prefix}faces"].values
        golden.near("${prefix}faces", values.map(Double::toFloat).toFloatArray(), wanted, 1e-2)
    }
}
