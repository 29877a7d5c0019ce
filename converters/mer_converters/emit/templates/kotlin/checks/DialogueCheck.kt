// @generated@
package @package@

/** Words to ids, speakers, and the window of utterances. */
internal class DialogueCheck(private val golden: Golden) {
    fun run() {
        checkDecisions(golden)
        if ("stage_profile_text" in golden) checkProfile(golden)
//#if text
        if ("stage_text" in golden) checkTexts()
//#end
        if ("stage_dialogue_speakers" in golden) checkWindows()
//#if audio
        if ("stage_cutter_options" in golden) checkCutter()
//#end
    }
//#if audio

    private fun checkCutter() {
        val options = golden["stage_cutter_options"]
        val sizes = golden["stage_cutter_pieces"].ints()
        for (index in 0 until options.count) {
            val (threshold, hangover, minimum, longest, preRoll) = options[index].map(Float::toDouble)
            val left = golden["stage_cutter_probabilities"].values.iterator()
            val model = object : SpeechModel {
                override fun reset() = Unit

                override fun probability(piece: FloatArray) = left.next().toDouble()
            }
            val rules = UtteranceOptions(VoiceOptions(threshold, hangover), minimum, longest, preRoll)
            val cutter = UtteranceCutter(model, rules)
            val found = ArrayList<Float>()
            fun told(place: Int, cuts: List<Cut>) = cuts.forEach {
                found += listOf(place, it.begin, it.begin + it.samples.size, cutter.short).map(Number::toFloat)
            }
            for ((place, size) in sizes.withIndex()) told(place, cutter.push(FloatArray(size)))
            told(sizes.size, cutter.end())
            val wanted = golden["stage_cutter${index}_cuts"].values
            golden.near("cuts of utterances $index", found.toFloatArray(), wanted, 0.0)
        }
    }
//#end
//#if text

    private fun checkTexts() {
        val wanted = golden["stage_text_ids"]
        for ((index, text) in golden.texts("stage_text").withIndex()) {
            golden.expect("ids of text $index", textIds(text).toList() == wanted.part(index).ints())
        }
    }
//#end

    private fun checkWindows() {
        val fusion = FusionRecorder()
        val engine = DialogueEngine(fusion)
        val speakers = golden["stage_dialogue_speakers"].ints()
        val inputs = Contract.FUSION.inputs.map(TensorInfo::name)
        var fine = true
        for ((number, speaker) in speakers.withIndex()) {
            val steps = golden["stage_dialogue_steps"][number].map(Float::toInt)
            val features = Modality.entries.filter { steps[it.ordinal] > 0 }.associateWith { modality ->
                val rows = golden["stage_dialogue_rows_${name(modality)}"].part(number)
                List(steps[modality.ordinal]) { rows[it] }
            }
            fusion.clear()
            engine.advance(features, speaker.toString())
            fine = fine && inputs.all {
                furthest(fusion.seen(it), golden["stage_dialogue_window_$it"][number]) <= 1e-4
            }
        }
        golden.expect("windows of utterances, masks and speakers", fine)
        for (modality in Modality.entries.filter { it.populationMean != null }) {
            val means = golden["stage_dialogue_mean_${name(modality)}"]
            val same = (0 until means.count).all {
                furthest(engine.baseline(it.toString()).mean(modality), means[it]) <= 1e-4
            }
            golden.expect("baselines of speakers: ${name(modality)}", same)
        }
    }
}
