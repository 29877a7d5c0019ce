// @generated@

/// Where an utterance begins and ends; all times in seconds.
public struct UtteranceOptions {
    /// Its hangover is the pause that ends an utterance.
    public var voice = VoiceOptions(hangover: 0.7)
    /// An utterance whose voiced part is shorter is left out and counted.
    public var minimum = 0.25
    /// An utterance that goes on for longer is cut after its last voiced piece.
    public var longest = 15.0
    /// Sound kept before the first voiced piece.
    public var preRoll = 0.2

    public init() {}
}

/// An utterance's place, in samples at `voiceRate` from the beginning of the sound, and its samples.
public struct Cut {
    public let begin: Int
    public let end: Int
    public let samples: [Float]
}

/// Takes consecutive mono sound at `voiceRate` in pieces of any length, gives utterances as soon as they are over. What
/// comes out depends on the sound alone, not on how it was pushed.
public final class UtteranceCutter {
    public let options: UtteranceOptions
    private let voice: VoiceActivity
    private let minimum: Int
    private let longest: Int
    private let preRoll: Int
    private let hold: Int
    // Samples from `soundBegin` on that an utterance may still want.
    private var sound: [Float] = []
    private var soundBegin = 0
    // Where the pieces heard so far end, and where the last utterance ended.
    private var heard = 0
    private var floor = 0
    // Of the utterance that has begun: its beginning, its first voiced piece's, and its last voiced piece's end.
    private var start = 0
    private var last = 0
    private var first: Int?

    /// Utterances left out so far as they were shorter than the minimum.
    public private(set) var short = 0

    public init(_ model: SpeechModel, options: UtteranceOptions = UtteranceOptions()) {
        precondition(options.minimum >= 0 && options.preRoll >= 0, "minimum and preRoll are 0 or more")
        let least = options.minimum + options.preRoll + Double(pieceSamples) / Double(voiceRate)
        precondition(
            options.longest.isFinite && options.longest >= least,
            "longest is \(options.longest) s; with this minimum and preRoll it is finite and at least \(least) s")
        func samples(_ seconds: Double) -> Int { Int((seconds * Double(voiceRate)).rounded(.toNearestOrEven)) }
        self.options = options
        voice = VoiceActivity(model, options: options.voice)
        minimum = samples(options.minimum)
        longest = samples(options.longest)
        preRoll = samples(options.preRoll)
        hold = samples(options.voice.hangover)
    }

    /// Whether an utterance has begun and is not over.
    public var isSpeaking: Bool { first != nil }

    /// Takes samples; gives the utterances that they end.
    public func push(_ samples: [Float]) -> [Cut] {
        let probabilities = voice.pieces(samples)
        sound += samples
        let cuts = probabilities.flatMap { piece($0 >= options.voice.threshold) }
        let wanted = isSpeaking ? start : max(floor, heard - preRoll)
        let done = max(0, wanted - soundBegin)
        sound.removeFirst(done)
        soundBegin += done
        return cuts
    }

    /// The sound ends here: the utterance that had begun, if any. What is pushed next is another sound, from 0.
    public func end() -> [Cut] {
        let cuts = close()
        voice.reset()
        sound = []
        (soundBegin, heard, floor, start, last) = (0, 0, 0, 0, 0)
        return cuts
    }

    private func piece(_ voiced: Bool) -> [Cut] {
        let begin = heard
        heard = begin + pieceSamples
        if !voiced { return heard - last >= hold ? close() : [] }
        let cuts = isSpeaking && heard - start > longest ? close() : []
        if !isSpeaking {
            first = begin
            start = max(floor, begin - preRoll)
        }
        last = heard
        return cuts
    }

    private func close() -> [Cut] {
        guard let begin = first else { return [] }
        first = nil
        floor = last
        guard last - begin >= minimum else {
            short += 1
            return []
        }
        let part = Array(sound[(start - soundBegin)..<(last - soundBegin)])
        return [Cut(begin: start, end: last, samples: part)]
    }
}
