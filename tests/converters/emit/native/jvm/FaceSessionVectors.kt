// For tests alone: a session of one package sees and hears a film, with a detector that knows where its faces are.
package mer.faces

import java.io.File
import java.io.RandomAccessFile
import java.nio.ByteBuffer
import java.nio.ByteOrder
import kotlin.math.abs
import mer.first.Box
import mer.first.BundleSource
import mer.first.Detection
import mer.first.EmotionSession
import mer.first.FaceDetector
import mer.first.FaceOptions
import mer.first.FaceView
import mer.first.Frame
import mer.first.Sensor
import mer.first.SessionOptions
import mer.first.Smoothing
import mer.first.SpeechModel
import mer.first.StepEstimate
import mer.first.VoiceOptions
import mer.standin.NativeGraph
import mer.standin.bundle

/** Takes loud sound for speech. */
private object Loud : SpeechModel {
    override fun reset() = Unit

    override fun probability(piece: FloatArray) = minOf(1.0, 5 * piece.sumOf { abs(it.toDouble()) } / piece.size)
}

private class Film(folder: File, private val width: Int, private val height: Int) {
    private val frames = RandomAccessFile(File(folder, "frames.rgb"), "r")
    private val sound = ByteBuffer.wrap(File(folder, "sound.f32").readBytes()).order(ByteOrder.LITTLE_ENDIAN)

    fun frame(index: Int): Frame {
        val rgb = ByteArray(3 * width * height)
        frames.seek(index.toLong() * rgb.size)
        frames.readFully(rgb)
        fun value(at: Int) = rgb[at].toInt() and 0xff
        val pixels = IntArray(width * height) { value(3 * it) shl 16 or (value(3 * it + 1) shl 8) or value(3 * it + 2) }
        return Frame(pixels, width, height)
    }

    /** Interleaved; of one channel the first. */
    fun sound(begin: Int, end: Int, channels: Int) =
        FloatArray((end - begin) * channels) { sound.getFloat(4 * (2 * (begin + it / channels) + it % channels)) }
}

/** arguments: a folder with frames.rgb, sound.f32 and events.txt. A line a step: see `said`. */
fun main(arguments: Array<String>) {
    val folder = File(arguments[0])
    val lines = File(folder, "events.txt").readLines().map { it.split(" ") }
    val (width, height, rate) = lines[0].drop(1).map(String::toInt)
    val film = Film(folder, width, height)
    val faces = lines.filter { it[0] == "face" }.groupBy({ it[1].toInt() }) { line ->
        val (x, y, wide, high, score) = line.drop(2).map(String::toDouble)
        Detection(Box(x, y, wide, high), score)
    }
    // The number of a frame is in its first pixel.
    val detector = FaceDetector { frame -> faces[frame.pixels[0] and 0xff] ?: emptyList() }
    val sensor = Sensor.open(BundleSource { File(bundle(), it).readBytes() })
    val options = SessionOptions(
        smoothing = Smoothing(0.4, 0.05),
        faces = FaceOptions(faces = 2),
        voice = VoiceOptions(0.3, 0.6),
    )
    val session = EmotionSession(sensor, options, detector, Loud)
    val steps = lines.flatMap { line ->
        when (line[0]) {
            "frame" -> session.pushFrame(film.frame(line[1].toInt()), line[2].toDouble())
            "sound" -> {
                val (begin, end, channels) = line.subList(1, 4).map(String::toInt)
                session.pushAudio(film.sound(begin, end, channels), rate, line[4].toDouble(), channels)
            }
            "enrol" -> emptyList<StepEstimate>().also { session.enrol(line[1].toDouble()) }
            "forget" -> emptyList<StepEstimate>().also { session.forget() }
            else -> emptyList()
        }
    } + session.flush()
    for (step in steps) {
        val first = said(step, "${step.time} ${step.face?.id} ${step.speech} ${step.enrolling}")
        println((listOf(first) + step.others.map { said(it, "${it.time} ${it.face?.id}") }).joinToString(" | "))
    }
    sensor.close()
    NativeGraph.stop()
}

/** Words, then the box, the probabilities, and those before smoothing. */
private fun said(step: StepEstimate, words: String): String {
    val box = step.face?.let { (_, one): FaceView -> listOf(one.x, one.y, one.width, one.height) } ?: emptyList()
    val shares = step.estimate.probabilities.values + step.raw.probabilities.values
    return "$words : ${(box + shares).joinToString(" ")}"
}
