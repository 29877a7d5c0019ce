// @generated@
package @package@

/** Interleaved sound of one utterance, -1 to 1. */
class Sound(val samples: FloatArray, val sampleRate: Int, val channels: Int = 1)

/** The estimate of one utterance, made when it was the newest one. */
class UtteranceEstimate(val index: Int, val speaker: String?, val text: String?, val estimate: Estimate)

/**
 * Emotion estimates, one an utterance, from who says what, and from sound and faces where the bundle reads them. A
 * dialogue of any length may be given: the window holds the last [Contract.UTTERANCES]. Not thread-safe.
//#if face
 *
 * @param detector finds faces in the frames of an utterance.
//#end
 */
class Conversation internal constructor(
    private val graphs: Map<GraphInfo, Graph>,
//#if face
    private val detector: FaceDetector? = null,
//#end
) : AutoCloseable {
    /** Windows and the baselines of speakers. */
    val engine = DialogueEngine(graphs.getValue(Contract.FUSION)::run)
    private val estimates = ArrayList<UtteranceEstimate>()

    /** All estimates of this dialogue so far, in order. */
    val timeline: List<UtteranceEstimate> get() = estimates

    /**
     * Takes one utterance, whole; gives its estimate. What is missing is null; a text without a word is missing too.
     *
     * @param speaker any name; null where it is unknown, and counts as one person.
//#if face
     * @param frames with seconds since the utterance began, in order.
//#end
     */
    fun push(
        speaker: String? = null,
        text: String? = null,
//#if audio
        sound: Sound? = null,
//#end
//#if face
        frames: List<TimedFrame> = emptyList(),
//#end
    ): UtteranceEstimate {
        val features = LinkedHashMap<Modality, List<FloatArray>>()
//#if text
        text?.let(::textIds)?.takeIf { ids -> ids.any { it != 0 } }?.let { ids ->
            features[Modality.TEXT] = encode(Contract.TEXT, listOf(FloatArray(ids.size) { ids[it].toFloat() }))
        }
//#end
//#if audio
        sound?.let(::chunks)?.ifEmpty { null }?.let { features[Modality.AUDIO] = encode(Contract.AUDIO, it) }
//#end
//#if face
        crops(frames).ifEmpty { null }?.let { features[Modality.FACE] = encode(Contract.FACE, it) }
//#end
        val made = UtteranceEstimate(estimates.size, speaker, text, engine.advance(features, speaker))
        estimates += made
        return made
    }

    /** Begin a new dialogue. */
    fun reset() {
        engine.reset()
        estimates.clear()
    }

    override fun close() = graphs.values.forEach(Graph::close)

    internal fun encode(info: GraphInfo, values: List<FloatArray>) =
        values.map { graphs.getValue(info).run(listOf(it)).first() }
//#if audio

    private fun chunks(sound: Sound): List<FloatArray> {
        val frontend = AudioFrontend()
        val steps = frontend.push(sound.samples, sound.sampleRate, channels = sound.channels) + frontend.flush()
        return steps.map(AudioStep::chunk)
    }
//#end
//#if face

    /** The face of each step of an utterance; steps without one are left out. */
    private fun crops(frames: List<TimedFrame>): List<FloatArray> {
        if (frames.isEmpty()) return emptyList()
        frames.fold(0.0) { last, one ->
            require(one.time >= last && one.time <= 1e11) {
                "a frame at ${one.time} s came after one at $last s; give frames in order"
            }
            one.time
        }
        // An utterance shows its speaker, so each is watched anew.
        val finds = requireNotNull(detector) { "frames need a face detector; open the conversation with one" }
        val watch = FaceTracks(finds)
        // With the slack of a microsecond in which streams are cut into steps.
        val steps = frames.groupBy { ((it.time + 1e-6) * 1000 / Contract.STEP_MS).toInt() }.toSortedMap()
        return steps.values.flatMap { watch.look(it) }.map(TrackedFace::crop)
    }
//#end

    companion object {
        /** Loads the graphs; see [openGraphs]. */
        fun open(
            source: BundleSource,
//#if face
            detector: FaceDetector? = null,
//#end
            threads: Int = 1,
            trust: List<String>? = null,
        ): Conversation = Conversation(openGraphs(source, threads, trust)@conversation_arguments@)
    }
}
