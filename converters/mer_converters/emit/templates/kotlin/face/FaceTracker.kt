// @generated@
package @package@

import kotlin.math.abs
import kotlin.math.sqrt

// Boxes of two frames are one face above this intersection over union.
private const val SAME_FACE_IOU = 0.3

// A face that is gone keeps its place this long, seconds.
private const val TRACK_SECONDS = 2.0

// Side of a template, pixels; a face is searched for half of its side away in each direction.
private const val TEMPLATE = 24
private const val REACH = 12

// Correlation from which the tracker is sure.
private const val SURE = 0.75
private val SCALES = doubleArrayOf(0.92, 1.09)
private const val SCALE_GAIN = 0.01

// So many searches in a row may miss a face that correlates.
private const val MISSES = 3
// Of a face at the edge more lies outside than inside; a box many times as large as the frame is none.
private const val LARGEST_FACE = 4.0

// A cut: the picture, this small, correlates less with the one before, and differs by so many grey levels.
private const val CUT_ROWS = 18
private const val CUT_COLUMNS = 32
private const val CUT_CORRELATION = 0.6
private const val CUT_LEVELS = 10.0

/** One face followed: [id] is never given twice; [found] is how often the detector found it. */
class Track internal constructor(val id: Int, box: Box, time: Double, internal var template: Patch) {
    var box = box
        internal set
    var time = time
        internal set
    var found = 1
        internal set
    internal var velocityX = 0.0
    internal var velocityY = 0.0
    internal var misses = 0
    internal var lost = false
}

/**
 * Follows up to [most] faces, each with an id that stays: seldom searched for, otherwise found again by a small grey
 * picture of each.
 *
 * The detector is asked where no face is followed, where the correlation of one is not sure, after a cut, and else
 * every [detectSeconds]. A first face is given at once; one that appears beside others when it was found in two
 * searches.
 */
class FaceTracker(private val detector: FaceDetector, private val detectSeconds: Double, private val most: Int) {
    private var kept = listOf<Track>()
    private var next = 0
    private var searched = Double.NEGATIVE_INFINITY
    private var thumbnail: Patch? = null
    private var size = 0 to 0

    /** Calls of the detector since the last reset. */
    var searches = 0
        private set

    /** Those followed in the frame looked at last, and those lost that may come back. */
    val tracks: List<Track> get() = kept

    /** Forget all tracks; ids begin at 0 again. */
    fun reset() {
        kept = emptyList()
        next = 0
        searched = Double.NEGATIVE_INFINITY
        thumbnail = null
        size = 0 to 0
        searches = 0
    }

    /** End one track; the face, if still there, begins another. */
    fun drop(track: Int) {
        kept = kept.filter { it.id != track }
    }

    /** The faces in a frame at [time] seconds, longest followed first. */
    fun follow(frame: Frame, time: Double): List<Track> {
        // In a picture of another size the places of the faces before say nothing.
        if (isCut(frame) || size != frame.width to frame.height) kept = emptyList()
        size = frame.width to frame.height
        kept = kept.filter { time - it.time <= TRACK_SECONDS }
        val live = kept.filter { !it.lost }
        val sure = live.filter { move(it, frame, time) }
        val settled = live.isNotEmpty() && sure.size == live.size && live.all { it.found > 1 && it.misses == 0 }
        // The first search of a face is not repeated for its own sake where it is the only one.
        val alone = live.size == 1 && sure.size == 1 && live[0].misses == 0
        // Time stamps are rounded: a search that is due within a millisecond is due.
        if (!(settled || alone) || time - searched > detectSeconds - 1e-3) search(frame, time, sure)
        val shown = kept.filter { !it.lost }
        return shown.filter { it.found > 1 }.ifEmpty { shown.take(1) }
    }

    private fun search(frame: Frame, time: Double, sure: List<Track>) {
        searches++
        searched = time
        val found = detector.detect(frame).map(Detection::box).filter { isInFrame(it, frame) }
        val boxes = found.sortedByDescending(Box::area).take(2 * most)
        val pairs = assign(kept.map(Track::box), boxes)
        val before = kept
        val left = ArrayList<Track>()
        for ((index, track) in before.withIndex()) {
            val pair = pairs[index]
            if (pair != null) {
                place(track, boxes[pair], time)
                track.template = facePatch(frame, track.box, TEMPLATE)
                track.found++
                track.misses = 0
                track.lost = false
            } else {
                track.misses++
                // What was found but once, beside others, was no face.
                if (track.found == 1 && before.size > 1) continue
                track.lost = track.lost || track !in sure || track.misses >= MISSES
            }
            left += track
        }
        for ((index, box) in boxes.withIndex()) {
            val shown = left.filter { !it.lost }
            if (index in pairs.values || shown.any { overlap(box, it.box) > SAME_FACE_IOU }) continue
            if (shown.size < most) left += Track(next++, box, time, facePatch(frame, box, TEMPLATE))
        }
        kept = left
    }

