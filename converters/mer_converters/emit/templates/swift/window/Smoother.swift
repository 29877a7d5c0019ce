// @generated@
import Foundation

// A person who was away for longer begins anew.
private let forgetSeconds = 60.0

/// How steady the output is; the defaults change nothing.
public struct Smoothing {
    /// Time constant of the exponential mean over the probabilities; 0 leaves them as they are.
    public var seconds: Double
    /// By how much a new label's probability must lead the present one's before it changes, 0 to below 1.
    public var margin: Double

    public init(seconds: Double = 0, margin: Double = 0) {
        precondition(seconds.isFinite && seconds >= 0, "the time constant is \(seconds) s; allowed is 0 (off) or more")
        precondition(margin >= 0 && margin < 1, "the margin is \(margin); allowed is 0 (off) to below 1")
        self.seconds = seconds
        self.margin = margin
    }
}

/// Smooths the timeline of one stream, each person's by itself. The mean weighs by time: over a gap of g seconds the
/// earlier mean keeps the share exp(-g / seconds). Whoever is seen first takes over the timeline heard before.
public final class Smoother {
    private struct Timeline {
        var probabilities: [Double]
        var label: Int
        var time: Double
    }

    public let options: Smoothing
    private var timelines: [Int: Timeline] = [:]
    private var person: Int?

    public init(_ options: Smoothing = Smoothing()) {
        self.options = options
    }

    /// Begin a new stream.
    public func reset() {
        timelines = [:]
        person = nil
    }

    /// Takes one step: smoothed probabilities, and the index of the label that holds.
    ///
    /// - Parameters:
    ///   - time: seconds, after the last step's.
    ///   - person: whose face it is; nil where no face was seen, which goes on with the same person.
    public func update(_ given: [Double], at time: Double, person who: Int? = nil) -> (shares: [Double], label: Int) {
        guard var timeline = running(of: who, at: time) else {
            let label = likeliest(given)
            timelines = timelines.filter { time - $0.value.time <= forgetSeconds }
            timelines[person ?? 0] = Timeline(probabilities: given, label: label, time: time)
            return (given, label)
        }
        var current = given
        if options.seconds > 0 {
            let keep = exp(-max(0, time - timeline.time) / options.seconds)
            current = zip(timeline.probabilities, given).map { keep * $0 + (1 - keep) * $1 }
        }
        let best = likeliest(current)
        if best != timeline.label && current[best] - current[timeline.label] >= options.margin { timeline.label = best }
        timeline.probabilities = current
        timeline.time = time
        timelines[person ?? 0] = timeline
        return (current, timeline.label)
    }

    /// The window held nothing: the present person's timeline ends, and the next step begins it anew.
    public func forget() {
        timelines[person ?? 0] = nil
    }

    private func running(of who: Int?, at time: Double) -> Timeline? {
        if let who, who != person {
            if person == nil, let before = timelines[0] { timelines = [who: before] }
            person = who
        }
        guard let found = timelines[person ?? 0], time - found.time <= forgetSeconds else { return nil }
        return found
    }
}

private func likeliest(_ shares: [Double]) -> Int {
    var best = 0
    for index in shares.indices where shares[index] > shares[best] { best = index }
    return best
}

/// The estimate of one step, smoothed; `person` is whose face was seen, nil where none was.
func smoothed(_ estimate: Estimate, _ smoother: Smoother, at time: Double, person: Int?) -> Estimate {
    guard estimate.holdsAnything else {
        smoother.forget()
        return estimate
    }
    let raw = Emotion.allCases.map { estimate.probabilities[$0] ?? 0 }
    let held = smoother.update(raw, at: time, person: person)
    var said = say(held.shares, present: estimate.present, logits: estimate.logits, label: held.label)
    said.reliance = estimate.reliance
    return said
}
