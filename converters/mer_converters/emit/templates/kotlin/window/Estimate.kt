// @generated@
package @package@

import kotlin.math.exp

/**
 * What the model says of the window that ends with a step, or of an utterance.
 *
 * @property emotion null where the model is less sure than its threshold in [Contract.DECISIONS], or nothing is there.
 * @property confidence the probability of the label, 0 to 1.
 * @property probabilities they sum to 1.
 * @property valence expected under published norms of the emotion words, -1 to 1; 0 where nothing is there.
 * @property arousal likewise.
 * @property reliance the share of each modality; all 0 where nothing is there.
 * @property present steps that hold each modality.
 * @property logits before the temperature, in the order of [Emotion].
 */
data class Estimate(
    val emotion: Emotion?,
    val confidence: Double,
    val probabilities: Map<Emotion, Double>,
    val valence: Double,
    val arousal: Double,
    val reliance: Map<Modality, Float>,
    val present: Map<Modality, Int>,
    val logits: List<Float>,
) {
    /** Whether anything is there that it could be made from. */
    val holdsAnything: Boolean get() = present.values.any { it > 0 }

    /** What it is made from: "audio+face", "audio", "face" and the like, or "none". */
    val state: String
        get() = present.filterValues { it > 0 }.keys.joinToString("+") { it.name.lowercase() }.ifEmpty { "none" }
}

/**
 * The decision on logits: softmax with the temperature of what is there, abstention, valence and arousal.
 *
 * @param present steps that hold each modality.
 */
fun decide(logits: FloatArray, present: Map<Modality, Int>): Estimate {
    val temperature = decisionOn(present).temperature
    val scaled = logits.map { it / temperature }
    val most = scaled.max()
    val powers = scaled.map { exp(it - most) }
    val sum = powers.sum()
    return say(DoubleArray(powers.size) { powers[it] / sum }, present, logits.asList())
}

/**
 * What is said of probabilities, in the order of [Emotion].
 *
 * @param label the one that holds, see [Smoother]; null takes the likeliest.
 */
fun say(shares: DoubleArray, present: Map<Modality, Int>, logits: List<Float>, label: Emotion? = null): Estimate {
    val probabilities = Emotion.entries.associateWith { shares[it.ordinal] }
    val best = label ?: Emotion.entries.maxBy(probabilities::getValue)
    val confidence = probabilities.getValue(best)
    val holds = present.values.any { it > 0 }
    return Estimate(
        emotion = best.takeIf { holds && confidence >= decisionOn(present).abstentionThreshold },
        confidence = confidence,
        probabilities = probabilities,
        valence = if (holds) Emotion.entries.sumOf { shares[it.ordinal] * it.valence } else 0.0,
        arousal = if (holds) Emotion.entries.sumOf { shares[it.ordinal] * it.arousal } else 0.0,
        reliance = Modality.entries.associateWith { 0f },
        present = present,
        logits = logits,
    )
}

/** The estimate where nothing is there: every emotion is as likely. */
internal fun nothing(present: Map<Modality, Int>): Estimate {
    val shares = DoubleArray(Emotion.entries.size) { 1.0 / Emotion.entries.size }
    return say(shares, present, List(shares.size) { 0f })
}

private fun decisionOn(present: Map<Modality, Int>): Decision =
    Contract.DECISIONS[Modality.entries.filter { (present[it] ?: 0) > 0 }.sumOf { 1 shl it.ordinal }]
