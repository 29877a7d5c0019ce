// @generated@

/// What voice activity hears: mono sound of so many Hz, in pieces of so many samples (32 ms).
public let voiceRate = 16_000
public let pieceSamples = 512

/// What tells speech from other sound, piece by piece, such as Silero VAD; its state goes from piece to piece.
public protocol SpeechModel: AnyObject {
    /// Begin a new stream.
    func reset()
    /// The probability of speech, 0 to 1, in the next `pieceSamples` samples at `voiceRate`.
    func probability(_ piece: [Float]) -> Double
}

/// When somebody counts as speaking.
public struct VoiceOptions {
    /// A piece is voiced from this probability on, above 0 to 1.
    public var threshold: Double
    /// Seconds for which speech holds on after the last voiced piece. From the beginning of a stream so long it is open
    /// whether somebody speaks: what is heard then counts once a piece is voiced.
    public var hangover: Double
    /// An utterance is over, for the window, once nobody was voiced for so many seconds: what is said next is seen
    /// without what was said before. nil lets the window slide over all of it.
    public var pause: Double?
    /// Seconds before an utterance's first voiced piece that the window still holds of it.
    public var lead: Double

    public init(threshold: Double = 0.5, hangover: Double = 2, pause: Double? = 0.75, lead: Double = 0.5) {
        precondition(threshold > 0 && threshold <= 1, "the threshold is \(threshold); allowed is above 0 to 1")
        precondition(hangover.isFinite && hangover >= 0, "the hangover is \(hangover) s; allowed is 0 or more")
        if let pause {
            precondition(pause.isFinite && pause > 0, "the pause is \(pause) s; allowed is more than 0, or nil")
        }
        precondition(lead.isFinite && lead >= 0, "the lead is \(lead) s; allowed is 0 or more")
        self.threshold = threshold
        self.hangover = hangover
        self.pause = pause
        self.lead = lead
    }
}

/// Hears whether somebody speaks, in consecutive mono sound at `voiceRate` of any lengths.
///
/// What was not recorded is told by `gap`, not given as zeros: the piece that had begun is thrown away, the model
/// begins anew, and the hangover runs on.
public final class VoiceActivity {
    public let options: VoiceOptions
    private let model: SpeechModel
    private let hold: Int
    private let pause: Int?
    private let lead: Int
    private var left: [Float] = []
    private var position = 0
    private var heldUntil = 0
    // Where the present utterance, or the pause after it, begins; and where the last voiced piece ended.
    private var utterance = 0
    private var lastVoiced: Int?

    /// The highest probability of speech of the pieces that ended in what was given last; 0 where none ended.
    public private(set) var probability = 0.0
    /// Whether the stream is no older than the hangover and no piece of it was voiced.
    public private(set) var undecided: Bool
    /// Samples up to now that belong to the present utterance, or to the pause that goes on; what is older is of
    /// another utterance. Without `VoiceOptions.pause` all that was heard so far.
    public var fresh: Int { position - utterance }

    public init(_ model: SpeechModel, options: VoiceOptions = VoiceOptions()) {
        self.model = model
        self.options = options
        hold = voiceSamples(options.hangover)
        pause = options.pause.map(voiceSamples)
        lead = voiceSamples(options.lead)
        undecided = hold > 0
        model.reset()
    }

    /// Begin a new stream.
    public func reset() {
        probability = 0
        undecided = hold > 0
        left = []
        model.reset()
        position = 0
        heldUntil = 0
        utterance = 0
        lastVoiced = nil
    }

    /// The probability of speech of each piece that these samples complete.
    @discardableResult
    public func pieces(_ samples: [Float]) -> [Double] {
        // Where the first of these pieces ends, counted from the start of the stream.
        let first = position - left.count + pieceSamples
        left += samples
        let found = (0..<(left.count / pieceSamples)).map { number in
            model.probability(Array(left[(number * pieceSamples)..<((number + 1) * pieceSamples)]))
        }
        left.removeFirst(found.count * pieceSamples)
        position += samples.count
        probability = found.max() ?? 0
        let voiced = found.lastIndex { $0 >= options.threshold }
        for (number, one) in found.enumerated() {
            follow(first + number * pieceSamples, voiced: one >= options.threshold)
        }
        undecided = undecided && voiced == nil && position < hold
        if let voiced { heldUntil = first + voiced * pieceSamples + hold }
        return found
    }

    /// Takes the samples of one step, without the context before them; says whether its sound counts as speech.
    public func step(_ samples: [Float]) -> Bool {
        let begin = position
        pieces(samples)
        return heldUntil > begin
    }

    /// So many samples are missing, as in a step without sound.
    public func gap(_ samples: Int) {
        probability = 0
        position += samples
        undecided = undecided && position < hold
        left = []
        model.reset()
        follow(position, voiced: false)
    }

    /// What a piece, or a gap, that ends at this sample says of utterances.
    private func follow(_ end: Int, voiced: Bool) {
        guard let pause else { return }
        if voiced {
            let begin = end - pieceSamples
            if lastVoiced.map({ begin - $0 >= pause }) ?? true { utterance = max(utterance, begin - lead) }
            lastVoiced = end
        } else if let lastVoiced, end - lastVoiced >= pause {
            utterance = max(utterance, lastVoiced)
        }
    }
}

private func voiceSamples(_ seconds: Double) -> Int { Int((seconds * Double(voiceRate)).rounded(.toNearestOrEven)) }
