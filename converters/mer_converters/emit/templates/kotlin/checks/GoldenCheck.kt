// @generated@
package @package@
//#if quantized

import kotlin.math.log10
import kotlin.math.pow
//#end

/** Proves the code and the runtime on this device by the bundle's golden cases and the vectors of every stage. */
class GoldenCheck(content: ByteArray) {
    private val golden = Golden(content)

    /** Compares everything. [source] is the bundle. */
    fun run(source: BundleSource): List<Finding> {
        checkStages(golden)
        open(source).use { model ->
            var index = 0
            while ("case${index}_@answer@" in golden) checkCase(model, "case$index", "case${index++}_")
            golden.expect("golden cases: $index", index > 0)
        }
        return golden.findings
    }
//#if window

    private fun open(source: BundleSource) = Sensor.open(source)

    private fun checkStages(golden: Golden) {
        WindowCheck(golden).run()
        if ("stage_alignment_events" in golden) AlignmentCheck(golden).run()
//#if audio
        SoundCheck(golden).run()
//#end
//#if face
        FaceCheck(golden).run()
//#end
    }

    private fun checkCase(sensor: Sensor, what: String, prefix: String) {
        fun there(modality: String, step: Int) = golden["$prefix${modality}_mask"].values[step] != 0f
        sensor.reset()
        var logits = FloatArray(0)
        for (step in 0 until Contract.WINDOW_STEPS) {
//#if audio
            val chunk = if (there("audio", step)) golden["${prefix}pcm"][step] else null
//#end
//#if face
            val crop = if (there("face", step)) golden["${prefix}crop"][step] else null
//#end
            logits = sensor.step(@step_arguments@).logits.toFloatArray()
        }
        compare(what, logits, prefix)
    }
//#end
//#if dialogue

    private fun open(source: BundleSource) = Conversation.open(source)

    private fun checkStages(golden: Golden) {
        DialogueCheck(golden).run()
//#if audio
        SoundCheck(golden).run()
//#end
//#if face
        FaceCheck(golden).run()
//#end
    }

    /** The window of a whole dialogue: each utterance's steps through the encoders, then the logits of the newest. */
    private fun checkCase(conversation: Conversation, what: String, prefix: String) {
        conversation.reset()
        val speakers = golden["${prefix}speakers"].ints()
        var logits = FloatArray(0)
        for (row in 0 until Contract.UTTERANCES) {
            val features = Modality.entries.filter { there(it, prefix, row) }.associateWith { modality ->
                val raw = golden["$prefix${RAW.getValue(name(modality))}"].part(row)
                val info = ENCODERS.getValue(name(modality))
                val size = info.inputs[0].elements
                val values = List(raw.values.size / size) { raw.values.copyOfRange(it * size, (it + 1) * size) }
                conversation.encode(info, values)
            }
            logits = conversation.engine.advance(features, speakers[row].toString()).logits.toFloatArray()
        }
        compare(what, logits, prefix)
    }

    private fun there(modality: Modality, prefix: String, row: Int) =
        golden["$prefix${name(modality)}_mask"].values[row] != 0f
//#end
//#if finder

    private fun open(source: BundleSource) = FaceFinder.open(source)

    private fun checkStages(golden: Golden) = FinderCheck(golden).run()

    private fun checkCase(finder: FaceFinder, what: String, prefix: String) {
        val (scores, boxes, faces) = finder.find(frameOf(golden["${prefix}frame"]))
        golden.near("$what: scores", scores, golden["${prefix}scores"].values, TOLERANCE)
        golden.near("$what: boxes", boxes, golden["${prefix}boxes"].values, TOLERANCE)
        val wanted = golden["${prefix}faces"]
        golden.expect("$what: ${faces.size} faces", faces.size == wanted.count)
    }
//#else

    private fun compare(what: String, logits: FloatArray, prefix: String) {
//#if quantized
        // Held to what the bundle itself gave where it was made: quantized kernels may round differently.
        val ratio = sqnr(logits, newest(golden["${prefix}made_logits"]))
        golden.expect("$what: SQNR of the logits, dB: $ratio", ratio >= TOLERANCE_SQNR_DB)
//#else
        val apart = furthest(logits, newest(golden["${prefix}logits"]))
        golden.expect("$what: largest error of the logits: $apart", apart <= TOLERANCE)
//#end
    }

//#if dialogue
    private fun newest(logits: GoldenArray) = logits[logits.count - 1]
//#else
    private fun newest(logits: GoldenArray) = logits.values
//#end
//#end
//#if quantized

    /** Signal to quantization noise, decibels. */
    private fun sqnr(found: FloatArray, wanted: FloatArray): Double {
        val noise = wanted.indices.sumOf { (found[it] - wanted[it]).toDouble().pow(2) }
        val signal = wanted.sumOf { it.toDouble().pow(2) }
        return if (noise == 0.0) Double.POSITIVE_INFINITY else 10 * log10(signal / noise)
    }
//#end

    private companion object {
        // What the test allows: the rule of `mer verify` for this scheme.
//#if quantized
        const val TOLERANCE_SQNR_DB = @sqnr@
//#else
        const val TOLERANCE = @tolerance@
//#end
//#if dialogue
        val RAW = mapOf("text" to "ids", "audio" to "pcm", "face" to "crop")
        val ENCODERS = mapOf(@encoder_graphs@)
//#end
    }
}
