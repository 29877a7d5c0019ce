// @generated@
package @package@

import kotlin.math.floor

// A picture lasts until the next one, for so long at most, seconds.
internal const val HELD_SECONDS = 10.0

// Time stamps are compared with this slack, seconds.
private const val SLACK = 1e-6
// Seconds; more are milliseconds, microseconds or nanoseconds of a clock, and no arithmetic of steps holds them.
private const val LATEST = 1e11

/** The two streams. */
enum class Stream { AUDIO, VIDEO }

/** What one step reads: its sound, null where it is missing, and the frames that may be searched for a face. */
class StepInput(val number: Long, val chunk: FloatArray?, val frames: List<TimedFrame>)

/** The number of the step that holds a time in seconds since the stream began. */
fun stepAt(seconds: Double): Long = floor((seconds + SLACK) / STEP_SECONDS).toLong()

internal const val STEP_SECONDS = Contract.STEP_MS / 1000.0

/**
 * Cuts two streams into steps. A step is over once every stream that is waited for has passed its end.
 *
 * Time counts from 0 or, where the first stamp is over a window later, from the step of that stamp. Sound that goes on
 * after a gap of over a window, or at another rate, begins anew.
 */
class StreamAlignment {
    private class Sound(val number: Long, val step: AudioStep)

    private val window = Contract.WINDOW_STEPS * STEP_SECONDS
    private var audio = AudioFrontend()
    private var audioBase = 0L
    private var audioMade = 0L
    private val audioSteps = ArrayDeque<Sound>()
    private var audioRate: Int? = null
    private val frames = java.util.TreeMap<Long, MutableList<TimedFrame>>()

    // The picture that is shown, and until when at the latest.
    private var held: TimedFrame? = null
    private var first = 0L
    private var began = false
    private var beganVideo = false
    private var ended = false
    private var videoTime = 0.0
    private var videoEnd = 0.0

    /** Streams that are waited for; one that begins is added. */
    val expected = HashSet<Stream>()

    /** Steps that were taken. */
    var done = 0L
        private set

    /** Seconds up to which sound was given. */
    val audioTime: Double get() = audioBase * STEP_SECONDS + audio.time

    /** See [AudioFrontend.push]. */
    fun addAudio(
        samples: FloatArray,
        sampleRate: Int,
        time: Double? = null,
        channels: Int = 1,
        names: List<String> = emptyList(),
    ) {
        var at = time
        checkOpen()
        // What is refused changes nothing.
        checkSound(samples, sampleRate, channels)
        if (at != null) {
            checkTime("sound", at)
            beginWith(at)
        }
        if (at == null && done * STEP_SECONDS - audioTime > window) at = done * STEP_SECONDS // what was missed is over
        val changed = audioRate != null && audioRate != sampleRate
        if (changed && at == null) at = audioTime
        if (at != null && (changed || at - audioTime > window)) restartAudio(at)
        require(at == null || audio.time > 0 || audioBase * STEP_SECONDS - at <= window) {
            "sound at $at s, and the stream began later: stamp sound and pictures by one clock"
        }
        queue(audio.push(samples, sampleRate, at?.let { it - audioBase * STEP_SECONDS }, channels, names))
        began = true
        expected += Stream.AUDIO
        audioRate = sampleRate
    }

    /** A frame, in order of time. It is shown until the next one. */
    fun addFrame(frame: TimedFrame) {
        val time = frame.time
        checkOpen()
        checkTime("a frame", time)
        require(time >= videoTime - SLACK) { "a frame at $time s came after one at $videoTime s; push frames in order" }
        beginWith(time)
        expected += Stream.VIDEO
        hold(stepAt(time), time)
        // The last frame's end is guessed from the gap before it.
        val gap = if (beganVideo) minOf(time - videoTime, STEP_SECONDS) else 0.0
        val number = stepAt(time)
        val last = stepAt(videoTime)
        if (number > last) frames.computeIfPresent(last) { _, those -> kept(those).toMutableList() }
        began = true
        beganVideo = true
        videoTime = time
        videoEnd = time + gap
        held = frame
        if (number >= done) frames.getOrPut(number) { ArrayList() } += frame
    }

