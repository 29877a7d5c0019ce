// @generated@
package @package@

// Baselines are kept of so many persons; beyond it, the one who was not seen for longest is forgotten.
private const val PERSONS = 64
private val AUDIO = Modality.entries.firstOrNull { it.name == "AUDIO" }
private val FACE = Modality.entries.firstOrNull { it.name == "FACE" }
private val NEUTRAL = Emotion.entries.firstOrNull { it.label == "neutral" }

/** The fusion graph's inputs, in the order of [Contract.FUSION], to its outputs. */
fun interface Fusion {
    fun run(inputs: List<FloatArray>): List<FloatArray>
}

/**
 * Windows, personal baselines and the fusion graph, step by step.
 *
 * A person is a number, such as a face's id. Each has a window of faces and a baseline, and one of them is current:
 * whoever [advance] names. The first person takes over the baseline that the engine began with and what was heard
 * before; any later one starts cold. Sound belongs to whoever was current when it was heard, and is missing in the
 * windows of the others.
 */
class StepEngine(private val fusion: Fusion, baseline: PersonalBaseline? = null) {
    private val baselines = LinkedHashMap<Int, PersonalBaseline>()
    private val faces = LinkedHashMap<Int, FeatureWindow>()
    private var sound: FeatureWindow? = null
    private var known = false

    /** The current person. */
    var person = 0
        private set

    /** Steps that the enrolment begun by [enrol] still wants; 0 where there is none. */
    var enrolling = 0
        private set

    /** The current person's baseline. */
    val baseline: PersonalBaseline get() = baselines.getValue(person)

    /** Everyone who has a baseline: who was seen last comes last, and the current person after all others. */
    val persons: List<Int> get() = baselines.keys.toList()

    init {
        reset(baseline)
    }

    /** Begin a new stream: an empty window, and the given baseline or a cold one. */
    fun reset(baseline: PersonalBaseline? = null) {
        person = 0
        known = false
        enrolling = 0
        baselines.clear()
        baselines[0] = baseline?.copy() ?: PersonalBaseline()
        faces.clear()
        sound = AUDIO?.let { FeatureWindow(Contract.WINDOW_STEPS, it.features) }
    }

    /**
     * Takes one step's features into the window and runs the fusion graph.
     *
     * @param features of the step; a modality that is missing is not in the map.
     * @param person whose face it is; null where there is no face, or only one person.
     * @param others face features of further persons; see [lookAt].
     */
    fun advance(
        features: Map<Modality, FloatArray>,
        person: Int? = null,
        others: Map<Int, FloatArray> = emptyMap(),
    ): Estimate {
        if (person != null) switchTo(person)
        append(features, others)
        return fuse(this.person, listening = true)
    }

    /** What the faces of another person say, without sound; of the steps so far. */
    fun lookAt(person: Int): Estimate = fuse(person, listening = false)

    /** @throws IllegalArgumentException nobody of that number is known. */
    fun baselineOf(person: Int): PersonalBaseline =
        requireNotNull(baselines[person]) { "person $person is not known here; known are ${persons.joinToString()}" }

    /**
     * Begins the current person's baseline anew with the next [steps] steps that hold anything of them, which are taken
     * in at once. They should be neutral ones; what is in the window now is not taken in.
     */
    fun enrol(steps: Int) {
        baseline.reset()
        settle(person)
        enrolling = steps
    }

    /** Forgets a person: the baseline is cold again, and nothing that is in the window goes into it. */
    fun forget(person: Int) {
        baselineOf(person).reset()
        settle(person)
        if (person == this.person) {
            enrolling = 0
        } else {
            baselines.remove(person)
            faces.remove(person)
        }
    }

    /** A step that is left out: it stands in the window as missing, and no graph is run. */
    fun skip() = append(emptyMap(), emptyMap())

    /** Sound of the last steps that was held back counts after all: features, oldest first, null where missing. */
    fun recallSound(rows: List<FloatArray?>) {
        sound?.fill(rows, person)
    }

