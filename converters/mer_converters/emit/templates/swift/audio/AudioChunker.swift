// @generated@

/// Cuts mono sound at `Contract.sampleRate`, -1 to 1, into the chunk of each step: the last `Contract.chunkSamples`
/// samples before the step's end, with zeros before the stream. `AudioFrontend` brings any sound to that.
public struct AudioChunker {
    private let context = max(0, Contract.chunkSamples - Contract.stepSamples)
    private var buffer: [Float]
    private var made = 0

    public init() {
        buffer = Array(repeating: 0, count: max(0, Contract.chunkSamples - Contract.stepSamples))
    }

    /// Samples of the step that is not complete yet.
    public var pending: Int { buffer.count - context }

    /// Takes pieces of any size and gives the chunk of every step that they complete.
    public mutating func push(_ samples: [Float]) -> [[Float]] {
        buffer += samples
        var chunks: [[Float]] = []
        var first = 0
        while buffer.count - first >= context + Contract.stepSamples {
            let end = first + context + Contract.stepSamples
            chunks.append(Array(buffer[(end - Contract.chunkSamples)..<end]))
            first += Contract.stepSamples
        }
        buffer.removeFirst(first)
        made += chunks.count
        return chunks
    }

    /// The incomplete last step of a stream, where at least half of it is there or it is the only one.
    public mutating func flush() -> [Float]? {
        if pending == 0 || (2 * pending < Contract.stepSamples && made > 0) { return nil }
        return push(Array(repeating: 0, count: Contract.stepSamples - pending)).first
    }
}
