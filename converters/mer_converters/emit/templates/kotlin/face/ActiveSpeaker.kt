// @generated@
package @package@

import kotlin.math.abs
import kotlin.math.ln
import kotlin.math.log10
import kotlin.math.sqrt

private const val WINDOW_SECONDS = 2.0

// Side of the grey pictures, and by how much two may be shifted against each other, pixels.
private const val FACE = 32
private const val SHIFT = 4

// In a frontal detector's box: the mouth, and what moves with the head alone, as rows and columns of the picture.
private val MOUTH = (21 until 31) to (9 until 23)
private val REST = (7 until 20) to (7 until 25)

// Change that a camera's noise makes, in standard deviations of the face.
private const val NOISE = 0.02

// The sound's level counts between these, dB re full scale.
private const val QUIET = -60.0
private const val LOUD = -20.0
private const val ACTIVITY = 0.5

// Another face is preferred when its score is ahead by this factor, and by this much, for so many seconds.
private const val LEAD_FACTOR = 1.3
private const val LEAD = 0.1
private const val LEAD_SECONDS = 0.5
private const val LEAST = 4

/** Chooses among faces by whose mouth moves with the sound; the choice holds until another is clearly ahead. */
class ActiveSpeaker {
    private class Moment(val time: Double, val motion: Double, val level: Double)

    private class Face(var picture: Patch, var time: Double) {
        val timeline = ArrayDeque<Moment>()
    }

    private val faces = LinkedHashMap<Int, Face>()
    private var preferred: Int? = null
    private var ahead: Pair<Int, Double>? = null

    /** Begin anew, with nobody preferred. */
    fun reset() {
        faces.clear()
        preferred = null
        ahead = null
    }

    /** Forget what one face did. */
    fun forget(key: Int) {
        faces.remove(key)
        if (preferred == key) preferred = null
    }

    /**
     * Looks at the faces of one frame.
     *
     * @param level of the sound since the frame before, 0 to 1; null where there is none.
     */
    fun watch(frame: Frame, boxes: Map<Int, Box>, time: Double, level: Double?) {
        faces.values.removeAll { time - it.time > WINDOW_SECONDS }
        for ((key, box) in boxes) {
            val wide = facePatch(frame, box, FACE + 2 * SHIFT, SHIFT.toDouble() / FACE)
            val face = faces[key]
            if (face == null) {
                faces[key] = Face(wide.part(SHIFT, SHIFT, FACE), time)
                continue
            }
            val scores = correlation(face.picture, wide)
            if (level != null) {
                val moved = motion(face.picture, wide.part(scores.row, scores.column, FACE))
                face.timeline.addLast(Moment(time, moved, level))
            }
            while (face.timeline.isNotEmpty() && time - face.timeline.first().time > WINDOW_SECONDS) {
                face.timeline.removeFirst()
            }
            face.picture = wide.part(SHIFT, SHIFT, FACE)
            face.time = time
        }
    }

    /** How much a face's mouth goes with the sound; 0 where too little is known. Only compares faces. */
    fun score(key: Int): Double {
        val timeline = faces[key]?.timeline ?: return 0.0
        if (timeline.size < LEAST || timeline.maxOf(Moment::level) <= 0.0) return 0.0
        val motion = timeline.sumOf(Moment::motion) / timeline.size
        val level = timeline.sumOf(Moment::level) / timeline.size
        val spread = sqrt(timeline.sumOf { (it.level - level) * (it.level - level) } / timeline.size)
        val together = timeline.sumOf { (it.motion - motion) * (it.level - level) } / timeline.size
        val active = timeline.sumOf { it.motion * it.level } / timeline.sumOf(Moment::level)
        return together / maxOf(spread, 0.1) + ACTIVITY * active
    }

    /** The face to prefer among these; null where there is none. The first choice is the largest face. */
    fun prefer(boxes: Map<Int, Box>, time: Double): Int? {
        if (boxes.isEmpty()) return null
        val held = preferred?.takeIf { it in boxes } ?: boxes.maxBy { it.value.area }.key.also {
            ahead = null
            preferred = it
        }
        val scores = boxes.keys.associateWith(::score)
        val best = boxes.keys.maxBy(scores::getValue)
        val lead = ahead
        if (best == held || scores.getValue(best) < maxOf(scores.getValue(held), 0.0) * LEAD_FACTOR + LEAD) {
            ahead = null
        } else if (lead == null || lead.first != best) {
            ahead = best to time
        } else if (time - lead.second > LEAD_SECONDS - 1e-3) {
            preferred = best
            ahead = null
        }
        return preferred
    }
}

/** The level of some sound, 0 (at most -60 dB) to 1 (at least -20 dB); null where there is no sample. */
fun soundLevel(samples: FloatArray): Double? {
    if (samples.isEmpty()) return null
    val power = samples.sumOf { it.toDouble() * it } / samples.size
    return ((10.0 * log10(power + 1e-12) - QUIET) / (LOUD - QUIET)).coerceIn(0.0, 1.0)
}

/** Logarithm of how much more the mouth's region changed than eyes and nose; 0 for a face at rest. */
private fun motion(before: Patch, now: Patch): Double {
    val (old, new) = before.mean() to now.mean()
    val spread = maxOf(sqrt(before.values.sumOf { (it - old) * (it - old) } / before.values.size), 2.0)
    fun change(part: Pair<IntRange, IntRange>): Double {
        var sum = 0.0
        for (row in part.first) {
            for (column in part.second) sum += abs((now[row, column] - new) - (before[row, column] - old)) / spread
        }
        return sum / (part.first.count() * part.second.count())
    }
    return ln((change(MOUTH) + NOISE) / (change(REST) + NOISE))
}
