// @generated@

/// A person's running mean of one modality's features. It holds sums and a count, no sound and no picture; the app may
/// store it and put it back, for this bundle only.
public struct Profile: Codable, Equatable, Sendable {
    public var sum: [Double]
    public var steps: Int
}

/// The features of the last `Contract.windowSteps` steps with their masks, less the personal baseline.
///
/// A step is taken into the baseline once it has left the window, so that a window is never judged against itself.
public struct StepWindow {
    private struct Row {
        var features: [Float]
        var due: Bool
    }

    /// The baseline: store it, put it back, or reset it as the app wants.
    public var profiles: [Modality: Profile] = [:]

    // Nil where the step lacks the modality; the newest is the last.
    private var held: [Modality: [Row?]] = [:]
    private var enrolling = 0

    public init() {
        for modality in Modality.allCases {
            profiles[modality] = Self.cold(modality)
            held[modality] = Array(repeating: nil, count: Contract.windowSteps)
        }
    }

    /// Takes one step; a modality that is missing is not in the dictionary.
    public mutating func push(_ features: [Modality: [Float]]) {
        let early = enrolling > 0 && !features.isEmpty
        if early { enrolling -= 1 }
        for modality in Modality.allCases {
            var rows = held[modality, default: []]
            if let oldest = rows.removeFirst(), oldest.due { observe(modality, oldest.features) }
            if let values = features[modality] {
                rows.append(Row(features: values, due: !early))
                if early { observe(modality, values) }
            } else {
                rows.append(nil)
            }
            held[modality] = rows
        }
    }

    /// Takes what is left in the window into the baseline and empties the window.
    public mutating func finish() {
        for modality in Modality.allCases {
            for case let row? in held[modality, default: []] where row.due { observe(modality, row.features) }
            held[modality] = Array(repeating: nil, count: Contract.windowSteps)
        }
    }

    /// Begins the baseline anew with the next steps that hold anything, which are taken in at once. They should be
    /// neutral ones; what is in the window now is not taken in.
    public mutating func enrol(steps: Int) {
        for modality in Modality.allCases {
            profiles[modality] = Self.cold(modality)
            for index in held[modality, default: []].indices { held[modality]?[index]?.due = false }
        }
        enrolling = steps
    }

    /// What to subtract from a modality's features.
    public func mean(_ modality: Modality) -> [Float] {
        let profile = profiles[modality] ?? Self.cold(modality)
        let weight = Contract.priorSteps + Double(profile.steps)
        return zip(modality.populationMean, profile.sum).map { Float((Contract.priorSteps * $0 + $1) / weight) }
    }

    /// Rows of the window, newest last, less the baseline: windowSteps x features values, 0 where missing.
    public func rows(_ modality: Modality) -> [Float] {
        let baseline = mean(modality)
        var result: [Float] = []
        result.reserveCapacity(Contract.windowSteps * baseline.count)
        for row in held[modality, default: []] {
            for index in baseline.indices {
                result.append(row.map { $0.features[index] - baseline[index] } ?? 0)
            }
        }
        return result
    }

    /// 1 where the window holds the modality, 0 where not: windowSteps values.
    public func mask(_ modality: Modality) -> [Float] {
        held[modality, default: []].map { $0 == nil ? 0 : 1 }
    }

    private mutating func observe(_ modality: Modality, _ features: [Float]) {
        guard features.allSatisfy(\.isFinite) else { return }
        var profile = profiles[modality] ?? Self.cold(modality)
        for (index, value) in features.enumerated() { profile.sum[index] += Double(value) }
        profile.steps += 1
        profiles[modality] = profile
    }

    private static func cold(_ modality: Modality) -> Profile {
        Profile(sum: Array(repeating: 0, count: modality.features), steps: 0)
    }
}
