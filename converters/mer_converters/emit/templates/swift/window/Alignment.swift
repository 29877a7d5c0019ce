// @generated@
import Foundation

// A picture lasts until the next one, for so long at most, seconds.
private let heldSeconds = 10.0
// Time stamps are compared with this slack, seconds.
private let slack = 1e-6
// Seconds; more are milliseconds, microseconds or nanoseconds of a clock, and no arithmetic of steps holds them.
private let latestTime = 1e11
let stepSeconds = Double(Contract.stepMilliseconds) / 1000

/// What one step reads: its sound, nil where it is missing, and the frames that may be searched for a face.
public struct StepInput {
    public let number: Int
    public let chunk: [Float]?
    public let frames: [TimedFrame]
}

/// The number of the step that holds a time in seconds since the stream began.
public func stepNumber(at seconds: Double) -> Int { Int(((seconds + slack) / stepSeconds).rounded(.down)) }

/// Cuts two streams into steps. A step is over once every stream that is waited for has passed its end.
///
/// Time counts from 0 or, where the first stamp is over a window later, from the step of that stamp. Sound that goes on
/// after a gap of over a window, or at another rate, begins anew.
public final class StreamAlignment {
    private enum Stream: CaseIterable { case audio, video }

    private let window = Double(Contract.windowSteps) * stepSeconds
    private var audio = AudioFrontend()
    private var audioBase = 0
    private var audioMade = 0
    private var audioSteps: [(number: Int, step: AudioStep)] = []
    private var audioRate: Int?
    private var frames: [Int: [TimedFrame]] = [:]
    // The picture that is shown.
    private var held: TimedFrame?
    private var first = 0
    private var began = false
    private var beganVideo = false
    private var ended = false
    private var videoTime = 0.0
    private var videoEnd = 0.0
    private var expected: Set<Stream> = []

    /// Steps that were taken.
    public private(set) var done = 0

    public init() {}

    /// Seconds up to which sound was given.
    public var audioTime: Double { Double(audioBase) * stepSeconds + audio.time }

    /// See `AudioFrontend.push`.
    public func addAudio(
        _ samples: [Float], sampleRate: Int, time: Double? = nil, channels: Int = 1, names: [String] = []
    ) throws {
        var at = time
        try checkOpen()
        // What is refused changes nothing.
        try checkSound(samples, sampleRate: sampleRate, channels: channels)
        if let time {
            try checkTime("sound", time)
            begin(with: time)
        }
        if at == nil && Double(done) * stepSeconds - audioTime > window { at = Double(done) * stepSeconds }
        let changed = audioRate != nil && audioRate != sampleRate
        if changed && at == nil { at = audioTime }
        if let at, changed || at - audioTime > window { restartAudio(at: at) }
        if let at, audio.time == 0, Double(audioBase) * stepSeconds - at > window {
            throw SensorError.input("sound at \(at) s, before the stream began: stamp sound and pictures by one clock")
        }
        let relative = at.map { $0 - Double(audioBase) * stepSeconds }
        let steps = try audio.push(
            samples, sampleRate: sampleRate, time: relative, channels: channels, names: names)
        queue(steps)
        began = true
        expected.insert(.audio)
        audioRate = sampleRate
    }

    /// A frame, in order of time. It is shown until the next one.
    public func addFrame(_ frame: TimedFrame) throws {
        let time = frame.time
        try checkOpen()
        try checkTime("a frame", time)
        guard time >= videoTime - slack else {
            throw SensorError.input("a frame at \(time) s came after one at \(videoTime) s; push frames in order")
        }
        begin(with: time)
        expected.insert(.video)
        hold(before: stepNumber(at: time), until: time)
        // The last frame's end is guessed from the gap before it.
        let gap = beganVideo ? min(time - videoTime, stepSeconds) : 0
        let (number, last) = (stepNumber(at: time), stepNumber(at: videoTime))
        if number > last, let those = frames[last] { frames[last] = kept(those) }
        began = true
        beganVideo = true
        videoTime = time
        videoEnd = time + gap
        held = frame
        if number >= done { frames[number, default: []].append(frame) }
    }

