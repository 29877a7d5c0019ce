// @generated@

// A stream that lags by more than this is taken as missing, so that a camera that stops does not stop the sound.
let patienceSeconds = 2.0

/// What is said of one step.
public struct StepEstimate {
    /// Of the step's end, seconds since the stream began.
    public let time: Double
    /// With the sound, of the person whose face comes first.
    public let estimate: Estimate
    /// Of this step's window alone, before smoothing.
    public let raw: Estimate
//#if face
    /// Of this step, nil where there was none.
    public let face: FaceView?
//#end
    /// Whether somebody spoke; nil where voice activity is off or there is no sound.
    public let speech: Bool?
    /// What the faces of further persons say, by themselves and without the sound.
    public let others: [StepEstimate]
    /// Seconds of sound or face that an enrolment still wants after this step.
    public let enrolling: Double
}

/// How a session hears and sees.
public struct SessionOptions {
    /// How steady the output is.
    public var smoothing = Smoothing()
    /// A saved baseline to begin each stream with; nil begins cold.
    public var baseline: PersonalBaseline?
//#if face
    /// How faces are followed, and how many.
    public var faces = FaceOptions()
//#end
//#if audio
    /// Steps without speech count as steps without sound; needs a `SpeechModel`.
    public var voice: VoiceOptions?
//#end

    public init() {}
}

/// Emotion estimates, one a step, from sound and frames as they come: resampled, aligned, faces found and followed,
/// each person with a window and a baseline of their own, smoothed. Not thread-safe: give everything on one queue.
public final class EmotionSession {
    public let options: SessionOptions
    private let sensor: Sensor
    private var alignment = StreamAlignment()
    private let smoother: Smoother
//#if face
    private let others: Smoother
    private let watch: FaceTracks?
//#end
//#if audio
    private let voice: VoiceActivity?
    // Sound of a stream's first steps is held back, and counts once somebody speaks.
    private var beforeSpeech: [[Float]?] = []
//#end

    /// - Parameters:
    ///   - sensor: used by this session alone.
//#if face
    ///   - detector: finds faces, such as the face finder's bundle; nil sees none.
//#end
//#if audio
    ///   - speech: tells speech from other sound, where `options.voice` is given; without it all sound counts.
//#end
    public init(
        _ sensor: Sensor, options: SessionOptions = SessionOptions()@session_parameters@
    ) {
        self.sensor = sensor
        self.options = options
        smoother = Smoother(options.smoothing)
//#if face
        others = Smoother(options.smoothing)
        watch = detector.map { FaceTracks($0, options: options.faces) }
//#end
//#if audio
        if let speech, let voiced = options.voice {
            precondition(Contract.sampleRate == voiceRate, "voice activity hears \(voiceRate) Hz; leave voice out")
            voice = VoiceActivity(speech, options: voiced)
        } else {
            precondition(options.voice == nil, "voice activity needs a SpeechModel; give one, or no voice")
            voice = nil
        }
//#end
        sensor.reset(baseline: options.baseline)
    }

    /// Windows and personal baselines: `engine.baseline.json` is what an app may store.
    public var engine: StepEngine { sensor.engine }

    /// Begin a new stream at time 0.
    public func reset() {
        sensor.reset(baseline: options.baseline)
        alignment = StreamAlignment()
        smoother.reset()
//#if face
        others.reset()
        watch?.reset()
//#end
//#if audio
        voice?.reset()
        beforeSpeech = []
//#end
    }

    /// Learn how the current person is at rest: the next seconds, at most an hour, are neutral.
    public func enrol(seconds: Double = 4) {
        precondition(seconds > 0 && seconds <= 3600, "an enrolment of \(seconds) s; give a positive number, such as 4")
        engine.enrol(steps: max(1, Int((seconds / stepSeconds).rounded(.toNearestOrEven))))
    }

    /// Forget a person, baseline and looks; nil is the current one.
    public func forget(_ person: Int? = nil) {
        let who = person ?? engine.person
        engine.forget(who)
//#if face
        watch?.forget(who)
//#end
    }
//#if audio

    /// Takes sound, see `AudioFrontend.push`; gives the estimates of the steps that it finishes.
    public func pushAudio(
        _ samples: [Float], sampleRate: Int, time: Double? = nil, channels: Int = 1, names: [String] = []
    ) throws -> [StepEstimate] {
        try alignment.addAudio(samples, sampleRate: sampleRate, time: time, channels: channels, names: names)
        return try finished()
    }
//#end
//#if face

