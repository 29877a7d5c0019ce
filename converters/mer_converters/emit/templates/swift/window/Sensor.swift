// @generated@
import CoreML
import Foundation

/// One person's emotion, step by step, from chunks and crops; `EmotionSession` makes these from a microphone and a
/// camera, and follows several persons. Not thread-safe.
public final class Sensor {
    /// Windows and personal baselines.
    public let engine: StepEngine

//#if audio
    private let audio: Graph
//#end
//#if face
    private let face: Graph
//#end

    /// - Parameters:
    ///   - folder: the bundle's folder, or one with its compiled models, such as `Bundle.main.resourceURL`.
    ///   - configuration: which compute units Core ML may use; all of them where nothing is given.
    ///   - trust: public keys, "ed25519:BASE64", of which one must have signed the bundle; nil trusts any. Throws
    ///     `SensorError.untrusted` where none did, see `requireSigned`.
    public init(
        folder: URL, configuration: MLModelConfiguration = MLModelConfiguration(), trust: [String]? = nil
    ) throws {
        if let trust { try requireSigned(folder, trust: trust) }
//#if audio
        audio = try Graph(Contract.audio, in: folder, configuration: configuration)
//#end
//#if face
        face = try Graph(Contract.face, in: folder, configuration: configuration)
//#end
        let fusion = try Graph(Contract.fusion, in: folder, configuration: configuration)
        engine = StepEngine(fusion: fusion.run)
    }

    /// One step: every `Contract.stepMilliseconds`, whether anything is there or not. Nil is a missing modality, never
    /// zeros. Throws `SensorError.input` for another number of values than the contract says.
    public func step(@step_parameters@) throws -> Estimate {
        try engine.advance(encode(@step_arguments@))
    }

    /// Features of one step; see `step`. Nothing is remembered.
    public func encode(@step_parameters@) throws -> [Modality: [Float]] {
        var features: [Modality: [Float]] = [:]
//#if audio
        if let chunk { features[.audio] = try audio.run([chunk])[0] }
//#end
//#if face
        if let crop { features[.face] = try face.run([crop])[0] }
//#end
        return features
    }

    /// The stream has ended: what is in the window goes into the baseline, and the window is empty.
    public func finish() {
        engine.finish()
    }

    /// Begin anew with an empty window and the given baseline, or a cold one.
    public func reset(baseline: PersonalBaseline? = nil) {
        engine.reset(baseline: baseline)
    }
}