    /// Whether the next step is over. `patience` is by how many seconds a stream may lag behind the other.
    public func isReady(patience: Double) -> Bool {
        let lagging = Stream.allCases.filter(lags)
        let waits = lagging.contains { expected.contains($0) && lead <= patience }
        return lagging.count < Stream.allCases.count && !waits
    }

    /// The next step, with what is there of it.
    public func take() -> StepInput {
        let number = done
        done += 1
        var chunk: [Float]?
        while let sound = audioSteps.first, sound.number <= number {
            audioSteps.removeFirst()
            if sound.number == number && sound.step.covered { chunk = sound.step.chunk }
        }
        let there = frames.removeValue(forKey: number) ?? []
        return StepInput(number: number, chunk: chunk, frames: kept(there))
    }

    /// Goes on to the first step that can hold anything, if over so many before it cannot.
    public func skipEmpty(least: Int) {
        var starts = [audioSteps.first?.number, frames.keys.min()].compactMap { $0 }
        if starts.isEmpty {
            if !lags(.audio) { starts.append(audioMade) }
            if !lags(.video) { starts.append(stepNumber(at: videoTime)) }
        }
        if let start = starts.min(), start - done > least { done = start }
    }

    /// Ends the streams: the number of steps that there are in all. `take` gives those still due.
    public func end() -> Int {
        ended = true
        queue(audio.flush())
        let videoSteps = beganVideo ? Int(videoEnd / stepSeconds + 0.5) : 0
        hold(before: stepNumber(at: videoEnd) + 1, until: videoEnd)
        return max(audioMade, videoSteps, !frames.isEmpty && done == first ? done + 1 : 0)
    }

    private func checkOpen() throws {
        guard !ended else {
            throw SensorError.input("the stream was ended by flush(): reset() begins another one, to push to")
        }
    }

    private func lags(_ stream: Stream) -> Bool {
        switch stream {
        case .audio: return audioMade <= done
        // A frame at the very end belongs to the next step, so it also proves that this step is over.
        case .video: return videoTime < Double(done + 1) * stepSeconds - slack
        }
    }

    /// Seconds by which the stream that is ahead has passed the next step's end.
    private var lead: Double { max(Double(audioMade) * stepSeconds, videoTime) - Double(done + 1) * stepSeconds }

    private func restartAudio(at time: Double) {
        queue(audio.flush())
        audio = AudioFrontend()
        audioMade = max(audioMade, stepNumber(at: time))
        audioBase = audioMade
    }

    /// Where this is the first stamp, and far from 0, begin there.
    private func begin(with time: Double) {
        if !began && time > window {
            first = stepNumber(at: time)
            done = first
            audioBase = first
            audioMade = first
            videoTime = Double(first) * stepSeconds
        }
        began = true
    }

    private func checkTime(_ what: String, _ time: Double) throws {
        guard time.isFinite, abs(time) <= latestTime else {
            throw SensorError.input("\(what) at \(time) s: give a number of seconds; divide nanoseconds by 1e9")
        }
    }

    /// Shows the present picture up to `until` seconds in the steps before a number, which have none of their own.
    private func hold(before number: Int, until: Double) {
        guard let shown = held else { return }
        let last = min(number, stepNumber(at: min(until, shown.time + heldSeconds) - 2 * slack) + 1)
        let begin = max(done, stepNumber(at: shown.time) + 1)
        for place in begin..<max(begin, last) {
            frames[place] = [TimedFrame(time: Double(place) * stepSeconds, frame: shown.frame)]
        }
    }

    private func queue(_ steps: [AudioStep]) {
        for step in steps {
            if audioMade >= done { audioSteps.append((audioMade, step)) }
            audioMade += 1
        }
    }
}

/// Those of a step's frames that may be looked at; the others need not be kept.
private func kept(_ frames: [TimedFrame]) -> [TimedFrame] { searched(frames.count).map { frames[$0] } }