    /// Takes a frame at `time` seconds, on the clock of the sound; gives the estimates of the steps that it finishes.
    public func pushFrame(_ frame: Frame, time: Double) throws -> [StepEstimate] {
        try alignment.addFrame(TimedFrame(time: time) { frame })
        return try finished()
    }
//#end

    /// Ends the stream: the estimates still due, and what is left in the window goes into the baseline.
    public func flush() throws -> [StepEstimate] {
        let end = alignment.end()
        var estimates: [StepEstimate] = []
        while alignment.done < end {
            if let one = try next() { estimates.append(one) }
        }
        sensor.finish()
        return estimates
    }

    private func finished() throws -> [StepEstimate] {
        var estimates: [StepEstimate] = []
        while alignment.isReady(patience: patienceSeconds) {
            if let one = try next() { estimates.append(one) }
        }
        return estimates
    }

    /// The estimate of the next step that may hold anything; steps of a long pause have none.
    private func next() throws -> StepEstimate? {
        let due = alignment.done
        alignment.skipEmpty(least: Contract.windowSteps)
        if alignment.done == due { return try estimate(alignment.take()) }
        let steps = alignment.done - due
        let counted = min(steps, Contract.windowSteps)
//#if audio
        if let voice {
            if voice.undecided { beforeSpeech += Array(repeating: nil, count: counted) }
            voice.gap(steps * Contract.stepSamples)
        }
//#end
        for _ in 0..<counted { engine.skip() }
        return nil
    }

    private func estimate(_ given: StepInput) throws -> StepEstimate {
        let end = Double(given.number + 1) * stepSeconds
//#if face
        watch?.passTime(Double(given.number) * stepSeconds)
        let seen = try watch?.look(given.frames, sound: given.chunk) ?? []
        let crop = seen.first?.crop
        let view = seen.first?.view
//#end
//#if audio
        let speech = hears(given.chunk)
        let chunk = speech == false ? nil : given.chunk
//#else
        let speech: Bool? = nil
//#end
        let features = try sensor.encode(@step_arguments@)
//#if audio
        try recall(given.chunk, speech)
        beginWindow()
//#end
//#if face
        let further = try seen.dropFirst().map { look in
            (person: look.view.id, face: try sensor.encode(@crop_alone@)[.face] ?? [])
        }
        let raw = try engine.advance(features, person: view?.id, others: further)
        let rest = try seen.dropFirst().map { look -> StepEstimate in
            let alone = try engine.look(at: look.view.id)
            let steady = smoothed(alone, others, at: end, person: look.view.id)
            return StepEstimate(
                time: end, estimate: steady, raw: alone, face: look.view, speech: nil, others: [], enrolling: 0)
        }
//#else
        let raw = try engine.advance(features)
//#end
        return StepEstimate(
            time: end,
            estimate: smoothed(raw, smoother, at: end, person: @view_id@),
            raw: raw,
//#if face
            face: view,
            speech: speech,
            others: rest,
//#else
            speech: speech,
            others: [],
//#end
            enrolling: Double(engine.enrolling) * stepSeconds
        )
    }
//#if audio

    private func recall(_ chunk: [Float]?, _ speech: Bool?) throws {
        guard let voice else { return }
        if speech == true && !beforeSpeech.isEmpty { engine.recallSound(beforeSpeech) }
        if voice.undecided {
            beforeSpeech.append(try chunk.flatMap { try sensor.encode(@chunk_alone@)[.audio] })
        } else {
            beforeSpeech = []
        }
    }

    /// Of the steps before this one those stay in the windows that belong to the same utterance.
    private func beginWindow() {
        guard let voice else { return }
        engine.beginWindow(newest: max(0, voice.fresh / Contract.stepSamples - 1))
    }

    /// Whether a step's sound counts as speech; nil where that is not asked, or there is no sound.
    private func hears(_ chunk: [Float]?) -> Bool? {
        guard let voice else { return nil }
        if let chunk { return voice.step(Array(chunk.suffix(Contract.stepSamples))) }
        voice.gap(Contract.stepSamples)
        return nil
    }
//#end
}
