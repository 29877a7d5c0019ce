// @generated@
package @package@

import kotlin.math.sqrt

// The picture that is described, pixels, and cells in each direction. Smaller faces are not described.
private const val PICTURE = 48
private const val CELLS = 6
private const val SMALLEST_FACE = 40.0

// Two pictures of one person: similarity above this.
private const val SAME_PERSON = 0.69

// A view less similar than this to those that are kept is kept too; the oldest of so many goes.
private const val NEW_VIEW = 0.85
private const val VIEWS = 8
private const val REMEMBERED = 32
private const val KINDS = 59
private val NEIGHBOURS = listOf(-1 to -1, -1 to 0, -1 to 1, 0 to 1, 1 to 1, 1 to 0, 1 to -1, 0 to -1)

/**
 * Ids of persons, from 0. A face that looks like nobody remembered gets the next one; none is given twice.
 *
 * Nothing but descriptors is kept (2124 numbers a view), in memory alone. They can tell people apart: biometric data.
 */
class IdentityMemory(private val rememberSeconds: Double) {
    private class Person(var time: Double) {
        val views = ArrayDeque<FloatArray>()
    }

    private val persons = LinkedHashMap<Int, Person>()
    private var next = 0

    /** The ids of those remembered. */
    val known: List<Int> get() = persons.keys.toList()

    /** Forget everybody; ids begin at 0 again. */
    fun reset() {
        persons.clear()
        next = 0
    }

    /**
     * The id of the person that a new face shows: the most similar one above the threshold, or a new id.
     *
     * @param view of [describe]; null always gives a new id.
     * @param present persons who are in the picture already and cannot be this face.
     */
    fun recognise(view: FloatArray?, time: Double, present: Set<Int> = emptySet()): Int {
        passTime(time)
        var best = SAME_PERSON
        var found: Int? = null
        for ((person, one) in persons) {
            if (view == null || person in present || one.views.isEmpty()) continue
            val similar = similarity(view, one.views)
            if (similar > best) {
                best = similar
                found = person
            }
        }
        val person = found ?: next++
        observe(person, view, time)
        return person
    }

    /** This person is seen now, and looks like this. */
    fun observe(person: Int, view: FloatArray?, time: Double) {
        val one = persons.getOrPut(person) { Person(time) }
        one.time = time
        if (view != null && (one.views.isEmpty() || similarity(view, one.views) < NEW_VIEW)) {
            if (one.views.size == VIEWS) one.views.removeFirst()
            one.views.addLast(view)
        }
        if (persons.size > REMEMBERED) persons.remove(persons.minBy { it.value.time }.key)
    }

    /** It is so many seconds into the stream: who was not seen for long is forgotten. */
    fun passTime(time: Double) {
        persons.values.removeAll { time - it.time > rememberSeconds }
    }

    /** Forget one person. Who comes back gets a new id. */
    fun forget(person: Int) {
        persons.remove(person)
    }
}

/** What a face looks like: histograms of local binary patterns, 2124 numbers; null where it is too small. */
fun describe(frame: Frame, box: Box): FloatArray? =
    if (box.side < SMALLEST_FACE) null else descriptor(facePatch(frame, box, PICTURE))

private fun descriptor(picture: Patch): FloatArray {
    val size = PICTURE - 2
    // A sum over 3 x 3 pixels: patterns of single pixels are noise and compression.
    val smooth = Patch(PICTURE) {
        val (row, column) = it / PICTURE to it % PICTURE
        var sum = 0f
        for (y in row - 1..row + 1) {
            for (x in column - 1..column + 1) sum += picture[y.coerceIn(0, PICTURE - 1), x.coerceIn(0, PICTURE - 1)]
        }
        sum
    }
    val histogram = IntArray(CELLS * CELLS * KINDS)
    val pixels = IntArray(CELLS * CELLS)
    for (row in 0 until size) {
        for (column in 0 until size) {
            var code = 0
            for ((bit, neighbour) in NEIGHBOURS.withIndex()) {
                val value = smooth[1 + row + neighbour.first, 1 + column + neighbour.second]
                if (value >= smooth[1 + row, 1 + column]) code = code or (1 shl bit)
            }
            val cell = cellOf[row] * CELLS + cellOf[column]
            histogram[cell * KINDS + uniform[code]]++
            pixels[cell]++
        }
    }
    return FloatArray(histogram.size) { (sqrt(histogram[it].toDouble() / pixels[it / KINDS]) / CELLS).toFloat() }
}

/** Of one view to the most similar of others, 0 to 1. */
private fun similarity(view: FloatArray, views: Collection<FloatArray>): Double =
    views.maxOf { other -> view.indices.sumOf { view[it].toDouble() * other[it] } }

/** Code of 8 bits -> its number among the 58 with at most two changes around the circle; 58 for all others. */
private val uniform: IntArray = run {
    var number = 0
    IntArray(256) { code ->
        val turned = code shr 1 or (code and 1 shl 7)
        if (Integer.bitCount(code xor turned) <= 2) number++ else KINDS - 1
    }
}

/** The cell of each row, and of each column. */
private val cellOf: IntArray = run {
    val size = PICTURE - 2
    val edges = List(CELLS + 1) { Math.rint(it * size.toDouble() / CELLS).toInt() }
    IntArray(size) { place -> edges.indexOfLast { it <= place } }
}
