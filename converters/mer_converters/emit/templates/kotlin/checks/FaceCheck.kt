// @generated@
package @package@

/** Crops, tracking between searches, and who is who. */
internal class FaceCheck(private val golden: Golden) {
    fun run() {
        checkCrops()
        if ("stage_tracks_found" in golden) checkTracks()
        if ("stage_speaking_open" in golden) checkSpeaking()
        if ("stage_square_points" in golden) checkSquares()
    }

    private fun checkCrops() {
        val frame = frameOf(golden["host_frame"])
        val boxes = golden["host_boxes"]
        for (index in 0 until boxes.count) {
            val crop = cropFace(frame, box(boxes[index], 0))
            golden.near("crop of face $index", crop ?: FloatArray(0), golden["host_crops"][index], 2e-3)
        }
        val black = Frame(IntArray(frame.pixels.size), frame.width, frame.height)
        golden.expect("a black crop is no face", cropFace(black, Box(0.0, 0.0, 8.0, 8.0)) == null)
    }

    private fun checkTracks() {
        val times = golden["stage_tracks_times"].values.map(Float::toDouble)
        val frames = times.indices.map(::frame)
        val (seconds, most) = golden["stage_tracks_options"].values.asList()
        var step = 0
        val detector = FaceDetector { _ -> detections(step) }
        val tracker = FaceTracker(detector, seconds.toDouble(), most.toInt())
        val options = FaceOptions(most.toInt(), seconds.toDouble(), preferSpeaking = false)
        val persons = FaceTracks(detector, options)
        var asked = true
        var tracked = true
        var known = true
        for ((index, time) in times.withIndex()) {
            step = index
            val before = tracker.searches
            val found = tracker.follow(frames[index], time).map { FaceView(it.id, it.box) }
            tracked = tracked && same(found, golden["stage_tracks_found"].part(index))
            asked = asked && tracker.searches - before == golden["stage_tracks_asked"].ints()[index]
            val seen = persons.look(listOf(TimedFrame(time) { frames[index] })).map(TrackedFace::view)
            known = known && same(seen, golden["stage_tracks_persons"].part(index))
        }
        golden.expect("faces followed between searches, and found again", tracked)
        golden.expect("searches only where they are due", asked)
        golden.expect("persons: several faces, gone and back", known)
        val looked = golden["stage_tracks_looked"]
        val picks = (0 until looked.count).all { index ->
            searched(index + 1) == looked[index].map(Float::toInt).filter { it >= 0 }
        }
        golden.expect("which frames of a step are looked at", picks)
    }

    private fun checkSpeaking() {
        var step = 0
        val boxes = golden["stage_speaking_boxes"]
        val gone = golden["stage_speaking_gone"].ints()
        val detector = FaceDetector { _ ->
            val there = (0 until boxes.count).filter { it > 0 || gone[step] == 0 }
            there.map { boxes[it] }.map { (x, y, side) -> Detection(box(floatArrayOf(x, y, side, side), 0), 1.0) }
        }
        val tracks = FaceTracks(detector, FaceOptions(faces = 2, detectSeconds = 0.0))
        val levels = golden["stage_speaking_levels"]
        var fine = true
        for (index in 0 until levels.count) {
            step = index
            val frames = listOf(0.0625, 0.1875).mapIndexed { number, since ->
                val frame = speakingFrame(index, number, gone[index] != 0)
                TimedFrame(0.25 * index + since) { frame }
            }
            val (first, second) = levels[index].asList()
            val sound = FloatArray(4000) { if (it < 2000) first else second }.takeIf { first >= 0 }
            val seen = tracks.look(frames, sound).map(TrackedFace::view)
            fine = fine && same(seen, golden["stage_speaking_persons"].part(index))
        }
        golden.expect("the face whose mouth moves with the sound is preferred", fine)
    }

    /** A background with faces, and the mouths of those that have them open. */
    private fun speakingFrame(step: Int, number: Int, gone: Boolean): Frame {
        val frame = frameOf(golden["stage_tracks_backgrounds"].part(0))
        val open = golden["stage_speaking_open"].part(step)[number]
        for (person in open.indices.filter { it > 0 || !gone }) {
            val (left, top) = golden["stage_speaking_boxes"][person].map(Float::toInt)
            lay(frameOf(golden["stage_tracks_pictures"].part(person)), left, top, frame)
            if (open[person] == 0f) continue
            lay(frameOf(golden["stage_speaking_mouths"].part(person)), left + 14, top + 33, frame)
        }
        return frame
    }

    private fun lay(picture: Frame, left: Int, top: Int, frame: Frame) {
        for (y in 0 until picture.height) {
            val to = (top + y) * frame.width + left
            picture.pixels.copyInto(frame.pixels, to, y * picture.width, (y + 1) * picture.width)
        }
    }

    private fun checkSquares() {
        val points = golden["stage_square_points"]
        for (index in 0 until points.count) {
            val (one, other, mouth) = points[index].toList().chunked(2) { (x, y) -> Point(x.toDouble(), y.toDouble()) }
            val found = squareOfLandmarks(one, other, mouth)
            val values = listOf(found.x, found.y, found.width, found.height).map(Double::toFloat).toFloatArray()
            golden.near("square of eyes and mouth $index", values, golden["stage_square_boxes"][index], 1e-3)
        }
    }

    /** A background with pictures laid over it, in their order. */
    private fun frame(step: Int): Frame {
        val background = golden["stage_tracks_backgrounds"].part(golden["stage_tracks_background"].ints()[step])
        val frame = frameOf(background)
        val places = golden["stage_tracks_places"].part(step)
        for (index in 0 until places.count) {
            val (left, top) = places[index].map(Float::toInt)
            if (left < 0) continue
            lay(frameOf(golden["stage_tracks_pictures"].part(index)), left, top, frame)
        }
        return frame
    }

    private fun detections(step: Int): List<Detection> {
        val rows = golden["stage_tracks_detections"].part(step)
        return (0 until rows.count).map { box(rows[it], 0) }.filter { it.width > 0 }.map { Detection(it, 1.0) }
    }

    /** Ids are the same; boxes to a tenth of a pixel. */
    private fun same(found: List<FaceView>, wanted: GoldenArray): Boolean {
        val rows = (0 until wanted.count).map { wanted[it] }.filter { it[0] >= 0 }
        return rows.size == found.size && rows.indices.all { index ->
            val (view, row) = found[index] to rows[index]
            val values = floatArrayOf(
                view.box.x.toFloat(), view.box.y.toFloat(), view.box.width.toFloat(), view.box.height.toFloat(),
            )
            view.id == row[0].toInt() && furthest(values, row.copyOfRange(1, 5)) <= 0.1
        }
    }

    private fun box(row: FloatArray, at: Int) =
        Box(row[at].toDouble(), row[at + 1].toDouble(), row[at + 2].toDouble(), row[at + 3].toDouble())
}
