// @generated@
package @package@

/**
 * One person's emotion, step by step, from chunks and crops; [EmotionSession] makes these from a microphone and a
 * camera, and follows several persons. Not thread-safe.
 */
class Sensor internal constructor(private val graphs: Map<GraphInfo, Graph>) : AutoCloseable {
    /** Windows and personal baselines. */
    val engine = StepEngine(graphs.getValue(Contract.FUSION)::run)

    /**
     * One step: every [Contract.STEP_MS] ms, whether anything is there or not. Null is a missing modality, never zeros.
     *
     * @throws IllegalArgumentException another number of values than the contract says.
     */
    fun step(@step_parameters@): Estimate = engine.advance(encode(@step_arguments@))

    /** Features of one step; see [step]. Nothing is remembered. */
    fun encode(@step_parameters@): Map<Modality, FloatArray> {
        val features = LinkedHashMap<Modality, FloatArray>()
@encode@
        return features
    }

    /** The stream has ended: what is in the window goes into the baseline, and the window is empty. */
    fun finish() = engine.finish()

    /** Begin anew with an empty window and the given baseline, or a cold one. */
    fun reset(baseline: PersonalBaseline? = null) = engine.reset(baseline)

    override fun close() = graphs.values.forEach(Graph::close)

    companion object {
        /** Loads the graphs; see [openGraphs]. */
        fun open(source: BundleSource, threads: Int = 1, trust: List<String>? = null): Sensor =
            Sensor(openGraphs(source, threads, trust))
    }
}
