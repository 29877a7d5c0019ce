// @generated@
package @package@

/** Chunks, downmix, resampler, silence and the rule of voice activity. */
internal class SoundCheck(private val golden: Golden) {
    fun run() {
        checkChunks()
        if ("stage_resample_cases" in golden) checkResampling()
        if ("stage_silence_pcm" in golden) checkSilence()
//#if window
        if ("stage_voice_options" in golden) checkVoice()
//#end
    }

    private fun checkChunks() {
        val sound = golden["host_sound"].values
        val wanted = golden["host_chunks"]
        val chunker = AudioChunker()
        val chunks = ArrayList<FloatArray>()
        for (piece in pieces(sound, golden["host_pieces"])) chunks += chunker.push(piece)
        chunker.flush()?.let(chunks::add)
        val same = chunks.size == wanted.count && chunks.indices.all { chunks[it].contentEquals(wanted[it]) }
        golden.expect("chunks of a stream in pieces", same)
    }

    private fun checkResampling() {
        val cases = golden["stage_resample_cases"]
        for (index in 0 until cases.count) {
            val (rate, channels) = cases[index].map(Float::toInt)
            val mix = MonoMix(rate)
            val resampler = Resampler(rate)
            var made = FloatArray(0)
            val pcm = golden["stage_resample${index}_pcm"].values
            for (piece in pieces(pcm, golden["stage_resample${index}_pieces"], channels)) {
                made += resampler.push(mix.push(piece, channels))
            }
            made += resampler.push(mix.flush()) + resampler.flush()
            val wanted = golden["stage_resample${index}_out"].values
            golden.near("resampler, $rate Hz, $channels channels", made, wanted, 1e-5)
        }
    }

    private fun checkSilence() {
        val frontend = AudioFrontend()
        val rate = golden["stage_silence_rate"].ints().single()
        val steps = ArrayList<AudioStep>()
        for (piece in pieces(golden["stage_silence_pcm"].values, golden["stage_silence_pieces"])) {
            steps += frontend.push(piece, rate)
        }
        steps += frontend.flush()
        val covered = steps.map { if (it.covered) 1f else 0f }
        golden.expect("silence is no sound", covered == golden["stage_silence_covered"].values.asList())
    }
//#if window

    private fun checkVoice() {
        val options = golden["stage_voice_options"]
        for (index in 0 until options.count) {
            val (threshold, hangover) = options[index].map { Math.rint(it * 1e6) / 1e6 }
            checkVoice(index, VoiceOptions(threshold, hangover, pause = null))
        }
        checkUtterances()
    }

    private fun checkVoice(index: Int, options: VoiceOptions) {
        val listener = Listener(golden, options)
        var fine = true
        for (step in 0 until golden["stage_voice_rows"].count) {
            val speech = listener.step(step)
            val undecided = if (listener.voice.undecided) 1f else 0f
            fine = fine && speech == golden["stage_voice_speech"][index][step] &&
                undecided == golden["stage_voice_undecided"][index][step] &&
                listener.holds("audio", golden["stage_voice_window_mask"].part(index)[step])
            if (step == golden["stage_voice_window_at"].ints().single()) {
                fine = fine && furthest(listener.fusion.seen("audio"), golden["stage_voice_window"][index]) <= 1e-4
            }
        }
        golden.expect("voice activity $index: speech, and the sound that counts", fine)
    }

    private fun checkUtterances() {
        val listener = Listener(golden, VoiceOptions())
        val rows = golden["stage_voice_rows"]
        val fine = (0 until rows.count).all { step ->
            listener.step(step)
            val observed = Modality.entries.map { (listener.engine.baseline.steps[it] ?: 0).toFloat() }
            val same = listener.voice.fresh.toFloat() == golden["stage_utterance_fresh"].values[step] &&
                observed == golden["stage_utterance_observed"][step].asList() &&
                listener.holds("audio", golden["stage_utterance_window_mask"][step])
//#if face
            same && listener.holds("face", golden["stage_utterance_faces_mask"][step])
//#else
            same
//#end
        }
        golden.expect("windows begin with utterances", fine)
    }
//#end

    private fun pieces(sound: FloatArray, sizes: GoldenArray, channels: Int = 1): List<FloatArray> {
        var taken = 0
        return sizes.ints().map { size ->
            sound.copyOfRange(taken, taken + size * channels).also { taken += size * channels }
        }
    }
}
//#if window

/** Steps as [EmotionSession] takes them: sound before speech is held back, and windows begin with utterances. */
private class Listener(private val golden: Golden, options: VoiceOptions) {
    val fusion = FusionRecorder()
    val engine = StepEngine(fusion)
    val voice: VoiceActivity
    private val before = ArrayList<FloatArray?>()

    init {
        val left = golden["stage_voice_probabilities"].values.iterator()
        val model = object : SpeechModel {
            override fun reset() = Unit

            override fun probability(piece: FloatArray) = left.next().toDouble()
        }
        voice = VoiceActivity(model, options)
    }

    /** Takes a step; 1 where its sound is speech, 0 where it is not, -1 where there is none. */
    fun step(number: Int): Float {
        val heard = golden["stage_voice_rows"][number].takeIf { golden["stage_voice_present"].values[number] != 0f }
        var speech = -1f
        if (heard == null) {
            voice.gap(Contract.STEP_SAMPLES)
        } else {
            speech = if (voice.step(FloatArray(Contract.STEP_SAMPLES))) 1f else 0f
        }
        if (speech == 1f && before.isNotEmpty()) engine.recallSound(before)
        if (voice.undecided) before += heard else before.clear()
        engine.beginWindow(maxOf(0, (voice.fresh / Contract.STEP_SAMPLES).toInt() - 1))
        fusion.clear()
        val features = LinkedHashMap<Modality, FloatArray>()
        if (speech != 0f && heard != null) features[Modality.AUDIO] = heard
//#if face
        features[Modality.FACE] = golden["stage_utterance_faces"][number]
//#end
        engine.advance(features)
        return speech
    }

    /** Whether the window holds just these steps. */
    fun holds(name: String, mask: FloatArray) = fusion.seen("${name}_mask").contentEquals(mask)
}
//#end
