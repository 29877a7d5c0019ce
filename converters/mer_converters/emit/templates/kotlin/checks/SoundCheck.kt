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
            checkVoice(index, VoiceOptions(threshold, hangover))
        }
    }

    /** As [EmotionSession] does it: sound before somebody speaks is held back. */
    private fun checkVoice(index: Int, options: VoiceOptions) {
        val left = golden["stage_voice_probabilities"].values.iterator()
        val voice = VoiceActivity(
            object : SpeechModel {
                override fun reset() = Unit

                override fun probability(piece: FloatArray) = left.next().toDouble()
            },
            options,
        )
        val fusion = FusionRecorder()
        val engine = StepEngine(fusion)
        val rows = golden["stage_voice_rows"]
        val present = golden["stage_voice_present"].values
        val before = ArrayList<FloatArray?>()
        var fine = true
        for (step in 0 until rows.count) {
            val heard = rows[step].takeIf { present[step] != 0f }
            var speech = -1f
            if (heard == null) {
                voice.gap(Contract.STEP_SAMPLES)
            } else {
                speech = if (voice.step(FloatArray(Contract.STEP_SAMPLES))) 1f else 0f
            }
            if (speech == 1f && before.isNotEmpty()) engine.recallSound(before)
            if (voice.undecided) before += heard else before.clear()
            fusion.clear()
            val features = if (speech == 0f || heard == null) emptyMap() else mapOf(Modality.AUDIO to heard)
            engine.advance(features)
            val undecided = if (voice.undecided) 1f else 0f
            fine = fine && speech == golden["stage_voice_speech"][index][step] &&
                undecided == golden["stage_voice_undecided"][index][step] &&
                fusion.seen("audio_mask").contentEquals(golden["stage_voice_window_mask"].part(index)[step])
            if (step == golden["stage_voice_window_at"].ints().single()) {
                fine = fine && furthest(fusion.seen("audio"), golden["stage_voice_window"][index]) <= 1e-4
            }
        }
        golden.expect("voice activity $index: speech, and the sound that counts", fine)
    }
//#end

    private fun pieces(sound: FloatArray, sizes: GoldenArray, channels: Int = 1): List<FloatArray> {
        var taken = 0
        return sizes.ints().map { size ->
            sound.copyOfRange(taken, taken + size * channels).also { taken += size * channels }
        }
    }
}
