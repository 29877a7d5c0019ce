// @generated@
package @package@

// A stream that lags by more than this is taken as missing, so that a camera that stops does not stop the sound.
internal const val PATIENCE_SECONDS = 2.0

/**
 * What is said of one step.
 *
 * @property time of the step's end, seconds since the stream began.
 * @property estimate with the sound, of the person whose face comes first.
 * @property raw of this step's window alone, before smoothing.
//#if face
 * @property face of this step, null where there was none.
//#end
 * @property speech whether somebody spoke; null where voice activity is off or there is no sound.
 * @property others what the faces of further persons say, by themselves and without the sound.
 * @property enrolling seconds of sound or face that an enrolment still wants after this step.
 */
class StepEstimate(
    val time: Double,
    val estimate: Estimate,
    val raw: Estimate,
//#if face
    val face: FaceView? = null,
//#end
    val speech: Boolean? = null,
    val others: List<StepEstimate> = emptyList(),
    val enrolling: Double = 0.0,
)

/**
 * How a session hears and sees.
 *
 * @property smoothing how steady the output is.
 * @property baseline a saved one to begin each stream with; null begins cold.
//#if face
 * @property faces how faces are followed, and how many.
//#end
//#if audio
 * @property voice steps without speech count as steps without sound; needs a [SpeechModel].
//#end
 */
class SessionOptions(
    val smoothing: Smoothing = Smoothing(),
    val baseline: PersonalBaseline? = null,
//#if face
    val faces: FaceOptions = FaceOptions(),
//#end
//#if audio
    val voice: VoiceOptions? = null,
//#end
)

/**
 * Emotion estimates, one a step, from sound and frames as they come: resampled, aligned, faces found and followed, each
 * person with a window and a baseline of their own, smoothed. Not thread-safe: give everything on one thread.
 *
 * @param sensor is used by this session alone.
//#if face
 * @param detector finds faces, such as the face finder's bundle; null sees none.
//#end
//#if audio
 * @param speech tells speech from other sound, where [SessionOptions.voice] is given.
//#end
 */
