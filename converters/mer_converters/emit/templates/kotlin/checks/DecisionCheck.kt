// @generated@
package @package@

import kotlin.math.abs

/** Temperature, abstention, valence and arousal, in each state of what is there. */
internal fun checkDecisions(golden: Golden) {
    val logits = golden["host_logits"]
    for (index in 0 until logits.count) {
        val held = golden["host_present"][index]
        val found = decide(logits[index], Modality.entries.associateWith { held[it.ordinal].toInt() })
        val shares = found.probabilities.values.map(Double::toFloat).toFloatArray()
        val (named, valence, arousal) = golden["host_decisions"][index].asList()
        val fine = furthest(shares, golden["host_probabilities"][index]) <= 1e-6 &&
            (found.emotion?.ordinal ?: -1) == named.toInt() &&
            abs(found.valence - valence) <= 1e-6 && abs(found.arousal - arousal) <= 1e-6
        golden.expect("decision $index", fine)
    }
}

/** A saved baseline is read, goes on, and is refused where it is damaged or another model's. */
internal fun checkProfile(golden: Golden) {
    val bytes = golden["stage_profile_text"].values
    val text = ByteArray(bytes.size) { bytes[it].toInt().toByte() }.decodeToString()
    val baseline = PersonalBaseline.fromJson(text)
    val known = Modality.entries.filter { it.populationMean != null }
    val steps = baseline.steps
    val counts = known.map { steps.getValue(it).toInt() }
    golden.expect("saved baseline: steps", counts == golden["stage_profile_steps"].ints())
    for (modality in known) {
        val name = name(modality)
        golden.near("saved baseline: $name", baseline.mean(modality), golden["stage_profile_mean_$name"].values, 1e-5)
        baseline.observe(modality, golden["stage_profile_row_$name"].values)
        golden.near("it goes on: $name", baseline.mean(modality), golden["stage_profile_next_$name"].values, 1e-5)
    }
    for ((index, damaged) in golden.texts("stage_profile_refused").withIndex()) {
        val refused = try {
            PersonalBaseline.fromJson(damaged)
            false
        } catch (_: ProfileException) {
            true
        }
        golden.expect("damaged baseline $index is refused", refused)
    }
}