    /** Whether the next step is over. [patience] is by how many seconds a stream may lag behind the other. */
    fun ready(patience: Double): Boolean {
        val lagging = Stream.entries.filter(::lags)
        return lagging.size < Stream.entries.size && lagging.none { it in expected && lead() <= patience }
    }

    /** The next step, with what is there of it. */
    fun take(): StepInput {
        val number = done++
        var chunk: FloatArray? = null
        while (audioSteps.isNotEmpty() && audioSteps.first().number <= number) {
            val sound = audioSteps.removeFirst()
            if (sound.number == number && sound.step.covered) chunk = sound.step.chunk
        }
        return StepInput(number, chunk, kept(frames.remove(number) ?: emptyList()))
    }

    /** Goes on to the first step that can hold anything, if over [least] before it cannot. */
    fun skipEmpty(least: Int) {
        val starts = ArrayList<Long>()
        audioSteps.firstOrNull()?.let { starts += it.number }
        if (frames.isNotEmpty()) starts += frames.firstKey()
        if (starts.isEmpty()) {
            if (!lags(Stream.AUDIO)) starts += audioMade
            if (!lags(Stream.VIDEO)) starts += stepAt(videoTime)
        }
        val start = starts.minOrNull() ?: return
        if (start - done > least) done = start
    }

    /** Ends the streams: the number of steps that there are in all. [take] gives those still due. */
    fun end(): Long {
        ended = true
        queue(audio.flush())
        val videoSteps = if (beganVideo) (videoEnd / STEP_SECONDS + 0.5).toLong() else 0L
        hold(stepAt(videoEnd) + 1, videoEnd)
        return maxOf(audioMade, videoSteps, if (frames.isNotEmpty() && done == first) done + 1 else 0L)
    }

    private fun checkOpen() = require(!ended) { "the stream was ended by flush(): reset() begins another, to push to" }

    private fun lags(stream: Stream) = when (stream) {
        Stream.AUDIO -> audioMade <= done
        // A frame at the very end belongs to the next step, so it also proves that this step is over.
        Stream.VIDEO -> videoTime < (done + 1) * STEP_SECONDS - SLACK
    }

    /** Seconds by which the stream that is ahead has passed the next step's end. */
    private fun lead() = maxOf(audioMade * STEP_SECONDS, videoTime) - (done + 1) * STEP_SECONDS

    private fun restartAudio(time: Double) {
        queue(audio.flush())
        audio = AudioFrontend()
        audioMade = maxOf(audioMade, stepAt(time))
        audioBase = audioMade
    }

    /** Where this is the first stamp, and far from 0, begin there. */
    private fun beginWith(time: Double) {
        if (!began && time > window) {
            first = stepAt(time)
            done = first
            audioBase = first
            audioMade = first
            videoTime = done * STEP_SECONDS
        }
        began = true
    }

    private fun checkTime(what: String, time: Double) {
        require(time.isFinite() && Math.abs(time) <= LATEST) {
            "$what at $time s: give a number of seconds; divide nanoseconds by 1e9"
        }
    }

    /** Shows the present picture up to [until] seconds in the steps before [number], which have none of their own. */
    private fun hold(number: Long, until: Double) {
        val shown = held ?: return
        val last = minOf(number, stepAt(minOf(until, shown.time + HELD_SECONDS) - 2 * SLACK) + 1)
        for (place in maxOf(done, stepAt(shown.time) + 1) until last) {
            frames[place] = mutableListOf(TimedFrame(place * STEP_SECONDS, shown.frame))
        }
    }

    private fun queue(steps: List<AudioStep>) {
        for (step in steps) {
            if (audioMade >= done) audioSteps.addLast(Sound(audioMade, step))
            audioMade++
        }
    }
}

/** Those of a step's frames that may be looked at; the others need not be kept. */
private fun kept(frames: List<TimedFrame>) = searched(frames.size).map(frames::get)
