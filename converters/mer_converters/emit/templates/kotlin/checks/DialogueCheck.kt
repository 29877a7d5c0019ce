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
    }
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
