// @generated@
package @package@

/**
 * Cuts mono sound at [Contract.SAMPLE_RATE], -1 to 1, into the chunk of each step: the last [Contract.CHUNK_SAMPLES]
 * samples before the step's end, with zeros before the stream. [AudioFrontend] brings any sound to that.
 */
class AudioChunker {
    private val context = maxOf(0, Contract.CHUNK_SAMPLES - Contract.STEP_SAMPLES)
    private var buffer = FloatArray(context)
    private var made = 0L

    /** Samples of the step that is not complete yet. */
    val pending: Int get() = buffer.size - context

    /** Takes pieces of any size and gives the chunk of every step that they complete. */
    fun push(samples: FloatArray): List<FloatArray> {
        buffer += samples
        val chunks = ArrayList<FloatArray>()
        var first = 0
        while (buffer.size - first >= context + Contract.STEP_SAMPLES) {
            val end = first + context + Contract.STEP_SAMPLES
            chunks += buffer.copyOfRange(end - Contract.CHUNK_SAMPLES, end)
            first += Contract.STEP_SAMPLES
        }
        buffer = buffer.copyOfRange(first, buffer.size)
        made += chunks.size
        return chunks
    }

    /** The incomplete last step of a stream, where at least half of it is there or it is the only one. */
    fun flush(): FloatArray? {
        if (pending == 0 || (2 * pending < Contract.STEP_SAMPLES && made > 0)) return null
        return push(FloatArray(Contract.STEP_SAMPLES - pending)).single()
    }
}
