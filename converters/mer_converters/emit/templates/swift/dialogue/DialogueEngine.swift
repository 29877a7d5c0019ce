// @generated@

/// The fusion graph's inputs, in the order of `Contract.fusion`, to its outputs.
typealias Fusion = ([[Float]]) throws -> [[Float]]

/// What is known of one utterance: modality -> its rows, one a step (one for text). Missing ones are left out.
public typealias UtteranceFeatures = [Modality: [[Float]]]

/// The number of each utterance's speaker: 0, 1, ... in order of first appearance; from `most - 1` on all share it. Nil
/// is a name like any other.
public func speakerNumbers(_ speakers: [String?], most: Int) -> [Int] {
    var seen: [String?: Int] = [:]
    return speakers.map { speaker in
        let number = seen[speaker] ?? min(seen.count, most - 1)
        seen[speaker] = number
        return number
    }
}

/// The window of a dialogue's utterances, the baselines of its speakers, and the fusion graph. A dialogue that is
/// longer than the window slides through it; an utterance is taken into its speaker's baseline once it has left the
/// window.
public final class DialogueEngine {
    private let fusion: Fusion
    private var window: [(features: UtteranceFeatures, speaker: String?)] = []
    private var baselines: [String?: PersonalBaseline] = [:]

    init(fusion: @escaping Fusion) {
        self.fusion = fusion
    }

    /// A speaker's baseline; cold where none of their utterances has left the window yet.
    public func baseline(of speaker: String?) -> PersonalBaseline { baselines[speaker] ?? PersonalBaseline() }

    /// Go on with a speaker's stored baseline.
    public func setBaseline(_ baseline: PersonalBaseline, of speaker: String?) { baselines[speaker] = baseline }

    /// Begin a new dialogue: an empty window and cold baselines.
    public func reset() {
        window = []
        baselines = [:]
    }

    /// Takes one utterance into the window and says what the window says of it.
    public func advance(_ features: UtteranceFeatures, speaker: String? = nil) throws -> Estimate {
        window.append((features, speaker))
        if window.count > Contract.utterances {
            let old = window.removeFirst()
            var own = baseline(of: old.speaker)
            for (modality, rows) in old.features {
                for row in rows { own.observe(modality, row) }
            }
            baselines[old.speaker] = own
        }
        return try fuse(newest: features)
    }

    private func fuse(newest: UtteranceFeatures) throws -> Estimate {
        let first = Contract.utterances - window.count
        var inputs: [String: [Float]] = [:]
        for modality in Modality.allCases {
            let size = modality.features
            var values = [Float](repeating: 0, count: Contract.utterances * size)
            var mask = [Float](repeating: 0, count: Contract.utterances)
            for (index, row) in window.enumerated() {
                guard let rows = row.features[modality], !rows.isEmpty else { continue }
                let mean = baseline(of: row.speaker).mean(modality)
                mask[first + index] = 1
                for place in 0..<size {
                    let average = Float(rows.reduce(0.0) { $0 + Double($1[place]) } / Double(rows.count))
                    values[(first + index) * size + place] = average - mean[place]
                }
            }
            inputs[modality.rawValue] = values
            inputs["\(modality.rawValue)_mask"] = mask
        }
        var speakers = [Float](repeating: 0, count: Contract.utterances)
        for (index, number) in speakerNumbers(window.map(\.speaker), most: Contract.speakers).enumerated() {
            speakers[first + index] = Float(number)
        }
        inputs["speakers"] = speakers
        var present: [Modality: Int] = [:]
        for modality in Modality.allCases { present[modality] = newest[modality] == nil ? 0 : 1 }
        guard window.contains(where: { !$0.features.isEmpty }) else { return nothing(present) }
        let outputs = try fusion(Contract.fusion.inputs.map { inputs[$0.name] ?? [] })
        guard !newest.isEmpty else { return nothing(present) }
        let logits = outputs[Contract.logits].suffix(Emotion.allCases.count)
        let shares = outputs[Contract.reliance].suffix(Modality.allCases.count)
        var estimate = decide(Array(logits), present: present)
        estimate.reliance = Dictionary(uniqueKeysWithValues: zip(Modality.allCases, shares))
        return estimate
    }
}
