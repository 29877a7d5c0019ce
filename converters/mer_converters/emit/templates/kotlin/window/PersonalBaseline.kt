// @generated@
package @package@

import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.security.MessageDigest

private const val VERSION = 2

/** A profile that is damaged, or was made with another model. */
class ProfileException(message: String) : IllegalArgumentException(message)

/**
 * The personal baseline: running means of one person's features, from the population's, which count as
 * [Contract.PRIOR_STEPS] steps, to their own. It holds sums and counts, no sound and no picture.
 *
 * [toJson] is what an app stores, for this bundle only; every language of mer-edge reads it.
 */
class PersonalBaseline {
    private val sums = LinkedHashMap<Modality, DoubleArray>()
    private val counts = HashMap<Modality, Long>()
    private var share = 0.0

    init {
        for (modality in Modality.entries) {
            sums[modality] = DoubleArray(modality.populationMean?.size ?: continue)
            counts[modality] = 0
        }
    }

    /** Modality -> steps that were taken in; all 0 where it is cold. */
    val steps: Map<Modality, Long> get() = counts.toMap()

    /** What to subtract from a modality's features. */
    fun mean(modality: Modality): FloatArray {
        val population = modality.populationMean ?: return FloatArray(modality.features)
        val sum = sums.getValue(modality)
        val weight = Contract.PRIOR_STEPS + counts.getValue(modality)
        return FloatArray(sum.size) { ((Contract.PRIOR_STEPS * population[it] + sum[it]) / weight).toFloat() }
    }

    /**
     * Says how likely the latest estimate finds the person neutral, 0-1: steps that are observed from now on get as
     * much of [Modality.neutralOffset] as that is above (or below) [Contract.NEUTRAL_PRIOR]: all of it at 1, none at
     * the prior. A probability that is not finite changes nothing.
     */
    fun expectNeutral(probability: Double) {
        val prior = Contract.NEUTRAL_PRIOR
        if (prior > 0 && probability.isFinite()) share = (probability - prior) / (1 - prior)
    }

    /** Takes one step's features in; those that are not finite, and modalities without a baseline, are left out. */
    fun observe(modality: Modality, features: FloatArray) = take(modality, features, share)

    /** [observe] for a step of an enrolment, in which the person is at rest: all of the offset is added. */
    fun observeNeutral(modality: Modality, features: FloatArray) = take(modality, features, 1.0)

    private fun take(modality: Modality, features: FloatArray, share: Double) {
        val sum = sums[modality] ?: return
        val offset = modality.neutralOffset
        if (!features.all(Float::isFinite)) return
        for (i in sum.indices) sum[i] += features[i].toDouble() + share * (offset?.get(i) ?: 0.0)
        counts[modality] = counts.getValue(modality) + 1
    }

    /** Forgets the person: back to the population's means. */
    fun reset() {
        sums.values.forEach { it.fill(0.0) }
        counts.replaceAll { _, _ -> 0L }
        share = 0.0
    }

    /** A baseline of its own with the same sums. */
    fun copy(): PersonalBaseline = PersonalBaseline().also {
        for ((modality, sum) in sums) sum.copyInto(it.sums.getValue(modality))
        it.counts.putAll(counts)
    }

    /** Sums and counts. */
    fun toJson(): String {
        val modalities = sums.entries.joinToString { (modality, sum) ->
            "\"${name(modality)}\": {\"sum\": [${sum.joinToString()}], \"steps\": ${counts.getValue(modality)}}"
        }
        return "{\"mer_baseline\": $VERSION, \"encoders\": \"${encoders()}\", \"modalities\": {$modalities}}\n"
    }

    companion object {
        // No feature is larger: half precision ends here. And no stream has more steps than this.
        private const val LARGEST_FEATURE = 65504.0
        private const val MOST_STEPS = 1e15
        private const val AGAIN = "enrol again, and keep one profile per model: features of two models cannot be mixed"

        /**
         * A baseline that [toJson] or `mer run --save-baseline` wrote.
         *
         * @throws ProfileException it is none, is damaged, or was made with another model.
         */
        fun fromJson(text: String): PersonalBaseline {
            val content = parsed(text)
            if (content !is Map<*, *> || "mer_baseline" !in content) {
                throw ProfileException("this is not a personal baseline; $AGAIN")
            }
            val version = content["mer_baseline"] as? Double
            if (version == null || version != Math.floor(version) || version < 1) {
                throw ProfileException("this is a damaged personal baseline; $AGAIN")
            }
            if (version > VERSION) {
                throw ProfileException("this is a personal baseline of a later version; $AGAIN")
            }
            if (content["encoders"] != encoders()) {
                throw ProfileException("the baseline belongs to the encoders of another model; $AGAIN")
            }
            val modalities = content["modalities"] as? Map<*, *>
            val made = PersonalBaseline()
            for ((modality, sum) in made.sums) {
                val one = modalities?.get(name(modality)) as? Map<*, *>
                val values = (one?.get("sum") as? List<*>)?.map { it as? Double }
                val steps = (one?.get("steps") as? Double)?.takeIf { it >= 0 && it < MOST_STEPS && it % 1 == 0.0 }
                val largest = LARGEST_FEATURE * (steps ?: 0.0)
                // Not so where there is a NaN.
                val fine = values?.size == sum.size && values.all { it != null && Math.abs(it) <= largest }
                if (values == null || steps == null || !fine) {
                    throw ProfileException("this is a damaged personal baseline; $AGAIN")
                }
                for ((index, value) in values.withIndex()) sum[index] = value ?: 0.0
                made.counts[modality] = steps.toLong()
            }
            return made
        }

        private fun parsed(text: String): Any? = try {
            parseJson(text)
        } catch (error: IllegalArgumentException) {
            throw ProfileException("this is not a personal baseline: it is no JSON (${error.message}); $AGAIN")
        }

        private fun name(modality: Modality) = modality.name.lowercase()

        /** Which encoders the features come from: a hash of the population's means, which every training changes. */
        private fun encoders(): String {
            val digest = MessageDigest.getInstance("SHA-256")
            for (modality in Modality.entries.sortedBy(::name)) {
                val mean = modality.populationMean ?: continue
                digest.update(name(modality).encodeToByteArray() + 0)
                val bytes = ByteBuffer.allocate(4 * mean.size).order(ByteOrder.LITTLE_ENDIAN)
                for (value in mean) bytes.putFloat(value.toFloat())
                digest.update(bytes.array())
            }
            return digest.digest().joinToString("") { "%02x".format(it) }.take(16)
        }
    }
}
