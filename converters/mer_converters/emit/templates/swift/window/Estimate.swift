// @generated@
import Foundation

/// What the model says of the window that ends with a step, or of an utterance.
public struct Estimate {
    /// Nil where the model is less sure than the threshold in `Contract.decisions`, or nothing is there.
    public var emotion: Emotion?
    /// The probability of the label, 0 to 1.
    public var confidence: Double
    /// They sum to 1.
    public var probabilities: [Emotion: Double]
    /// Expected under published norms of the emotion words, each -1 to 1; 0 where nothing is there.
    public var valence: Double
    public var arousal: Double
    /// The share of each modality; all 0 where nothing is there.
    public var reliance: [Modality: Float]
    /// Steps that hold each modality.
    public var present: [Modality: Int]
    /// Before the temperature, in the order of `Emotion.allCases`.
    public var logits: [Float]

    /// Whether anything is there that it could be made from.
    public var holdsAnything: Bool { present.values.contains { $0 > 0 } }

    /// What it is made from: "audio+face", "audio", "face" and the like, or "none".
    public var state: String {
        let held = Modality.allCases.filter { (present[$0] ?? 0) > 0 }.map(\.rawValue)
        return held.isEmpty ? "none" : held.joined(separator: "+")
    }
}

/// The decision on logits: softmax with the temperature of what is there, abstention, valence and arousal.
/// - Parameter present: steps that hold each modality.
public func decide(_ logits: [Float], present: [Modality: Int]) -> Estimate {
    let temperature = decision(on: present).temperature
    let scaled = logits.map { Double($0) / temperature }
    let most = scaled.max() ?? 0
    let powers = scaled.map { exp($0 - most) }
    let sum = powers.reduce(0, +)
    return say(powers.map { $0 / sum }, present: present, logits: logits)
}

/// What is said of probabilities, in the order of `Emotion.allCases`.
/// - Parameter label: the one that holds, see `Smoother`; nil takes the likeliest.
func say(_ shares: [Double], present: [Modality: Int], logits: [Float], label: Int? = nil) -> Estimate {
    var best = label ?? 0
    let holds = present.values.contains { $0 > 0 }
    var (valence, arousal) = (0.0, 0.0)
    for (index, emotion) in Emotion.allCases.enumerated() {
        if label == nil && shares[index] > shares[best] { best = index }
        valence += holds ? shares[index] * emotion.affect.valence : 0
        arousal += holds ? shares[index] * emotion.affect.arousal : 0
    }
    let sure = holds && shares[best] >= decision(on: present).abstentionThreshold
    return Estimate(
        emotion: sure ? Emotion.allCases[best] : nil,
        confidence: shares[best],
        probabilities: Dictionary(uniqueKeysWithValues: zip(Emotion.allCases, shares)),
        valence: valence,
        arousal: arousal,
        reliance: Dictionary(uniqueKeysWithValues: Modality.allCases.map { ($0, 0) }),
        present: present,
        logits: logits
    )
}

/// The estimate where nothing is there: every emotion is as likely.
func nothing(_ present: [Modality: Int]) -> Estimate {
    let count = Emotion.allCases.count
    let shares = [Double](repeating: 1 / Double(count), count: count)
    return say(shares, present: present, logits: Array(repeating: 0, count: count))
}

private func decision(on present: [Modality: Int]) -> Decision {
    var state = 0
    for (bit, modality) in Modality.allCases.enumerated() where (present[modality] ?? 0) > 0 { state |= 1 << bit }
    return Contract.decisions[state]
}
