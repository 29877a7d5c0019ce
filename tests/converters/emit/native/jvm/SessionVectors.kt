// For tests alone: a session of one package hears a recording, with a network that takes loud sound for speech.
package mer.sessions

import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder
import mer.first.BundleSource
import mer.first.EmotionSession
import mer.first.Sensor
import mer.first.SessionOptions
import mer.first.SpeechModel
import mer.first.VoiceOptions
import mer.standin.NativeGraph
import mer.standin.bundle

private const val PIECE = 1000

private object Loudness : SpeechModel {
    override fun reset() = Unit

    override fun probability(piece: FloatArray) = if (piece.max() > 0.2f) 0.9 else 0.1
}

/** arguments: a file of float32 samples at 16 kHz. A line a step: time, speech, then the probabilities. */
fun main(arguments: Array<String>) {
    val bytes = ByteBuffer.wrap(File(arguments[0]).readBytes()).order(ByteOrder.LITTLE_ENDIAN)
    val sound = FloatArray(bytes.remaining() / 4) { bytes.float }
    val sensor = Sensor.open(BundleSource { File(bundle(), it).readBytes() })
    val session = EmotionSession(sensor, SessionOptions(voice = VoiceOptions()), speech = Loudness)
    val steps = sound.indices.step(PIECE).flatMap {
        session.pushAudio(sound.copyOfRange(it, minOf(it + PIECE, sound.size)), 16_000)
    } + session.flush()
    for (step in steps) println("${step.time} ${step.speech} ${step.estimate.probabilities.values.joinToString(" ")}")
    sensor.close()
    NativeGraph.stop()
}
