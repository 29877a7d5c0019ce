// @generated@
package @package@

import java.nio.ByteBuffer
import java.nio.ByteOrder
import kotlin.math.abs

/** One thing that was compared with the golden file, and how it came out. */
class Finding(val what: String, val fine: Boolean)

/** One array of the golden file, rows first. */
class GoldenArray(val shape: IntArray, val values: FloatArray) {
    /** How many rows there are, and how many values each has. */
    val count: Int get() = shape[0]
    private val row: Int get() = if (count == 0) 0 else values.size / count

    operator fun get(index: Int): FloatArray = values.copyOfRange(index * row, (index + 1) * row)

    /** The row as an array of its own. */
    fun part(index: Int) = GoldenArray(shape.copyOfRange(1, shape.size), get(index))

    fun ints(): List<Int> = values.map(Float::toInt)
}

/**
 * The golden file: "MERGOLD1", the number of arrays, then each: length of its name, name, rank, sizes, float32 values.
 */
class Golden(content: ByteArray) {
    private val arrays: Map<String, GoldenArray>

    /** What was compared so far. */
    val findings = ArrayList<Finding>()

    init {
        val bytes = ByteBuffer.wrap(content).order(ByteOrder.LITTLE_ENDIAN)
        fun text(length: Int) = ByteArray(length).also(bytes::get).toString(Charsets.UTF_8)
        check(text(8) == "MERGOLD1") { "this is no golden file" }
        arrays = List(bytes.int) {
            val name = text(bytes.int)
            val shape = IntArray(bytes.int) { bytes.int }
            name to GoldenArray(shape, FloatArray(shape.fold(1, Int::times)) { bytes.float })
        }.toMap()
    }

    operator fun contains(name: String) = name in arrays

    operator fun get(name: String): GoldenArray = checkNotNull(arrays[name]) { "golden.bin has no $name" }

    /** Texts that lie one behind another in [name], their lengths in bytes in `NAME_bytes`. */
    fun texts(name: String): List<String> {
        val bytes = ByteArray(this[name].values.size) { this[name].values[it].toInt().toByte() }
        var place = 0
        return this["${name}_bytes"].ints().map { length ->
            bytes.copyOfRange(place, place + length).decodeToString().also { place += length }
        }
    }

    fun expect(what: String, fine: Boolean) {
        findings += Finding(what, fine)
    }

    /** Compares values; the finding says how far they are apart. */
    fun near(what: String, found: FloatArray, wanted: FloatArray, tolerance: Double) {
        val apart = furthest(found, wanted)
        expect("$what: largest error $apart, allowed $tolerance", apart <= tolerance)
    }
}

/** The largest difference; infinite where the numbers of values differ, or one is no number. */
internal fun furthest(found: FloatArray, wanted: FloatArray): Double {
    if (found.size != wanted.size || !found.all(Float::isFinite)) return Double.POSITIVE_INFINITY
    return wanted.indices.maxOfOrNull { abs(found[it].toDouble() - wanted[it]) } ?: 0.0
}

//#if pictures
/** Pixels of a golden picture, height x width x 3. */
internal fun frameOf(array: GoldenArray): Frame {
    val values = array.values
    val pixels = IntArray(values.size / 3) {
        values[3 * it].toInt() shl 16 or (values[3 * it + 1].toInt() shl 8) or values[3 * it + 2].toInt()
    }
    return Frame(pixels, array.shape[1], array.shape[0])
}

//#end
//#if finder
//#else
/** A fusion graph that keeps what it was given. Its logits are the number of the run, from 1, modulo 2, 3, 4, ... */
internal class FusionRecorder : Fusion {
    private var given: List<FloatArray>? = null
    private var runs = 0

    override fun run(inputs: List<FloatArray>): List<FloatArray> {
        given = inputs.map(FloatArray::copyOf)
        runs++
        return Contract.FUSION.outputs.mapIndexed { place, output ->
            FloatArray(output.elements) { if (place == Contract.LOGITS) (runs % (it + 2)).toFloat() else 0f }
        }
    }

    fun clear() {
        given = null
    }

    /** One input of the last run; zeros where there was none since [clear]. */
    fun seen(name: String): FloatArray {
        val place = Contract.FUSION.inputs.indexOfFirst { it.name == name }
        return given?.get(place) ?: FloatArray(Contract.FUSION.inputs[place].elements)
    }
}

internal fun name(modality: Modality) = modality.name.lowercase()
//#end
