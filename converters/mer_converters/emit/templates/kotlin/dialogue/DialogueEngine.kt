// @generated@
package @package@

/** The fusion graph's inputs, in the order of [Contract.FUSION], to its outputs. */
fun interface Fusion {
    fun run(inputs: List<FloatArray>): List<FloatArray>
}

/** What is known of one utterance: modality -> its rows, one a step (one for text). Missing ones are left out. */
typealias UtteranceFeatures = Map<Modality, List<FloatArray>>

/**
 * The number of each utterance's speaker: 0, 1, ... in order of first appearance; from `most - 1` on all share it. Null
 * is a name like any other.
 */
fun speakerNumbers(speakers: List<String?>, most: Int): List<Int> {
    val seen = HashMap<String?, Int>()
    return speakers.map { seen.getOrPut(it) { minOf(seen.size, most - 1) } }
}

/**
 * The window of a dialogue's utterances, the baselines of its speakers, and the fusion graph. A dialogue that is longer
 * than the window slides through it; an utterance is taken into its speaker's baseline once it has left the window.
 */
class DialogueEngine(private val fusion: Fusion) {
    private class Row(val features: UtteranceFeatures, val speaker: String?)

    private val window = ArrayDeque<Row>()
    private val baselines = HashMap<String?, PersonalBaseline>()

    /** A speaker's baseline; cold where none of their utterances has left the window yet. */
    fun baseline(speaker: String?): PersonalBaseline = baselines.getOrPut(speaker) { PersonalBaseline() }

    /** Goes on with a speaker's stored baseline. */
    fun setBaseline(speaker: String?, baseline: PersonalBaseline) {
        baselines[speaker] = baseline.copy()
    }

    /** Begin a new dialogue: an empty window and cold baselines. */
    fun reset() {
        window.clear()
        baselines.clear()
    }

    /** Takes one utterance into the window and says what the window says of it. */
    fun advance(features: UtteranceFeatures, speaker: String? = null): Estimate {
        window.addLast(Row(features, speaker))
        if (window.size > Contract.UTTERANCES) {
            val old = window.removeFirst()
            for ((modality, rows) in old.features) {
                for (row in rows) baseline(old.speaker).observe(modality, row)
            }
        }
        return fuse()
    }

    private fun fuse(): Estimate {
        val first = Contract.UTTERANCES - window.size
        val inputs = LinkedHashMap<String, FloatArray>()
        for (modality in Modality.entries) {
            val values = FloatArray(Contract.UTTERANCES * modality.features)
            val mask = FloatArray(Contract.UTTERANCES)
            for ((index, row) in window.withIndex()) {
                val rows = row.features[modality] ?: continue
                val mean = baseline(row.speaker).mean(modality)
                mask[first + index] = 1f
                for (i in mean.indices) {
                    val average = (rows.sumOf { it[i].toDouble() } / rows.size).toFloat()
                    values[(first + index) * mean.size + i] = average - mean[i]
                }
            }
            inputs[modality.name.lowercase()] = values
            inputs["${modality.name.lowercase()}_mask"] = mask
        }
        val numbers = speakerNumbers(window.map(Row::speaker), Contract.SPEAKERS)
        val speakers = FloatArray(Contract.UTTERANCES)
        for ((index, number) in numbers.withIndex()) speakers[first + index] = number.toFloat()
        inputs["speakers"] = speakers
        val newest = window.last().features
        val present = Modality.entries.associateWith { if (it in newest) 1 else 0 }
        if (window.all { it.features.isEmpty() }) return nothing(present)
        val outputs = fusion.run(Contract.FUSION.inputs.map { inputs.getValue(it.name) })
        if (newest.isEmpty()) return nothing(present)
        fun last(output: Int, size: Int) = outputs[output].let { it.copyOfRange(it.size - size, it.size) }
        val reliance = Modality.entries.zip(last(Contract.RELIANCE, Modality.entries.size).asIterable()).toMap()
        return decide(last(Contract.LOGITS, Emotion.entries.size), present).copy(reliance = reliance)
    }
}
