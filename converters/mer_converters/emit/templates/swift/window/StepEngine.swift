// @generated@

// Baselines are kept of so many persons; beyond it, the one who was not seen for longest is forgotten.
private let mostPersons = 64
private let audioModality = Modality(rawValue: "audio")
private let faceModality = Modality(rawValue: "face")
private let neutral = Emotion(rawValue: "neutral")

/// The fusion graph's inputs, in the order of `Contract.fusion`, to its outputs.
typealias Fusion = ([[Float]]) throws -> [[Float]]

/// Windows, personal baselines and the fusion graph, step by step.
///
/// A person is a number, such as a face's id. Each has a window of faces and a baseline, and one of them is current:
/// whoever `advance` names. The first person takes over the baseline that the engine began with and what was heard
/// before; any later one starts cold. Sound belongs to whoever was current when it was heard, and is missing in the
/// windows of the others.
public final class StepEngine {
    private let fusion: Fusion
    private var baselines: [Int: PersonalBaseline] = [:]
    private var faces: [Int: FeatureWindow] = [:]
    private var sound: FeatureWindow?
    private var known = false

    /// The current person.
    public private(set) var person = 0
    /// Steps that the enrolment begun by `enrol` still wants; 0 where there is none.
    public private(set) var enrolling = 0
    /// Everyone who has a baseline: who was seen last comes last, and the current person after all others.
    public private(set) var persons: [Int] = []

    init(fusion: @escaping Fusion) {
        self.fusion = fusion
        reset()
    }

    /// The current person's baseline.
    public var baseline: PersonalBaseline { baselines[person] ?? PersonalBaseline() }

    /// Begin a new stream: an empty window, and the given baseline or a cold one.
    public func reset(baseline: PersonalBaseline? = nil) {
        person = 0
        known = false
        enrolling = 0
        persons = [0]
        baselines = [0: baseline ?? PersonalBaseline()]
        faces = [:]
        sound = audioModality.map { FeatureWindow(length: Contract.windowSteps, size: $0.features) }
    }

    /// Takes one step's features into the window and runs the fusion graph.
    ///
    /// - Parameters:
    ///   - features: of the step; a modality that is missing is not in the dictionary.
    ///   - person: whose face it is; nil where there is no face, or only one person.
    ///   - others: face features of further persons; see `look`.
    public func advance(
        _ features: [Modality: [Float]], person next: Int? = nil, others: [(person: Int, face: [Float])] = []
    ) throws -> Estimate {
        if let next { switchTo(next) }
        append(features, others)
        return try fuse(person, listening: true)
    }

    /// What the faces of another person say, without sound; of the steps so far.
    public func look(at person: Int) throws -> Estimate { try fuse(person, listening: false) }

    /// Throws `SensorError.input` where nobody of that number is known.
    public func baseline(of person: Int) throws -> PersonalBaseline {
        guard let found = baselines[person] else { throw SensorError.input("person \(person) is not known here") }
        return found
    }

    /// Begins the current person's baseline anew with the next steps that hold anything of them, which are taken in at
    /// once. They should be neutral ones; what is in the window now is not taken in.
    public func enrol(steps: Int) {
        baselines[person]?.reset()
        settle(person)
        enrolling = steps
    }

    /// Forgets a person: the baseline is cold again, and nothing that is in the window goes into it.
    public func forget(_ who: Int) {
        baselines[who]?.reset()
        settle(who)
        if who == person {
            enrolling = 0
        } else {
            remove(who)
        }
    }

    /// A step that is left out: it stands in the window as missing, and no graph is run.
    public func skip() {
        append([:], [])
    }

    /// Sound of the last steps that was held back counts after all: features, oldest first, nil where missing.
    public func recallSound(_ rows: [[Float]?]) {
        sound?.fill(rows, owner: person)
    }

    /// All but the newest steps leave the windows, as those of another utterance, and go into the baselines.
    public func beginWindow(newest: Int) {
        for row in sound?.begin(after: newest) ?? [] { observe(row.owner, audioModality, row.features) }
        for key in Array(faces.keys) {
            for row in faces[key]?.begin(after: newest) ?? [] { observe(row.owner, faceModality, row.features) }
        }
    }