class EmotionSession(
    private val sensor: Sensor,
    val options: SessionOptions = SessionOptions(),
//#if face
    detector: FaceDetector? = null,
//#end
//#if audio
    speech: SpeechModel? = null,
//#end
) {
    private var alignment = StreamAlignment()
    private val smoother = Smoother(options.smoothing)
//#if face
    private val others = Smoother(options.smoothing)
    private val watch = detector?.let { FaceTracks(it, options.faces) }
//#end
//#if audio
    private val voice = options.voice?.let {
        require(Contract.SAMPLE_RATE == VOICE_RATE) { "voice activity hears $VOICE_RATE Hz; leave voice out" }
        VoiceActivity(requireNotNull(speech) { "voice activity needs a SpeechModel; give one, or no voice" }, it)
    }

    // Sound of a stream's first steps is held back, and counts once somebody speaks.
    private val beforeSpeech = ArrayList<FloatArray?>()
//#end

    init {
        sensor.reset(options.baseline)
    }

    /** Windows and personal baselines: `engine.baseline.toJson()` is what an app may store. */
    val engine: StepEngine get() = sensor.engine

    /** Begin a new stream at time 0. */
    fun reset() {
        sensor.reset(options.baseline)
        alignment = StreamAlignment()
        smoother.reset()
//#if face
        others.reset()
        watch?.reset()
//#end
//#if audio
        voice?.reset()
        beforeSpeech.clear()
//#end
    }

    /** Learn how the current person is at rest: the next seconds, at most an hour, are neutral. */
    fun enrol(seconds: Double = 4.0) {
        require(seconds > 0 && seconds <= 3600) { "an enrolment of $seconds s; give a positive number, such as 4" }
        engine.enrol(maxOf(1, Math.rint(seconds / STEP_SECONDS).toInt()))
    }

    /** Forget a person, baseline and looks; null is the current one. */
    fun forget(person: Int? = null) {
        val who = person ?: engine.person
        engine.forget(who)
//#if face
        watch?.forget(who)
//#end
    }
//#if audio

    /** Takes sound, see [AudioFrontend.push]; gives the estimates of the steps that it finishes. */
    fun pushAudio(
        samples: FloatArray,
        sampleRate: Int,
        time: Double? = null,
        channels: Int = 1,
        names: List<String> = emptyList(),
    ): List<StepEstimate> {
        alignment.addAudio(samples, sampleRate, time, channels, names)
        return finished()
    }
//#end
//#if face

    /** Takes a frame at [time] seconds, on the sound's clock; gives the estimates of the steps that it finishes. */
    fun pushFrame(frame: Frame, time: Double): List<StepEstimate> {
        alignment.addFrame(TimedFrame(time) { frame })
        return finished()
    }
//#end

    /** Ends the stream: the estimates still due, and what is left in the window goes into the baseline. */
    fun flush(): List<StepEstimate> {
        val end = alignment.end()
        val estimates = ArrayList<StepEstimate>()
        while (alignment.done < end) next()?.let(estimates::add)
        sensor.finish()
        return estimates
    }

    private fun finished(): List<StepEstimate> {
        val estimates = ArrayList<StepEstimate>()
        while (alignment.ready(PATIENCE_SECONDS)) next()?.let(estimates::add)
        return estimates
    }

    /** The estimate of the next step that may hold anything; steps of a long pause have none. */
    private fun next(): StepEstimate? {
        val due = alignment.done
        alignment.skipEmpty(Contract.WINDOW_STEPS)
        if (alignment.done == due) return estimate(alignment.take())
        val steps = (alignment.done - due).toInt()
//#if audio
        voice?.let {
            if (it.undecided) repeat(minOf(steps, Contract.WINDOW_STEPS)) { beforeSpeech += null }
            it.gap(steps * Contract.STEP_SAMPLES)
        }
//#end
        repeat(minOf(steps, Contract.WINDOW_STEPS)) { engine.skip() }
        return null
    }

    private fun estimate(given: StepInput): StepEstimate {
        val end = (given.number + 1) * STEP_SECONDS
//#if face
        watch?.passTime(given.number * STEP_SECONDS)
        val seen = watch?.look(given.frames, given.chunk) ?: emptyList()
        val crop = seen.firstOrNull()?.crop
        val view = seen.firstOrNull()?.view
//#end
//#if audio
        val speech = hears(given.chunk)
        val chunk = given.chunk.takeIf { speech != false }
//#end
        val features = sensor.encode(@step_arguments@)
//#if audio
        recall(given.chunk, speech)
        beginWindow()
//#end
//#if face
        val further = seen.drop(1).associate { it.view.id to sensor.encode(@crop_alone@).getValue(Modality.FACE) }
        val raw = engine.advance(features, view?.id, further)
        val rest = seen.drop(1).map {
            val alone = engine.lookAt(it.view.id)
            StepEstimate(end, smoothed(alone, others, end, it.view.id), alone, it.view)
        }
//#else
        val raw = engine.advance(features)
        val rest = emptyList<StepEstimate>()
//#end
        return StepEstimate(
            time = end,
            estimate = smoothed(raw, smoother, end, @view_id@),
            raw = raw,
//#if face
            face = view,
//#end
//#if audio
            speech = speech,
//#end
            others = rest,
            enrolling = engine.enrolling * STEP_SECONDS,
        )
    }
//#if audio

    private fun recall(chunk: FloatArray?, speech: Boolean?) {
        val hearing = voice ?: return
        if (speech == true && beforeSpeech.isNotEmpty()) engine.recallSound(beforeSpeech)
        if (hearing.undecided) {
            beforeSpeech += chunk?.let { sensor.encode(@chunk_alone@).getValue(Modality.AUDIO) }
        } else {
            beforeSpeech.clear()
        }
    }

    /** Of the steps before this one those stay in the windows that belong to the same utterance. */
    private fun beginWindow() {
        val steps = (voice ?: return).fresh / Contract.STEP_SAMPLES - 1
        engine.beginWindow(steps.coerceIn(0, Contract.WINDOW_STEPS.toLong()).toInt())
    }

    /** Whether a step's sound counts as speech; null where that is not asked, or there is no sound. */
    private fun hears(chunk: FloatArray?): Boolean? {
        val hearing = voice ?: return null
        if (chunk != null) return hearing.step(chunk.copyOfRange(chunk.size - Contract.STEP_SAMPLES, chunk.size))
        hearing.gap(Contract.STEP_SAMPLES)
        return null
    }
//#end
}