    /** All but the [newest] steps leave the windows, as those of another utterance, and go into the baselines. */
    fun beginWindow(newest: Int) {
        sound?.beginAfter(newest)?.forEach { (owner, row) -> observe(owner, AUDIO, row) }
        for (window in faces.values) window.beginAfter(newest).forEach { (owner, row) -> observe(owner, FACE, row) }
    }

    /** Ends a recording: the steps still in the window are taken into the baselines, and the window is empty. */
    fun finish() {
        beginWindow(0)
        faces.clear()
    }

    private fun settle(person: Int) {
        sound?.settle(person)
        faces.values.forEach { it.settle(person) }
    }

    private fun append(features: Map<Modality, FloatArray>, others: Map<Int, FloatArray>) {
        val seen = LinkedHashMap(others)
        features[FACE]?.let { seen[person] = it }
        for (owner in seen.keys.sorted() + person) meet(owner)
        forgetOldest(seen.keys)
        val early = enrolling > 0 && features.isNotEmpty()
        if (early) enrolling--
        sound?.let { take(AUDIO, it, features[AUDIO], person, early) }
        if (FACE == null) return
        for (owner in seen.keys) faces.getOrPut(owner) { FeatureWindow(Contract.WINDOW_STEPS, FACE.features) }
        for ((owner, window) in faces.toList()) {
            take(FACE, window, seen[owner], owner, early && owner == person)
            if (window.empty) faces.remove(owner)
        }
    }

    private fun take(modality: Modality?, window: FeatureWindow, row: FloatArray?, owner: Int, early: Boolean) {
        window.append(row, owner, early)?.let { (leaving, old) -> observe(leaving, modality, old) }
        if (early && row != null && modality != null) baselines[owner]?.observeNeutral(modality, row)
    }

    private fun observe(owner: Int, modality: Modality?, row: FloatArray) {
        if (modality != null) baselines[owner]?.observe(modality, row)
    }

    private fun switchTo(next: Int) {
        if (!known) {
            // What was heard before the first face belongs to that face's owner.
            val first = baseline
            baselines.clear()
            baselines[next] = first
            sound?.give(next)
            known = true
        } else if (next != person) {
            enrolling = 0
        }
        person = next
    }

    /** Puts a person's baseline behind all others; whoever is new has a cold one. */
    private fun meet(person: Int) {
        baselines[person] = baselines.remove(person) ?: PersonalBaseline()
    }

    /** Forgets those beyond the bound who were not seen for longest; nobody who is seen now. */
    private fun forgetOldest(seen: Set<Int>) {
        val away = baselines.keys.filter { it !in seen && it != person }
        for (oldest in away.take((baselines.size - PERSONS).coerceAtLeast(0))) {
            baselines.remove(oldest)
            faces.remove(oldest)
        }
    }

    private fun fuse(person: Int, listening: Boolean): Estimate {
        val baseline = baselineOf(person)
        val rows = ArrayList<FloatArray>()
        val masks = ArrayList<FloatArray>()
        val present = LinkedHashMap<Modality, Int>()
        for (modality in Modality.entries) {
            val window = if (modality == FACE) faces[person] else sound?.takeIf { listening }
            val (values, held) = window?.read(baseline.mean(modality), person)
                ?: (FloatArray(Contract.WINDOW_STEPS * modality.features) to BooleanArray(Contract.WINDOW_STEPS))
            rows += values
            masks += FloatArray(held.size) { if (held[it]) 1f else 0f }
            present[modality] = held.count { it }
        }
        if (present.values.all { it == 0 }) return nothing(present)
        val outputs = fusion.run(rows + masks)
        val reliance = Modality.entries.zip(outputs[Contract.RELIANCE].asIterable()).toMap()
        val estimate = decide(outputs[Contract.LOGITS], present).copy(reliance = reliance)
        estimate.probabilities[NEUTRAL]?.let(baseline::expectNeutral)
        return estimate
    }
}
