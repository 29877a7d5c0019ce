// @generated@
import AVFoundation

// Sound goes on where it ended unless the clock is this far from it, seconds: then something was missed.
private let missed = 0.5

/// The microphone, as mono sound of its own rate: the session resamples.
final class Microphone {
    private let engine = AVAudioEngine()
    private var end: Double?

    /// `onSound` gets samples, their rate, and the time of the first one on the host's clock, nil where they go on.
    func start(_ onSound: @escaping ([Float], Int, Double?) -> Void) throws {
        let session = AVAudioSession.sharedInstance()
        // Without the gain and the noise filter of telephony: a voice is to be heard as it is.
        try session.setCategory(.record, mode: .measurement)
        try session.setActive(true)
        let input = engine.inputNode
        let format = input.outputFormat(forBus: 0)
        let rate = format.sampleRate
        end = nil
        let size = AVAudioFrameCount(rate / 10)
        input.installTap(onBus: 0, bufferSize: size, format: format) { [weak self] buffer, when in
            guard let self, let channels = buffer.floatChannelData else { return }
            let samples = Array(UnsafeBufferPointer(start: channels[0], count: Int(buffer.frameLength)))
            let first = AVAudioTime.seconds(forHostTime: when.hostTime)
            let goesOn = self.end.map { abs($0 - first) < missed } ?? false
            self.end = (goesOn ? self.end ?? first : first) + Double(samples.count) / rate
            onSound(samples, Int(rate), goesOn ? nil : first)
        }
        engine.prepare()
        try engine.start()
    }

    func stop() {
        engine.inputNode.removeTap(onBus: 0)
        engine.stop()
        try? AVAudioSession.sharedInstance().setActive(false)
    }
}
