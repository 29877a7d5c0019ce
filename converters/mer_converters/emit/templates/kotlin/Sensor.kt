// @generated@
package @package@

import kotlin.math.exp
import kotlin.math.floor

/**
 * What the sensor says of the window that ends with a step.
 *
 * @property emotion null where the model is less sure than its threshold in [Contract.DECISIONS], or nothing is there.
 * @property confidence the largest probability, 0 to 1.
 * @property probabilities they sum to 1.
 * @property valence expected under published norms of the emotion words, -1 to 1; 0 where the window is empty.
 * @property arousal likewise.
 * @property reliance the share of each modality; all 0 where the window is empty.
 * @property present steps of the window that hold each modality.
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
)

/** One person's emotion, step by step. Not thread-safe; for several persons open one sensor each. */
class Sensor private constructor(private val graphs: Map<GraphInfo, Graph>) : AutoCloseable {
    /** The window and the personal baseline. */
    var window = StepWindow()
        private set

    /**
     * One step: every [Contract.STEP_MS] ms, whether anything is there or not. Null is a missing modality, never zeros.
     *
     * @throws IllegalArgumentException another number of values than the contract says.
     */
    fun step(@step_parameters@): Estimate {
        val features = HashMap<Modality, FloatArray>()
@encode@
        window.push(features)
        return fuse()
    }

    /** The stream has ended: what is in the window goes into the baseline, and the window is empty. */
    fun finish() = window.finish()

    /** Begin anew with an empty window and the given baseline, or a cold one. */
    fun reset(profiles: Map<Modality, Profile> = emptyMap()) {
        window = StepWindow(profiles)
    }

    override fun close() = graphs.values.forEach(Graph::close)

    private fun fuse(): Estimate {
        val masks = Modality.entries.map(window::mask)
        val present = Modality.entries.zip(masks) { one, mask -> one to mask.count { it == 1f } }.toMap()
        if (present.values.all { it == 0 }) return nothing(present)
        val outputs = graphs.getValue(Contract.FUSION).run(Modality.entries.map(window::rows) + masks)
        val reliance = Modality.entries.zip(outputs[Contract.RELIANCE].asIterable()).toMap()
        return decide(outputs[Contract.LOGITS], present).copy(reliance = reliance)
    }

    private fun nothing(present: Map<Modality, Int>): Estimate {
        val share = 1.0 / Emotion.entries.size
        return Estimate(
            emotion = null,
            confidence = share,
            probabilities = Emotion.entries.associateWith { share },
            valence = 0.0,
            arousal = 0.0,
            reliance = Modality.entries.associateWith { 0f },
            present = present,
            logits = List(Emotion.entries.size) { 0f },
        )
    }

    companion object {
        /**
         * Loads the graphs.
         *
         * @param trust public keys, "ed25519:BASE64", of which one must have signed the bundle; empty trusts any.
         * @throws UntrustedBundle none of them did; see [requireSigned].
         * @throws IllegalStateException a file is not the one that this code was generated from.
         */
        fun open(source: BundleSource, threads: Int = 1, trust: List<String> = emptyList()): Sensor {
            if (trust.isNotEmpty()) requireSigned(source, trust)
            val graphs = LinkedHashMap<GraphInfo, Graph>()
            try {
                for (info in listOf(@sensor_graphs@)) {
                    graphs[info] = openGraph(source, info, threads)
                }
            } catch (error: Throwable) {
                graphs.values.forEach(Graph::close)
                throw error
            }
            return Sensor(graphs)
        }
    }
}

/** The number of the step that holds a time in seconds since the stream began. */
fun stepAt(seconds: Double): Long = floor((seconds + 1e-6) / (Contract.STEP_MS / 1000.0)).toLong()

/**
 * The decision on logits: softmax with the temperature of what the window holds, abstention, valence and arousal.
 *
 * @param present steps of the window that hold each modality.
 */
fun decide(logits: FloatArray, present: Map<Modality, Int>): Estimate {
    val held = Modality.entries.filter { (present[it] ?: 0) > 0 }
    val decision = Contract.DECISIONS[held.sumOf { 1 shl it.ordinal }]
    val scaled = logits.map { it / decision.temperature }
    val most = scaled.max()
    val powers = scaled.map { exp(it - most) }
    val sum = powers.sum()
    val probabilities = Emotion.entries.zip(powers) { emotion, power -> emotion to power / sum }.toMap()
    val best = Emotion.entries.maxBy(probabilities::getValue)
    val confidence = probabilities.getValue(best)
    return Estimate(
        emotion = best.takeIf { confidence >= decision.abstentionThreshold },
        confidence = confidence,
        probabilities = probabilities,
        valence = probabilities.entries.sumOf { (emotion, share) -> share * emotion.valence },
        arousal = probabilities.entries.sumOf { (emotion, share) -> share * emotion.arousal },
        reliance = emptyMap(),
        present = present,
        logits = logits.asList(),
    )
}
