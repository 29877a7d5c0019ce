// @generated@
import Foundation

private let zeroCrossings = 16.0
private let rolloff = 0.945
private let kaiserBeta = 8.6
private let mostPhases = 640
private let rates = 1000...768_000

/// Throws `SensorError.input` for a sample rate outside 1000 to 768000 Hz.
func checkRate(_ rate: Int) throws {
    guard rates.contains(rate) else {
        throw SensorError.input("the sample rate is \(rate) Hz; allowed are 1000 to 768000")
    }
}

/// Sound of any sample rate at another one, in pieces of any size: a Kaiser-windowed sinc. Output sample k is at input
/// time k * source / target; pieces of any size give the samples of the whole recording.
public final class Resampler {
    private let up: Int
    private let down: Int
    private let half: Int
    private let phases: [[Float]]

    // Input samples from number `first` on; before the stream there is silence.
    private var buffer: [Float] = []
    private var first = 0
    private var received = 0
    private var sent = 0

    /// Throws `SensorError.input` for a sample rate outside 1000 to 768000 Hz.
    public init(from source: Int, to target: Int = Contract.sampleRate) throws {
        try checkRate(source)
        let (numerator, denominator) = ratio(source, target)
        down = numerator
        up = denominator
        let cutoff = rolloff * min(1, Double(denominator) / Double(numerator))
        let reach = Int((zeroCrossings / cutoff).rounded(.up))
        half = reach
        phases = numerator == denominator
            ? []
            : (0..<denominator).map { phase(Double($0) / Double(denominator), cutoff: cutoff, half: reach) }
        reset()
    }

    /// Begin a new stream.
    public func reset() {
        buffer = Array(repeating: 0, count: half - 1)
        first = 1 - half
        received = 0
        sent = 0
    }

    /// Takes mono samples, gives those that can be computed now.
    public func push(_ samples: [Float]) -> [Float] {
        received += samples.count
        if up == down { return samples }
        buffer += samples
        // Output k reads up to input k * down / up + half.
        return emit(until: ceilingQuotient((received - half) * up, down))
    }

    /// The samples still held back, with silence after the end; then the stream is over until `reset`.
    public func flush() -> [Float] {
        up == down ? [] : emit(until: ceilingQuotient(received * up, down))
    }

    private func emit(until end: Int) -> [Float] {
        if end <= sent { return [] }
        var made: [Float] = []
        made.reserveCapacity(end - sent)
        for number in sent..<end {
            let weights = phases[number * down % up]
            let start = number * down / up - (half - 1) - first
            var sum: Float = 0
            let taps = max(0, min(weights.count, buffer.count - start))
            for tap in 0..<taps { sum += weights[tap] * buffer[start + tap] }
            made.append(sum)
        }
        sent = end
        let done = min(max(0, sent * down / up - (half - 1) - first), buffer.count)
        buffer.removeFirst(done)
        first += done
        return made
    }
}

/// The filter of one phase; it sums to one, so that a constant stays that constant.
private func phase(_ place: Double, cutoff: Double, half: Int) -> [Float] {
    let weights = (0..<(2 * half)).map { tap -> Double in
        let distance = place - Double(tap - (half - 1))
        let share = distance / Double(half)
        return sinc(cutoff * distance) * bessel(kaiserBeta * max(0, 1 - share * share).squareRoot())
    }
    let sum = weights.reduce(0, +)
    return weights.map { Float($0 / sum) }
}

/// source / target in lowest terms; with over 640 phases the nearest ratio that has as many, which is 1 ppm away.
private func ratio(_ source: Int, _ target: Int) -> (Int, Int) {
    let shared = divisor(source, target)
    var (n, d) = (source / shared, target / shared)
    if d <= mostPhases { return (n, d) }
    // The convergents of the continued fraction, and the last one between two of them that is small enough.
    var (p0, q0, p1, q1) = (0, 1, 1, 0)
    while true {
        let whole = n / d
        if q0 + whole * q1 > mostPhases { break }
        (p0, q0, p1, q1) = (p1, q1, p0 + whole * p1, q0 + whole * q1)
        (n, d) = (d, n - whole * d)
    }
    let k = (mostPhases - q0) / q1
    let (p, q) = (p0 + k * p1, q0 + k * q1)
    let exact = Double(source) / Double(target)
    let gap = abs(Double(p1) / Double(q1) - exact)
    return gap <= abs(Double(p) / Double(q) - exact) ? (p1, q1) : (p, q)
}

private func divisor(_ a: Int, _ b: Int) -> Int { b == 0 ? a : divisor(b, a % b) }

/// a / b, rounded up, for any a and a positive b.
private func ceilingQuotient(_ a: Int, _ b: Int) -> Int { a > 0 ? (a + b - 1) / b : -(-a / b) }

private func sinc(_ x: Double) -> Double { x == 0 ? 1 : sin(Double.pi * x) / (Double.pi * x) }

/// The modified Bessel function of the first kind, order 0, by its series.
private func bessel(_ x: Double) -> Double {
    var (term, sum, k) = (1.0, 1.0, 1.0)
    while term > 1e-17 * sum {
        term *= x / (2 * k) * (x / (2 * k))
        sum += term
        k += 1
    }
    return sum
}
