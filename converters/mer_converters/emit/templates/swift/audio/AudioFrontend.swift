// @generated@
import Foundation

// Sound is silent where it moves by no more than a step and a half of 16 bits up or down: digital zeros, a muted track,
// a dead microphone. It is missing once it has been silent for so long, seconds, and before it first moves.
private let stillSpan: Float = 3.0 / 32768.0
private let stillSeconds = 1.0
// Stamps of sound jitter by some milliseconds; only a larger difference is a gap or an overlap, seconds.
private let gapSeconds = 0.05
private let loudest: Float = 8

/// The sound of one step. `covered` says whether it counts: at least half of it was recorded, and it is no silence.
public struct AudioStep {
    public let chunk: [Float]
    public let covered: Bool
}

/// Sound of any sample rate and layout, with time stamps, in pieces of any size, to the chunk of each step.
///
/// Pieces of any size give the same chunks as the whole recording at once.
public final class AudioFrontend {
    private struct Input {
        let rate: Int
        let resampler: Resampler
        let mix: MonoMix
        var motion: Motion
    }

    private var chunker = AudioChunker()
    private var input: Input?
    private var taken = 0
    private var made = 0
    private var gaps: [(start: Double, stop: Double)] = []
    private var ended = false

    /// Steps that were recorded and are not covered, as they are silent.
    public private(set) var stillSteps = 0

    public init() {}

    /// Seconds of the stream that have been taken in.
    public var time: Double { input.map { Double(taken) / Double($0.rate) } ?? 0 }

    /// Takes sound, gives the steps that it completes.
    ///
    /// - Parameters:
    ///   - samples: interleaved, -1 to 1; a little over is clipped.
    ///   - sampleRate: Hz, the same for the whole stream.
    ///   - time: seconds from the stream's start to the first sample; nil continues where the last piece ended.
    ///   - names: of the channels; see `Downmix`.
    /// - Throws: `SensorError.input` for values that are no sound, a changed rate, or a time that was given already.
    public func push(
        _ samples: [Float], sampleRate: Int, time: Double? = nil, channels: Int = 1, names: [String] = []
    ) throws -> [AudioStep] {
        guard (1...64).contains(channels), samples.count % channels == 0 else {
            throw SensorError.input("\(samples.count) samples are no whole number of \(channels) channels (1 to 64)")
        }
        var sound = try clipped(samples)
        if input == nil { try begin(sampleRate) }
        guard let known = input, known.rate == sampleRate else {
            throw SensorError.input("the sample rate changed to \(sampleRate) Hz; begin a new front end")
        }
        var steps: [AudioStep] = []
        let missing = time.map { Int((($0 - self.time) * Double(sampleRate)).rounded(.toNearestOrEven)) } ?? 0
        if missing < 0, taken == 0 {
            // Samples before the stream's start are left out, so that sound begins at 0 in any pieces.
            sound.removeFirst(min(sound.count, -missing * channels))
        } else if let time, abs(time - self.time) > gapSeconds {
            guard missing >= 0 else {
                throw SensorError.input("audio for \(time) s came after \(self.time) s was given; push it in order")
            }
            gaps.append((self.time, time))
            taken += missing
            steps += advance(known.mix.flush() + [Float](repeating: 0, count: missing))
        }
        taken += sound.count / channels
        return steps + advance(known.mix.push(sound, channels: channels, names: names))
    }

    /// Ends the stream: the steps still held back. An incomplete last one counts where at least half of it is there.
    public func flush() -> [AudioStep] {
        guard let input, !ended else { return [] }
        ended = true
        var steps = advance(input.mix.flush())
        steps += cut(input.resampler.flush())
        let pending = chunker.pending
        if pending > 0 && (2 * pending >= Contract.stepSamples || made == 0) {
            let counts = isCovered(pending)
            if let chunk = chunker.flush() { steps.append(AudioStep(chunk: chunk, covered: counts)) }
        }
        return steps
    }

    private func begin(_ rate: Int) throws {
        let step = Double(rate * Contract.stepMilliseconds) / 1000
        let resampler = try Resampler(from: rate)
        input = Input(rate: rate, resampler: resampler, mix: MonoMix(rate: rate), motion: Motion(step: step))
    }

    private func advance(_ mono: [Float]) -> [AudioStep] {
        input?.motion.take(mono)
        return cut(input?.resampler.push(mono) ?? [])
    }

    private func cut(_ samples: [Float]) -> [AudioStep] {
        chunker.push(samples).map { AudioStep(chunk: $0, covered: isCovered(Contract.stepSamples)) }
    }

    private func isCovered(_ samples: Int) -> Bool {
        let begin = Double(made * Contract.stepSamples) / Double(Contract.sampleRate)
        let end = begin + Double(samples) / Double(Contract.sampleRate)
        let still = (input?.motion.still(made) ?? 0) * Double(Contract.stepMilliseconds) / 1000
        made += 1
        let missing = gaps.reduce(0) { $0 + max(0, min(end, $1.stop) - max(begin, $1.start)) }
        gaps.removeAll { $0.stop <= end }
        let recorded = missing <= 0.5 * (end - begin)
        let silent = still >= stillSeconds
        if recorded && silent { stillSteps += 1 }
        return recorded && !silent
    }
}

/// For how many steps in a row a sound has been silent; a step has `step` samples, which need not be whole.
private struct Motion {
    let step: Double
    private var taken = 0
    // Step -> lowest and highest sample, of the steps that were not asked about yet.
    private var spans: [Int: (low: Float, high: Float)] = [:]
    // Before it first moves, a sound has been silent for ever.
    private var stillFor = Double.infinity

    init(step: Double) {
        self.step = step
    }

    mutating func take(_ mono: [Float]) {
        for value in mono {
            let number = Int(((Double(taken) + 0.5) / step).rounded(.down))
            let span = spans[number] ?? (value, value)
            spans[number] = (min(span.low, value), max(span.high, value))
            taken += 1
        }
    }

    /// How many steps in a row have been silent, with this one; each is asked about once, in order.
    mutating func still(_ number: Int) -> Double {
        let span = spans.removeValue(forKey: number) ?? (0, 0)
        stillFor = span.high - span.low <= stillSpan ? stillFor + 1 : 0
        return stillFor
    }
}

/// Throws `SensorError.input` for a rate, a number of channels or values that are no sound.
func checkSound(_ samples: [Float], sampleRate: Int, channels: Int) throws {
    try checkRate(sampleRate)
    guard (1...64).contains(channels), samples.count % channels == 0 else {
        throw SensorError.input("\(samples.count) samples are no whole number of \(channels) channels (1 to 64)")
    }
    _ = try clipped(samples)
}

private func clipped(_ samples: [Float]) throws -> [Float] {
    for (index, value) in samples.enumerated() {
        guard value.isFinite else {
            throw SensorError.input("sample \(index) is not a finite number; check the source, or replace it by 0")
        }
        guard abs(value) <= loudest else {
            throw SensorError.input("sound must lie in -1 to 1, found \(value); divide 16-bit samples by 32768")
        }
    }
    return samples.map { min(1, max(-1, $0)) }
}
