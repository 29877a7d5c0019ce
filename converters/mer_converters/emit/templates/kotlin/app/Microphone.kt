// @generated@
package @package@.app

import android.annotation.SuppressLint
import android.media.AudioFormat
import android.media.AudioRecord
import android.media.MediaRecorder
import kotlin.concurrent.thread
import kotlin.math.abs

// Every phone has this rate; the session resamples.
private const val RATE = 48_000
private const val PIECE = RATE / 10

// Sound goes on where it ended unless the clock is this far from it, seconds: then something was missed.
private const val MISSED = 0.5

/** Mono samples, -1 to 1, their rate, and the time of the first one, null where they go on. */
typealias OnSound = (FloatArray, Int, Double?) -> Unit

/** The microphone, on a thread of its own. */
class Microphone(private val onSound: OnSound) : AutoCloseable {
    @Volatile private var running = false
    private var reader: Thread? = null

    /** The permission was given. */
    @SuppressLint("MissingPermission")
    fun start() {
        val least = AudioRecord.getMinBufferSize(RATE, AudioFormat.CHANNEL_IN_MONO, AudioFormat.ENCODING_PCM_16BIT)
        val record = AudioRecord(
            // Without the gain and the noise filter of telephony, and on every phone: a voice is to be heard as it is.
            MediaRecorder.AudioSource.VOICE_RECOGNITION,
            RATE,
            AudioFormat.CHANNEL_IN_MONO,
            AudioFormat.ENCODING_PCM_16BIT,
            maxOf(least, 8 * PIECE),
        )
        if (record.state != AudioRecord.STATE_INITIALIZED) {
            record.release()
            return
        }
        running = true
        reader = thread(name = "microphone") { read(record) }
    }

    override fun close() {
        running = false
        reader?.join()
    }

    private fun read(record: AudioRecord) {
        val piece = ShortArray(PIECE)
        var end: Double? = null
        try {
            record.startRecording()
            while (running) {
                val count = record.read(piece, 0, PIECE)
                if (count <= 0) break
                val first = Pipeline.now() - count.toDouble() / RATE
                val expected = end
                val goesOn = expected != null && abs(first - expected) < MISSED
                end = (if (goesOn) expected else first) + count.toDouble() / RATE
                onSound(FloatArray(count) { piece[it] / 32768f }, RATE, first.takeUnless { goesOn })
            }
        } finally {
            record.stop()
            record.release()
        }
    }
}
