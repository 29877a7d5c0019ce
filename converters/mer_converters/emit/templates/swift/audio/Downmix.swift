// @generated@
import Foundation

private let blockSeconds = 0.05
private let decay = pow(0.01, blockSeconds / 0.25)
// A channel that is this far below the loudest is left out, and counts again once it is less far below (power).
private let dead = pow(10, -2.6)
private let alivePower = pow(10, -1.4)
// The centre of a surround layout carries the voice unless it is this far below the loudest channel (power).
private let centrePower = 1e-4
// Channels cancel where their mean has less than this share of the power that unrelated channels would have.
private let cancels = 0.1
// The power of sound that moves by no more than a step and a half of 16 bits.
private let nothingPower = pow(1.5 / 32768, 2) / 2
private let bass: Set<String> = ["LFE", "LFE2"]

/// Several channels to one, in pieces; pieces of any size give the same samples.
///
/// The mean of all channels, as a rule. Where the names say which channel is the centre, it is heard alone unless it is
/// silent. A channel that is silent, or over 26 dB below the loudest, is left out. Where the channels cancel one
/// another, as with a swapped wire, the loudest is heard alone.
public final class Downmix {
    public let channels: Int
    /// The names, such as "FL", "FR", "FC", "LFE"; empty where they do not fit the number of channels.
    public let names: [String]

    private let size: Int
    private let candidates: [Int]
    private let centre: Int?
    private var power: [[Double]]
    private var alive: Set<Int> = []
    private var heard: [Int]
    private var decided = false
    private var left: [Float] = []

    public init(channels: Int, rate: Int, names: [String] = []) {
        let known = names.count == channels ? names : []
        let found = (0..<channels).filter { known.isEmpty || !bass.contains(known[$0]) }
        self.channels = channels
        self.names = known
        size = max(1, Int((Double(rate) * blockSeconds).rounded(.toNearestOrEven)))
        candidates = found.isEmpty ? Array(0..<channels) : found
        heard = candidates
        centre = channels > 2 ? known.firstIndex(of: "FC") : nil
        power = Array(repeating: Array(repeating: 0, count: channels), count: channels)
    }

    /// Takes interleaved samples, gives mono ones of the blocks that are complete.
    public func push(_ samples: [Float]) -> [Float] {
        let given = left + samples
        let whole = given.count / channels / size * size
        left = Array(given[(whole * channels)...])
        return mixed(given, count: whole)
    }

    /// The samples still held back.
    public func flush() -> [Float] {
        let rest = left
        left = []
        return mixed(rest, count: rest.count / channels)
    }

    private func mixed(_ pcm: [Float], count: Int) -> [Float] {
        var result: [Float] = []
        result.reserveCapacity(count)
        let block = min(size, count)
        var start = 0
        while start < count {
            let (before, knew) = (heard, decided)
            decide(pcm, start, block)
            // Over one block, so that a change of the choice is no click.
            let ramp = knew && heard != before
            for index in start..<(start + block) {
                let now = mix(pcm, index, heard)
                let share = Float(index - start + 1) / Float(block)
                result.append(ramp ? share * now + (1 - share) * mix(pcm, index, before) : now)
            }
            start += block
        }
        return result
    }

    private func mix(_ pcm: [Float], _ index: Int, _ places: [Int]) -> Float {
        let share = 1 / Float(places.count)
        return places.reduce(0) { $0 + pcm[index * channels + $1] * share }
    }

    /// Which channels are heard from this block on.
    private func decide(_ pcm: [Float], _ start: Int, _ block: Int) {
        addPower(pcm, start, block)
        let loud = (0..<channels).map { power[$0][$0] }
        let most = candidates.map { loud[$0] }.max() ?? 0
        if most <= nothingPower { return }  // nothing to choose by: what was chosen stays
        var chosen = candidates.filter { loud[$0] >= (alive.contains($0) ? dead : alivePower) * most }
        alive = Set(chosen)
        if let centre, loud[centre] > max(centrePower * most, nothingPower) {
            chosen = [centre]
        } else if chosen.count > 1 {
            let sum = chosen.reduce(0) { total, row in total + chosen.reduce(0) { $0 + power[row][$1] } }
            let unrelated = chosen.reduce(0) { $0 + loud[$1] }
            let loudest = candidates.max { loud[$0] < loud[$1] }
            if let loudest, sum < cancels * unrelated { chosen = [loudest] }
        }
        heard = chosen
        decided = true
    }

    private func addPower(_ pcm: [Float], _ start: Int, _ block: Int) {
        let places = start..<(start + block)
        let means = (0..<channels).map { channel -> Float in
            Float(places.reduce(0.0) { $0 + Double(pcm[$1 * channels + channel]) } / Double(block))
        }
        for a in 0..<channels {
            for b in 0...a {
                var sum = 0.0
                for index in places {
                    sum += Double(pcm[index * channels + a] - means[a]) * Double(pcm[index * channels + b] - means[b])
                }
                power[a][b] = power[a][b] * decay + sum / Double(block)
                power[b][a] = power[a][b]
            }
        }
    }
}

/// Sound of any layout to one channel, in pieces; the layout may change on the way.
public final class MonoMix {
    private let rate: Int
    private var mix: Downmix?

    public init(rate: Int) {
        self.rate = rate
    }

    /// Takes interleaved samples, gives mono ones as far as the choice of channels is made.
    public func push(_ samples: [Float], channels: Int = 1, names: [String] = []) -> [Float] {
        var rest: [Float] = []
        if let before = mix, before.channels != channels || (!names.isEmpty && before.names != names) {
            rest = before.flush()
            mix = nil
        }
        if channels == 1 { return rest + samples }
        let mixing = mix ?? Downmix(channels: channels, rate: rate, names: names)
        mix = mixing
        return rest + mixing.push(samples)
    }

    /// The samples still held back.
    public func flush() -> [Float] { mix?.flush() ?? [] }
}
