// @generated@
package @package@

// To hear who speaks, at least this many faces are followed, however few are asked for.
private const val WATCHED = 4
private const val LONGEST_SOUND = 0.5
private const val SOUND_RATE = 16_000

/**
 * How faces are followed.
 *
 * @property faces how many are given at each step, 1 to 8.
 * @property detectSeconds while all faces are followed surely, the detector searches once in so many seconds, 0 to 10.
 * @property preferSpeaking among several faces, prefer the one whose mouth moves with the sound; else the one preferred
 *     before, at first the largest.
 * @property rememberSeconds how long a person is remembered who is not seen; 0 forgets who is out of sight.
 */
data class FaceOptions(
    val faces: Int = 1,
    val detectSeconds: Double = 1.0,
    val preferSpeaking: Boolean = true,
    val rememberSeconds: Double = 600.0,
) {
    init {
        require(faces in 1..8) { "faces is $faces; allowed are 1 to 8" }
        require(detectSeconds in 0.0..10.0) { "detectSeconds is $detectSeconds; allowed are 0 (every step) to 10" }
        require(rememberSeconds.isFinite() && rememberSeconds >= 0) {
            "rememberSeconds is $rememberSeconds; give seconds, 0 to forget a face once it is gone"
        }
    }
}

/** Whose face it is, and where, in pixels. */
data class FaceView(val id: Int, val box: Box)

/** A face crop as the face graph reads it, and whose it is. */
class TrackedFace(val crop: FloatArray, val view: FaceView)

/**
 * The faces of a stream, step by step: found, followed, recognised and cut out. Ids are those of persons, from 0; one
 * who comes back has the earlier id where the face looks alike, and in doubt a new one.
 */
class FaceTracks(detector: FaceDetector, val options: FaceOptions = FaceOptions()) {
    private val followed = if (options.preferSpeaking) maxOf(options.faces, WATCHED) else options.faces
    private val tracker = FaceTracker(detector, options.detectSeconds, followed)
    private val memory = IdentityMemory(options.rememberSeconds)
    private val speaking = ActiveSpeaker()

    // Track -> person, and how often the detector had found the track when the person was described last.
    private val person = LinkedHashMap<Int, Int>()
    private val described = HashMap<Int, Int>()
    private var watched: Double? = null

    /** Calls of the detector since the last reset. */
    val searches: Int get() = tracker.searches

    /** Ids of those who are remembered, whether they are in the picture or not. */
    val remembered: List<Int> get() = memory.known

    /** Begin a new stream: nobody is followed or remembered, and ids begin at 0. */
    fun reset() {
        tracker.reset()
        memory.reset()
        speaking.reset()
        person.clear()
        described.clear()
        watched = null
    }

    /** Forget one person; while still in the picture, or back in it, that face has a new id. */
    fun forget(who: Int) {
        person.filterValues { it == who }.keys.toList().forEach(::drop)
        memory.forget(who)
    }

    /** It is so many seconds into the stream, also where no frame comes any more. */
    fun passTime(time: Double) = memory.passTime(time)

    /**
     * The faces of a step, the preferred one first.
     *
     * @param frames of the step, in order.
     * @param sound mono at 16 kHz, up to the step's end; null where it is missing.
     */
    fun look(frames: List<TimedFrame>, sound: FloatArray? = null): List<TrackedFace> {
        if (frames.isEmpty()) return emptyList()
        val anybody = tracker.tracks.any { !it.lost }
        var seen = emptyList<Track>()
        var pick = 0
        var frame: Frame? = null
        for (place in searched(frames.size).reversed()) {
            pick = place
            val pixels = frames[pick].frame()
            frame = pixels
            if (isDark(pixels)) continue
            seen = tracker.follow(pixels, frames[pick].time)
            // Where nobody was, one frame a step is enough to find who comes.
            if (seen.isNotEmpty() || !anybody) break
        }
        val alive = tracker.tracks.map(Track::id).toSet()
        person.keys.filter { it !in alive }.forEach(::drop)
        if (seen.isEmpty() || frame == null) return emptyList()
        val time = frames[pick].time
        for (track in seen) recognise(track, frame, time, seen)
        val boxes = seen.associateTo(LinkedHashMap()) { person.getValue(it.id) to it.box }
        if (options.preferSpeaking && boxes.size > 1) listen(frames.take(pick + 1), frame, boxes, sound)
        val first = speaking.prefer(boxes, time)
        return boxes.entries.sortedBy { it.key != first }.mapNotNull { (who, box) ->
            cropFace(frame, box)?.let { TrackedFace(it, FaceView(who, box)) }
        }.take(options.faces)
    }

    /** Gives a new track its person; keeps what a known one looks like, as often as the detector finds the face. */
    private fun recognise(track: Track, frame: Frame, time: Double, seen: List<Track>) {
        val known = person[track.id]
        val view = if (known == null || described[track.id] != track.found) describe(frame, track.box) else null
        if (known != null) {
            memory.observe(known, view, time)
        } else {
            val present = seen.mapNotNull { person[it.id] }.toSet()
            val found = memory.recognise(view, time, present)
            // Who is found elsewhere is no longer waited for where the face was lost.
            person.filterValues { it == found }.keys.toList().forEach(::drop)
            person[track.id] = found
        }
        described[track.id] = track.found
    }

    /** Compares mouths with the sound in the step's middle and last frame; with one frame alone in that. */
    private fun listen(frames: List<TimedFrame>, last: Frame, boxes: Map<Int, Box>, sound: FloatArray?) {
        val picks = searched(frames.size).takeLast(2)
        val end = frames.last().time
        for (pick in picks) {
            val time = frames[pick].time
            val image = if (pick == picks.last()) last else frames[pick].frame()
            val before = watched
            var level: Double? = null
            if (sound != null && before != null) {
                // Samples are counted from the end, which is at most a frame after the last one's time.
                val stop = sound.size - Math.rint((end - time) * SOUND_RATE).toInt()
                val start = stop - Math.rint(minOf(time - before, LONGEST_SOUND) * SOUND_RATE).toInt()
                val from = maxOf(0, start)
                level = soundLevel(sound.copyOfRange(from, maxOf(from, stop)))
            }
            speaking.watch(image, boxes, time, level)
            watched = time
        }
    }

    // Every eighth pixel is enough: what this lets through, the crop refuses. A few of them mostly say it.
    private fun isDark(frame: Frame) = listOf(64, 8).all { frame.brightest(it) <= Contract.BLACK_LEVEL }

    private fun drop(track: Int) {
        tracker.drop(track)
        person.remove(track)?.let(speaking::forget)
        described.remove(track)
    }
}
