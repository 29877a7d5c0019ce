// @generated@
import CryptoKit
import Foundation

private let version = 2
// No feature is larger: half precision ends here. And no stream has more steps than this.
private let largestFeature = 65504.0
private let mostSteps = 1_000_000_000_000_000
private let again = "enrol again, and keep one profile per model: features of two models cannot be mixed"

/// The personal baseline: running means of one person's features, from the population's, which count as
/// `Contract.priorSteps` steps, to their own. It holds sums and counts, no sound and no picture.
///
/// `json` is what an app stores, for this bundle only; every language of mer-edge reads it.
public struct PersonalBaseline {
    private struct Profile: Codable {
        var sum: [Double]
        var steps: Int
    }

    private struct Saved: Codable {
        let merBaseline: Int
        let encoders: String
        let modalities: [String: Profile]

        enum CodingKeys: String, CodingKey {
            case merBaseline = "mer_baseline"
            case encoders, modalities
        }
    }

    private var profiles: [Modality: Profile] = [:]
    private var share = 0.0

    public init() {
        reset()
    }

    /// A baseline that `json` or `mer run --save-baseline` wrote. Throws `SensorError.input` where it is none, is
    /// damaged, or was made with another model.
    public init(json: Data) throws {
        self.init()
        guard let saved = try? JSONDecoder().decode(Saved.self, from: json), saved.merBaseline >= 1 else {
            throw SensorError.input("this is not a personal baseline, or a damaged one; \(again)")
        }
        guard saved.merBaseline <= version else {
            throw SensorError.input("this is a personal baseline of a later version; \(again)")
        }
        guard saved.encoders == Self.encoders else {
            throw SensorError.input("the baseline belongs to the encoders of another model; \(again)")
        }
        for modality in profiles.keys {
            guard
                let profile = saved.modalities[modality.rawValue], (0..<mostSteps).contains(profile.steps),
                profile.sum.count == modality.features,
                profile.sum.allSatisfy({ abs($0) <= largestFeature * Double(profile.steps) })
            else {
                throw SensorError.input("this is a damaged personal baseline; \(again)")
            }
            profiles[modality] = profile
        }
    }

    /// Modality -> steps that were taken in; all 0 where it is cold.
    public var steps: [Modality: Int] { profiles.mapValues(\.steps) }

    /// What to subtract from a modality's features.
    public func mean(_ modality: Modality) -> [Float] {
        guard let population = modality.populationMean, let profile = profiles[modality] else {
            return Array(repeating: 0, count: modality.features)
        }
        let weight = Contract.priorSteps + Double(profile.steps)
        return zip(population, profile.sum).map { Float((Contract.priorSteps * $0 + $1) / weight) }
    }

    /// Says how likely the latest estimate finds the person neutral, 0-1: steps that are observed from now on get as
    /// much of the modality's `neutralOffset` as that is above (or below) `Contract.neutralPrior`: all of it at 1, none
    /// at the prior. A probability that is not finite changes nothing.
    public mutating func expectNeutral(_ probability: Double) {
        let prior = Contract.neutralPrior
        if prior > 0, probability.isFinite { share = (probability - prior) / (1 - prior) }
    }

    /// Takes one step's features in; those that are not finite, and modalities without a baseline, are left out.
    public mutating func observe(_ modality: Modality, _ features: [Float]) {
        take(modality, features, share)
    }

    /// `observe` for a step of an enrolment, in which the person is at rest: all of the `neutralOffset` is added.
    public mutating func observeNeutral(_ modality: Modality, _ features: [Float]) {
        take(modality, features, 1)
    }

    private mutating func take(_ modality: Modality, _ features: [Float], _ share: Double) {
        guard var profile = profiles[modality], features.allSatisfy(\.isFinite) else { return }
        let offset = modality.neutralOffset
        for (index, value) in features.enumerated() {
            profile.sum[index] += Double(value) + share * (offset?[index] ?? 0)
        }
        profile.steps += 1
        profiles[modality] = profile
    }

    /// Forgets the person: back to the population's means.
    public mutating func reset() {
        share = 0
        for modality in Modality.allCases where modality.populationMean != nil {
            profiles[modality] = Profile(sum: Array(repeating: 0, count: modality.features), steps: 0)
        }
    }

    /// Sums and counts.
    public var json: Data {
        get throws {
            let named = profiles.map { ($0.key.rawValue, $0.value) }
            let modalities = Dictionary(uniqueKeysWithValues: named)
            return try JSONEncoder().encode(
                Saved(merBaseline: version, encoders: Self.encoders, modalities: modalities))
        }
    }

    /// Which encoders the features come from: a hash of the population's means, which every training changes.
    private static let encoders: String = {
        var digest = SHA256()
        for modality in Modality.allCases.sorted(by: { $0.rawValue < $1.rawValue }) {
            guard let mean = modality.populationMean else { continue }
            digest.update(data: Data(modality.rawValue.utf8) + [0])
            for value in mean {
                withUnsafeBytes(of: Float(value).bitPattern.littleEndian) { digest.update(bufferPointer: $0) }
            }
        }
        let text = digest.finalize().map { String(format: "%02x", $0) }.joined()
        return String(text.prefix(16))
    }()
}
