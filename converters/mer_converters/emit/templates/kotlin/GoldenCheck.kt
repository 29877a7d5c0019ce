// @generated@
package @package@

import java.nio.ByteBuffer
import java.nio.ByteOrder
import kotlin.math.abs
//#if quantized
import kotlin.math.log10
import kotlin.math.pow
//#end

/** One thing that was compared with the golden file, and how it came out. */
class Finding(val what: String, val fine: Boolean)

/** Proves the wrapper and the runtime on this device by the bundle's golden cases. */
class GoldenCheck(content: ByteArray) {
    private class Array(val shape: IntArray, val values: FloatArray) {
        operator fun get(index: Int): FloatArray {
            val row = values.size / shape[0]
            return values.copyOfRange(index * row, (index + 1) * row)
        }
    }

    private val golden = read(content)
    private val findings = ArrayList<Finding>()

    fun run(sensor: Sensor): List<Finding> {
//#if audio
        checkSound()
//#end
//#if face
        checkFaces()
//#end
        checkWindow()
        checkDecisions()
        var index = 0
        while ("case${index}_logits" in golden) checkCase(sensor, index++)
        return findings
    }
//#if audio

    private fun checkSound() {
        val sound = array("host_sound").values
        val wanted = array("host_chunks")
        val chunker = AudioChunker()
        val chunks = ArrayList<FloatArray>()
        var taken = 0
        for (piece in array("host_pieces").values) {
            chunks += chunker.push(sound.copyOfRange(taken, taken + piece.toInt()))
            taken += piece.toInt()
        }
        chunker.flush()?.let(chunks::add)
        val same = chunks.size == wanted.shape[0] && chunks.indices.all { chunks[it].contentEquals(wanted[it]) }
        expect("chunks of a stream in pieces", same)
    }
//#end
//#if face

    private fun checkFaces() {
        val frame = array("host_frame")
        val (height, width) = frame.shape
        val pixels = IntArray(height * width) {
            frame.values[3 * it].toInt() shl 16 or (frame.values[3 * it + 1].toInt() shl 8) or
                frame.values[3 * it + 2].toInt()
        }
        val boxes = array("host_boxes")
        for (index in 0 until boxes.shape[0]) {
            val (x, y, w, h) = boxes[index].map(Float::toDouble)
            val crop = cropFace(pixels, width, height, Box(x, y, w, h))
            expect("crop of face $index", crop != null && furthest(crop, array("host_crops")[index]) <= 2e-3)
        }
        val black = cropFace(IntArray(pixels.size), width, height, Box(0.0, 0.0, 8.0, 8.0))
        expect("a black crop is no face", black == null)
    }
//#end

    private fun checkWindow() {
        val window = StepWindow()
        for (step in array("host_mask_${name(Modality.entries[0])}").values.indices) {
            if (step == HOST_ENROL_AT) window.enrol(HOST_ENROL_STEPS)
            val there = Modality.entries.filter { array("host_mask_${name(it)}").values[step] != 0f }
            window.push(there.associateWith { array("host_rows_${name(it)}")[step] })
        }
        for (modality in Modality.entries) {
            val rows = furthest(window.rows(modality), array("host_window_${name(modality)}").values)
            val mask = window.mask(modality).contentEquals(array("host_window_mask_${name(modality)}").values)
            expect("window, masks and warm baseline: $modality", rows <= 1e-4 && mask)
        }
        window.finish()
        for (modality in Modality.entries) {
            val mean = furthest(window.mean(modality), array("host_mean_${name(modality)}").values)
            expect("baseline at the end: $modality", mean <= 1e-4)
            val kept = StepWindow(window.profiles).mean(modality)
            expect("baseline stored and given back: $modality", kept.contentEquals(window.mean(modality)))
        }
    }

    private fun checkDecisions() {
        val logits = array("host_logits")
        for (index in 0 until logits.shape[0]) {
            val held = array("host_present")[index]
            val found = decide(logits[index], Modality.entries.associateWith { held[it.ordinal].toInt() })
            val shares = found.probabilities.values.map(Double::toFloat).toFloatArray()
            val (named, valence, arousal) = array("host_decisions")[index].asList()
            val fine = furthest(shares, array("host_probabilities")[index]) <= 1e-6 &&
                (found.emotion?.ordinal ?: -1) == named.toInt() &&
                abs(found.valence - valence) <= 1e-6 && abs(found.arousal - arousal) <= 1e-6
            expect("decision $index", fine)
        }
    }

    private fun checkCase(sensor: Sensor, index: Int) {
        fun there(modality: String, step: Int) = array("case${index}_${modality}_mask").values[step] != 0f
        sensor.reset()
        var logits = FloatArray(0)
        for (step in 0 until Contract.WINDOW_STEPS) {
//#if audio
            val chunk = if (there("audio", step)) array("case${index}_pcm")[step] else null
//#end
//#if face
            val crop = if (there("face", step)) array("case${index}_crop")[step] else null
//#end
            logits = sensor.step(@step_arguments@).logits.toFloatArray()
        }
//#if quantized
        // Held to what the bundle itself gave where it was made: quantized kernels may round differently.
        val ratio = sqnr(logits, array("case${index}_made_logits").values)
        expect("case $index: SQNR of the logits, dB: $ratio", ratio >= TOLERANCE_SQNR_DB)
//#else
        val apart = furthest(logits, array("case${index}_logits").values)
        expect("case $index: largest error of the logits: $apart", apart <= TOLERANCE)
//#end
    }
//#if quantized

    /** Signal to quantization noise, decibels. */
    private fun sqnr(found: FloatArray, wanted: FloatArray): Double {
        val noise = wanted.indices.sumOf { (found[it] - wanted[it]).toDouble().pow(2) }
        val signal = wanted.sumOf { it.toDouble().pow(2) }
        return if (noise == 0.0) Double.POSITIVE_INFINITY else 10 * log10(signal / noise)
    }
//#end

    private fun furthest(found: FloatArray, wanted: FloatArray): Double {
        if (found.size != wanted.size) return Double.POSITIVE_INFINITY
        return wanted.indices.maxOf { abs(found[it].toDouble() - wanted[it]) }
    }

    private fun name(modality: Modality) = modality.name.lowercase()

    private fun array(name: String) = golden.getValue(name)

    private fun expect(what: String, fine: Boolean) {
        findings += Finding(what, fine)
    }

    private companion object {
        // What the test allows: the rule of `mer verify` for this scheme.
//#if quantized
        const val TOLERANCE_SQNR_DB = @sqnr@
//#else
        const val TOLERANCE = @tolerance@
//#end
        const val HOST_ENROL_AT = @enrol_at@
        const val HOST_ENROL_STEPS = @enrol_steps@

        // "MERGOLD1", the number of arrays, then each: length of its name, name, rank, sizes, float32 values.
        fun read(content: ByteArray): Map<String, Array> {
            val bytes = ByteBuffer.wrap(content).order(ByteOrder.LITTLE_ENDIAN)
            fun text(length: Int) = ByteArray(length).also(bytes::get).toString(Charsets.UTF_8)
            check(text(8) == "MERGOLD1") { "this is no golden file" }
            return List(bytes.int) {
                val name = text(bytes.int)
                val shape = IntArray(bytes.int) { bytes.int }
                name to Array(shape, FloatArray(shape.fold(1, Int::times)) { bytes.float })
            }.toMap()
        }
    }
}
