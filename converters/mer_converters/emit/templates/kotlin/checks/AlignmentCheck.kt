// @generated@
package @package@

import kotlin.math.abs

/** Sound and pictures in pieces, with gaps and pauses, to what each step reads. */
internal class AlignmentCheck(private val golden: Golden) {
    private val wanted = golden["stage_alignment_steps"]
    private val rows = ArrayList<FloatArray>()

    fun run() {
        val alignment = StreamAlignment()
        val events = golden["stage_alignment_events"]
        val sound = golden["stage_alignment_sound"].values
        val rate = golden["stage_alignment_rate"].ints().single()
        val frame = Frame(intArrayOf(0), 1, 1)
        var taken = 0
        // What is refused changes nothing.
        val refused = listOf(
            { alignment.addAudio(floatArrayOf(Float.NaN), rate, 30.0) },
            { alignment.addAudio(floatArrayOf(0f), rate, 1.7e18) },
            { alignment.addFrame(TimedFrame(1.7e18) { frame }) },
            { alignment.addFrame(TimedFrame(-1.0) { frame }) },
        )
        golden.expect("input that is none is refused", refused.all { isRefused(it) })
        for (index in 0 until events.count) {
            val (kind, time, count) = events[index].asList()
            if (kind == 0f) {
                val piece = sound.copyOfRange(taken, taken + count.toInt())
                taken += piece.size
                alignment.addAudio(piece, rate, seconds(time).takeIf { it != -1.0 })
            } else {
                alignment.addFrame(TimedFrame(seconds(time)) { frame })
            }
            while (alignment.ready(PATIENCE_SECONDS)) step(alignment)
        }
        val end = alignment.end()
        while (alignment.done < end) step(alignment)
        val after = listOf(
            { alignment.addAudio(floatArrayOf(0f), rate, 90.0) },
            { alignment.addFrame(TimedFrame(90.0) { frame }) },
        )
        golden.expect("after its end a stream takes nothing", after.all { isRefused(it) })
        val same = rows.indices.firstOrNull { index ->
            index >= wanted.count || rows[index].indices.any { abs(rows[index][it] - wanted[index][it]) > 1e-3 }
        }
        val fine = same == null && rows.size == wanted.count
        golden.expect("steps of sound and pictures: ${rows.size}, first that differs: $same", fine)
    }

    private fun isRefused(push: () -> Unit): Boolean = try {
        push()
        false
    } catch (error: IllegalArgumentException) {
        error.message != null
    }

    private fun step(alignment: StreamAlignment) {
        val due = alignment.done
        alignment.skipEmpty(Contract.WINDOW_STEPS)
        val row = FloatArray(wanted.shape[1]) { -1f }
        if (alignment.done != due) {
            row[1] = (alignment.done - due).toFloat()
            row[2] = 0f
        } else {
            val given = alignment.take()
            row[0] = given.number.toFloat()
            row[1] = if (given.chunk != null) 1f else 0f
            row[2] = given.frames.size.toFloat()
            for ((place, frame) in given.frames.withIndex()) row[3 + place] = frame.time.toFloat()
        }
        rows += row
    }

    // The file holds float32; the events were made with four places.
    private fun seconds(time: Float) = Math.rint(time * 1e4) / 1e4
}
