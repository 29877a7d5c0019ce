// @generated@
import CoreML
import Foundation

/// Interleaved sound of one utterance, -1 to 1.
public struct Sound {
    public let samples: [Float]
    public let sampleRate: Int
    public let channels: Int

    public init(samples: [Float], sampleRate: Int, channels: Int = 1) {
        self.samples = samples
        self.sampleRate = sampleRate
        self.channels = channels
    }
}

/// The estimate of one utterance, made when it was the newest one.
public struct UtteranceEstimate {
    public let index: Int
    public let speaker: String?
    public let text: String?
    public let estimate: Estimate
}

/// Emotion estimates, one an utterance, from who says what, and from sound and faces where the bundle reads them. A
/// dialogue of any length may be given: the window holds the last `Contract.utterances`. Not thread-safe.
public final class Conversation {
    /// Windows and the baselines of speakers.
    public let engine: DialogueEngine
    /// All estimates of this dialogue so far, in order.
    public private(set) var timeline: [UtteranceEstimate] = []
    private let encoders: [Modality: Graph]
//#if face
    private let detector: FaceDetector?
//#end

    /// Loads the graphs; see `Graph`. `trust` is as in `requireSigned`, and nil trusts any.
    public init(
        folder: URL, configuration: MLModelConfiguration = MLModelConfiguration(),
        trust: [String]? = nil@detector_parameter@
    ) throws {
        if let trust { try requireSigned(folder, trust: trust) }
        encoders = [
@encoder_graphs@
        ]
        let fusion = try Graph(Contract.fusion, in: folder, configuration: configuration)
        engine = DialogueEngine(fusion: fusion.run)
//#if face
        self.detector = detector
//#end
    }

    /// Takes one utterance, whole; gives its estimate. What is missing is nil; a text without a word is missing too.
    ///
    /// - Parameters:
    ///   - speaker: any name; nil where it is unknown, and counts as one person.
//#if face
    ///   - frames: with seconds since the utterance began, in order.
//#end
    @discardableResult
    public func push(
        @push_parameters@
    ) throws -> UtteranceEstimate {
        var features: UtteranceFeatures = [:]
//#if text
        if let text {
            let ids = textIDs(text)
            if ids.contains(where: { $0 != 0 }) { features[.text] = try encode(.text, [ids.map { Float($0) }]) }
        }
//#end
//#if audio
        if let sound {
            let heard = try chunks(sound)
            if !heard.isEmpty { features[.audio] = try encode(.audio, heard) }
        }
//#end
//#if face
        let seen = try crops(frames)
        if !seen.isEmpty { features[.face] = try encode(.face, seen) }
//#end
        let estimate = try engine.advance(features, speaker: speaker)
        let made = UtteranceEstimate(index: timeline.count, speaker: speaker, text: @said@, estimate: estimate)
        timeline.append(made)
        return made
    }

    /// Begin a new dialogue.
    public func reset() {
        engine.reset()
        timeline = []
    }

    func encode(_ modality: Modality, _ values: [[Float]]) throws -> [[Float]] {
        guard let graph = encoders[modality] else {
            throw SensorError.input("this bundle reads no \(modality.rawValue)")
        }
        return try values.map { try graph.run([$0])[0] }
    }
//#if audio

    private func chunks(_ sound: Sound) throws -> [[Float]] {
        let frontend = AudioFrontend()
        let steps = try frontend.push(sound.samples, sampleRate: sound.sampleRate, channels: sound.channels)
        return (steps + frontend.flush()).map(\.chunk)
    }
//#end
//#if face

    /// The face of each step of an utterance; steps without one are left out.
    private func crops(_ frames: [TimedFrame]) throws -> [[Float]] {
        if frames.isEmpty { return [] }
        guard let detector else {
            throw SensorError.input("frames need a face detector; open the conversation with one")
        }
        var last = 0.0
        for one in frames {
            guard one.time.isFinite, one.time >= last, one.time <= 1e11 else {
                throw SensorError.input("a frame at \(one.time) s came after one at \(last) s; give frames in order")
            }
            last = one.time
        }
        // An utterance shows its speaker, so each is watched anew.
        let watch = FaceTracks(detector)
        // With the slack of a microsecond in which streams are cut into steps.
        let steps = Dictionary(grouping: frames) { Int(($0.time + 1e-6) * 1000 / Double(Contract.stepMilliseconds)) }
        return try steps.keys.sorted().flatMap { try watch.look(steps[$0] ?? []).map(\.crop) }
    }
//#end
}