    /** Puts a track where its template correlates best; false, and no move, where that is not sure. */
    private fun move(track: Track, frame: Frame, time: Double): Boolean {
        val bound = 0.25 * track.box.side
        val gap = time - track.time
        val right = (track.velocityX * gap).coerceIn(-bound, bound)
        val down = (track.velocityY * gap).coerceIn(-bound, bound)
        val expected = track.box.copy(x = track.box.x + right, y = track.box.y + down)
        var (score, box) = best(track.template, frame, expected, REACH)
        for (scale in SCALES) {
            val (other, moved) = best(track.template, frame, scaled(box, scale), 2)
            if (other > score + SCALE_GAIN) {
                score = other
                box = moved
            }
        }
        if (score < SURE) return false
        place(track, box, time)
        return true
    }

    private fun place(track: Track, box: Box, time: Double) {
        val gap = time - track.time
        if (gap > 0) {
            track.velocityX = (box.centreX - track.box.centreX) / gap
            track.velocityY = (box.centreY - track.box.centreY) / gap
        }
        track.box = box
        track.time = time
    }

    private fun isCut(frame: Frame): Boolean {
        val whole = Box(0.0, 0.0, frame.width.toDouble(), frame.height.toDouble())
        val small = sampled(frame, whole, CUT_ROWS, CUT_COLUMNS)
        val before = thumbnail
        thumbnail = small
        if (before == null) return false
        val change = small.values.indices.sumOf { abs(small.values[it] - before.values[it]).toDouble() }
        if (change / small.values.size < CUT_LEVELS) return false
        val (a, b) = small.mean() to before.mean()
        var cross = 0.0
        var ownA = 0.0
        var ownB = 0.0
        for (index in small.values.indices) {
            val (x, y) = small.values[index] - a to before.values[index] - b
            cross += x * y
            ownA += x * x
            ownB += y * y
        }
        return cross < CUT_CORRELATION * sqrt(ownA * ownB)
    }
}

/** Which box is which track: the pairs of overlap above 0.3 whose sum is highest. Index of a track -> of its box. */
fun assign(tracks: List<Box>, boxes: List<Box>): Map<Int, Int> {
    val near = tracks.map { track ->
        boxes.indices.map { it to overlap(track, boxes[it]) }.filter { it.second > SAME_FACE_IOU }
    }

    fun best(index: Int, taken: Set<Int>): Pair<Double, Map<Int, Int>> {
        if (index == tracks.size) return 0.0 to emptyMap()
        var result = best(index + 1, taken)
        for ((number, share) in near[index]) {
            if (number in taken) continue
            val (total, pairs) = best(index + 1, taken + number)
            if (total + share > result.first) result = total + share to pairs + (index to number)
        }
        return result
    }
    return best(0, emptySet()).second
}

/** The highest correlation within [reach] template pixels around a box, and where it is. */
private fun best(template: Patch, frame: Frame, box: Box, reach: Int): Pair<Double, Box> {
    val patch = facePatch(frame, box, TEMPLATE + 2 * reach, reach.toDouble() / TEMPLATE)
    val scores = correlation(template, patch)
    val pixel = box.side / TEMPLATE
    val down = scores.row - reach + peak(DoubleArray(scores.size) { scores.at(it, scores.column) }, scores.row)
    val right = scores.column - reach + peak(DoubleArray(scores.size) { scores.at(scores.row, it) }, scores.column)
    return scores.score to box.copy(x = box.x + right * pixel, y = box.y + down * pixel)
}

/** How far the top of a parabola through three values lies from the middle one, -0.5 to 0.5. */
private fun peak(values: DoubleArray, index: Int): Double {
    if (index <= 0 || index >= values.size - 1) return 0.0
    val bend = values[index - 1] - 2.0 * values[index] + values[index + 1]
    return if (bend >= 0) 0.0 else (0.5 * (values[index - 1] - values[index + 1]) / bend).coerceIn(-0.5, 0.5)
}

private fun scaled(box: Box, scale: Double): Box {
    val (width, height) = box.width * scale to box.height * scale
    return Box(box.centreX - width / 2.0, box.centreY - height / 2.0, width, height)
}

/** Whether a detector's box can be a face of the frame: finite, partly inside, and not many times as large. */
private fun isInFrame(box: Box, frame: Frame): Boolean {
    val (x, y, width, height) = box
    if (!(x + y + width + height).isFinite() || !(width > 0 && height > 0)) return false
    val small = box.side <= LARGEST_FACE * maxOf(frame.width, frame.height)
    return small && x < frame.width && y < frame.height && x + width > 0 && y + height > 0
}