    /// Ends a recording: the steps still in the window are taken into the baselines, and the window is empty.
    public func finish() {
        beginWindow(newest: 0)
        faces = [:]
    }

    private func settle(_ person: Int) {
        sound?.settle(person)
        for key in Array(faces.keys) { faces[key]?.settle(person) }
    }

    private func append(_ features: [Modality: [Float]], _ others: [(person: Int, face: [Float])]) {
        var seen = others
        if let faceModality, let own = features[faceModality] {
            seen.removeAll { $0.person == person }
            seen.append((person, own))
        }
        for who in seen.map(\.person).sorted() { meet(who) }
        meet(person)
        forgetOldest(seen.map(\.person))
        let early = enrolling > 0 && !features.isEmpty
        if early { enrolling -= 1 }
        if let audioModality {
            let heard = features[audioModality]
            let leaving = sound?.append(heard, owner: person, observed: early)
            take(audioModality, heard, person, early, leaving)
        }
        guard let faceModality else { return }
        for one in seen where faces[one.person] == nil {
            faces[one.person] = FeatureWindow(length: Contract.windowSteps, size: faceModality.features)
        }
        for owner in Array(faces.keys) {
            let row = seen.first { $0.person == owner }?.face
            let observed = early && owner == person
            let leaving = faces[owner]?.append(row, owner: owner, observed: observed)
            take(faceModality, row, owner, observed, leaving)
            if faces[owner]?.isEmpty == true { faces[owner] = nil }
        }
    }

    private func take(
        _ modality: Modality, _ row: [Float]?, _ owner: Int, _ early: Bool, _ leaving: (owner: Int, features: [Float])?
    ) {
        if let leaving { observe(leaving.owner, modality, leaving.features) }
        if early, let row { baselines[owner]?.observeNeutral(modality, row) }
    }

    private func observe(_ owner: Int, _ modality: Modality?, _ row: [Float]) {
        if let modality { baselines[owner]?.observe(modality, row) }
    }

    private func switchTo(_ next: Int) {
        if !known {
            // What was heard before the first face belongs to that face's owner.
            baselines = [next: baseline]
            persons = [next]
            sound?.give(to: next)
            known = true
        } else if next != person {
            enrolling = 0
        }
        person = next
    }

    /// Puts a person behind all others; whoever is new has a cold baseline.
    private func meet(_ who: Int) {
        if baselines[who] == nil { baselines[who] = PersonalBaseline() }
        persons.removeAll { $0 == who }
        persons.append(who)
    }

    /// Forgets those beyond the bound who were not seen for longest; nobody who is seen now.
    private func forgetOldest(_ seen: [Int]) {
        let away = persons.filter { $0 != person && !seen.contains($0) }
        for oldest in away.prefix(max(0, persons.count - mostPersons)) { remove(oldest) }
    }

    private func remove(_ who: Int) {
        persons.removeAll { $0 == who }
        baselines[who] = nil
        faces[who] = nil
    }

    private func fuse(_ person: Int, listening: Bool) throws -> Estimate {
        let own = try baseline(of: person)
        var rows: [[Float]] = []
        var masks: [[Float]] = []
        var present: [Modality: Int] = [:]
        for modality in Modality.allCases {
            let window = modality == faceModality ? faces[person] : listening ? sound : nil
            let empty = FeatureWindow(length: Contract.windowSteps, size: modality.features)
            let held = (window ?? empty).read(less: own.mean(modality), of: person)
            rows.append(held.rows)
            masks.append(held.mask)
            present[modality] = held.mask.filter { $0 == 1 }.count
        }
        guard present.values.contains(where: { $0 > 0 }) else { return nothing(present) }
        let outputs = try fusion(rows + masks)
        var estimate = decide(outputs[Contract.logits], present: present)
        estimate.reliance = Dictionary(uniqueKeysWithValues: zip(Modality.allCases, outputs[Contract.reliance]))
        if let neutral, let share = estimate.probabilities[neutral] { baselines[person]?.expectNeutral(share) }
        return estimate
    }
}
