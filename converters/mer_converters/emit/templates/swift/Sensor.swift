// @generated@
import CoreML
import Foundation

/// What the sensor says of the window that ends with a step.
public struct Estimate {
    /// Nil where the model is less sure than the threshold in `Contract.decisions`, or the window is empty.
    public var emotion: Emotion?
    /// The largest probability, 0 to 1.
    public var confidence: Double
    /// They sum to 1.
    public var probabilities: [Emotion: Double]
    /// Expected under published norms of the emotion words, each -1 to 1; 0 where the window is empty.
    public var valence: Double
    public var arousal: Double
    /// The share of each modality; all 0 where the window is empty.
    public var reliance: [Modality: Float]
    /// Steps of the window that hold each modality.
    public var present: [Modality: Int]
    /// Before the temperature, in the order of `Emotion.allCases`.
    public var logits: [Float]
}

/// One person's emotion, step by step. Not thread-safe; for several persons open one sensor each.
public final class Sensor {
    /// The window and the personal baseline. Begin anew with `sensor.window = StepWindow()`.
    public var window = StepWindow()

//#if audio
    private let audio: Graph
//#end
//#if face
    private let face: Graph
//#end
    private let fusion: Graph

    /// - Parameters:
    ///   - folder: the bundle's folder, or one with its compiled models, such as `Bundle.main.resourceURL`.
    ///   - configuration: which compute units Core ML may use; all of them where nothing is given.
    ///   - trust: public keys, "ed25519:BASE64", of which one must have signed the bundle; empty trusts any. Throws
    ///     `SensorError.untrusted` where none did, see `requireSigned`.
    public init(
        folder: URL, configuration: MLModelConfiguration = MLModelConfiguration(), trust: [String] = []
    ) throws {
        if !trust.isEmpty { try requireSigned(folder, trust: trust) }
//#if audio
        audio = try Graph(Contract.audio, in: folder, configuration: configuration)
//#end
//#if face
        face = try Graph(Contract.face, in: folder, configuration: configuration)
//#end
        fusion = try Graph(Contract.fusion, in: folder, configuration: configuration)
    }

    /// One step: every `Contract.stepMilliseconds`, whether anything is there or not. Nil is a missing modality, never
    /// zeros. Throws `SensorError.input` for another number of values than the contract says.
    public func step(@step_parameters@) throws -> Estimate {
        var features: [Modality: [Float]] = [:]
//#if audio
        if let chunk { features[.audio] = try audio.run([chunk])[0] }
//#end
//#if face
        if let crop { features[.face] = try face.run([crop])[0] }
//#end
        window.push(features)
        return try fuse()
    }

    /// The stream has ended: what is in the window goes into the baseline, and the window is empty.
    public func finish() {
        window.finish()
    }

    private func fuse() throws -> Estimate {
        let modalities = Modality.allCases
        let masks = modalities.map { window.mask($0) }
        let steps = masks.map { mask in mask.filter { $0 == 1 }.count }
        let present = Dictionary(uniqueKeysWithValues: zip(modalities, steps))
        guard steps.contains(where: { $0 > 0 }) else {
            let share = 1 / Double(Emotion.allCases.count)
            return Estimate(
                emotion: nil,
                confidence: share,
                probabilities: Dictionary(uniqueKeysWithValues: Emotion.allCases.map { ($0, share) }),
                valence: 0,
                arousal: 0,
                reliance: Dictionary(uniqueKeysWithValues: modalities.map { ($0, 0) }),
                present: present,
                logits: Array(repeating: 0, count: Emotion.allCases.count)
            )
        }
        let outputs = try fusion.run(modalities.map { window.rows($0) } + masks)
        var estimate = decide(outputs[@logits_index@], present: present)
        estimate.reliance = Dictionary(uniqueKeysWithValues: zip(modalities, outputs[@reliance_index@]))
        return estimate
    }
}

/// The number of the step that holds a time in seconds since the stream began.
public func stepNumber(at seconds: Double) -> Int {
    Int(((seconds + 1e-6) / (Double(Contract.stepMilliseconds) / 1000)).rounded(.down))
}

/// The decision on logits: softmax with the temperature of what the window holds, abstention, valence and arousal.
/// - Parameter present: steps of the window that hold each modality.
public func decide(_ logits: [Float], present: [Modality: Int]) -> Estimate {
    var state = 0
    for (bit, modality) in Modality.allCases.enumerated() where (present[modality] ?? 0) > 0 { state |= 1 << bit }
    let decision = Contract.decisions[state]
    let scaled = logits.map { Double($0) / decision.temperature }
    let most = scaled.max() ?? 0
    let powers = scaled.map { exp($0 - most) }
    let sum = powers.reduce(0, +)
    let shares = powers.map { $0 / sum }
    var best = 0
    var (valence, arousal) = (0.0, 0.0)
    for (index, emotion) in Emotion.allCases.enumerated() {
        if shares[index] > shares[best] { best = index }
        valence += shares[index] * emotion.affect.valence
        arousal += shares[index] * emotion.affect.arousal
    }
    return Estimate(
        emotion: shares[best] >= decision.abstentionThreshold ? Emotion.allCases[best] : nil,
        confidence: shares[best],
        probabilities: Dictionary(uniqueKeysWithValues: zip(Emotion.allCases, shares)),
        valence: valence,
        arousal: arousal,
        reliance: [:],
        present: present,
        logits: logits
    )
}
