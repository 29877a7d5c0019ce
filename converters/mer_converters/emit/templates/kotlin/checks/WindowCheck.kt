// @generated@
package @package@

import kotlin.math.abs

/** Windows, baselines, several persons, smoothing and decisions. */
internal class WindowCheck(private val golden: Golden) {
    fun run() {
        checkWindow()
        checkDecisions(golden)
        if ("stage_smoothing_options" in golden) checkSmoothing()
        if ("stage_profile_text" in golden) checkProfile(golden)
        if ("stage_persons_current" in golden) checkPersons()
        Modality.entries.firstOrNull { it.name == "FACE" }?.let(::checkCrowd)
    }

    private fun checkWindow() {
        val fusion = FusionRecorder()
        val engine = StepEngine(fusion)
        for (step in golden["host_mask_${name(Modality.entries[0])}"].values.indices) {
            if (step == HOST_ENROL_AT) engine.enrol(HOST_ENROL_STEPS)
            val there = Modality.entries.filter { golden["host_mask_${name(it)}"].values[step] != 0f }
            engine.advance(there.associateWith { golden["host_rows_${name(it)}"][step] })
        }
        for (modality in Modality.entries) {
            val name = name(modality)
            golden.near("window, warm baseline: $name", fusion.seen(name), golden["host_window_$name"].values, 1e-4)
            val mask = fusion.seen("${name}_mask").contentEquals(golden["host_window_mask_$name"].values)
            golden.expect("masks: $name", mask)
        }
        engine.finish()
        for (modality in Modality.entries) {
            val name = name(modality)
            val mean = engine.baseline.mean(modality)
            golden.near("baseline at the end: $name", mean, golden["host_mean_$name"].values, 1e-4)
            val kept = PersonalBaseline.fromJson(engine.baseline.toJson()).mean(modality)
            golden.expect("baseline stored and given back: $name", kept.contentEquals(mean))
        }
    }

    private fun checkSmoothing() {
        val options = golden["stage_smoothing_options"]
        for (index in 0 until options.count) {
            val (seconds, margin) = options[index].map { Math.rint(it * 1e6) / 1e6 }
            val smoother = Smoother(Smoothing(seconds, margin))
            val shares = golden["stage_smoothing_probabilities"].part(index)
            val decisions = golden["stage_smoothing_decisions"].part(index)
            var fine = true
            for (step in 0 until shares.count) {
                val held = golden["stage_smoothing_present"][step].map(Float::toInt)
                val present = Modality.entries.associateWith { held[it.ordinal] }
                val time = golden["stage_smoothing_times"].values[step].toDouble()
                val person = golden["stage_smoothing_persons"].ints()[step].takeIf { it >= 0 }
                val raw = if (held.all { it == 0 }) {
                    nothing(present)
                } else {
                    decide(golden["stage_smoothing_logits"][step], present)
                }
                fine = fine && said(smoothed(raw, smoother, time, person), shares[step], decisions[step])
            }
            golden.expect("smoothing over $seconds s, margin $margin: probabilities, labels, abstention", fine)
        }
    }

    private fun said(found: Estimate, shares: FloatArray, decision: FloatArray): Boolean {
        val (named, confidence, valence, arousal) = decision.asList()
        return furthest(found.probabilities.values.map(Double::toFloat).toFloatArray(), shares) <= 1e-5 &&
            (found.emotion?.ordinal ?: -1) == named.toInt() && abs(found.confidence - confidence) <= 1e-5 &&
            abs(found.valence - valence) <= 1e-5 && abs(found.arousal - arousal) <= 1e-5
    }

    private fun checkPersons() {
        val fusion = FusionRecorder()
        val engine = StepEngine(fusion)
        val current = golden["stage_persons_current"].ints()
        val others = golden["stage_persons_other"].ints()
        var fine = true
        for ((step, who) in current.withIndex()) {
            val there = golden["stage_persons_faces_mask"][step]
            val faces = golden["stage_persons_faces"].part(step)
            val features = LinkedHashMap<Modality, FloatArray>()
            for (modality in Modality.entries) {
                if (name(modality) == "face" && who >= 0) features[modality] = faces[who]
                val heard = name(modality) == "audio" && golden["stage_persons_audio_mask"].values[step] != 0f
                if (heard) features[modality] = golden["stage_persons_audio"][step]
            }
            val rest = there.indices.filter { there[it] != 0f && it != who }.associateWith { faces[it] }
            fusion.clear()
            engine.advance(features, who.takeIf { it >= 0 }, rest)
            fine = fine && windows(fusion, "window", step)
            fusion.clear()
            if (others[step] >= 0) engine.lookAt(others[step])
            fine = fine && windows(fusion, "other", step)
        }
        golden.expect("several persons: windows, with sound and by the face alone", fine)
        engine.finish()
        val known = golden["stage_persons_known"].ints()
        golden.expect("several persons: who is known", engine.persons.sorted() == known)
        val means = Modality.entries.all { modality ->
            known.indices.all { index ->
                val wanted = golden["stage_persons_mean_${name(modality)}"][index]
                furthest(engine.baselineOf(known[index]).mean(modality), wanted) <= 1e-4
            }
        }
        golden.expect("several persons: a baseline each", means)
    }

    private fun checkCrowd(face: Modality) {
        val engine = StepEngine(FusionRecorder())
        val persons = golden["stage_crowd_persons"]
        engine.enrol(golden["stage_crowd_enrol"].ints()[0])
        for (step in 0 until persons.count) {
            val ids = persons[step].map(Float::toInt)
            val faces = golden["stage_crowd_faces"].part(step)
            engine.advance(mapOf(face to faces[0]), ids[0], ids.indices.drop(1).associate { ids[it] to faces[it] })
            engine.lookAt(ids[1])
        }
        engine.finish()
        golden.expect("a crowd: who is known", engine.persons == golden["stage_crowd_known"].ints())
        val means = persons[0].take(2).withIndex().all { (index, person) ->
            furthest(engine.baselineOf(person.toInt()).mean(face), golden["stage_crowd_means"][index]) <= 1e-4
        }
        golden.expect("a crowd: who stays keeps a baseline, an enrolment before the first face counts", means)
    }

    private fun windows(fusion: FusionRecorder, kind: String, step: Int) = Modality.entries.all { modality ->
        val name = name(modality)
        furthest(fusion.seen(name), golden["stage_persons_${kind}_$name"][step]) <= 1e-4 &&
            fusion.seen("${name}_mask").contentEquals(golden["stage_persons_${kind}_${name}_mask"][step])
    }

    private companion object {
        const val HOST_ENROL_AT = @enrol_at@
        const val HOST_ENROL_STEPS = @enrol_steps@
    }
}
