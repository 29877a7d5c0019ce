// @generated@
import XCTest

@testable import @module@

/// Chunks, downmix, resampler, silence and the rule of voice activity.
final class SoundTests: GoldenCase {
    func testChunksOfAStreamInPieces() throws {
        let wanted = try golden["host_chunks"]
        var chunker = AudioChunker()
        var chunks = try pieces("host_sound", "host_pieces").flatMap { chunker.push($0) }
        if let last = chunker.flush() { chunks.append(last) }
        XCTAssertEqual(chunks, (0..<wanted.count).map { wanted.row($0) })
    }

    func testDownmixAndResampling() throws {
        guard golden.has("stage_resample_cases") else { return }
        let cases = try golden["stage_resample_cases"]
        for index in 0..<cases.count {
            let (rate, channels) = (Int(cases.row(index)[0]), Int(cases.row(index)[1]))
            let mix = MonoMix(rate: rate)
            let resampler = try Resampler(from: rate)
            var made: [Float] = []
            for piece in try pieces("stage_resample\(index)_pcm", "stage_resample\(index)_pieces", channels: channels) {
                made += resampler.push(mix.push(piece, channels: channels))
            }
            made += resampler.push(mix.flush())
            made += resampler.flush()
            near(made, try golden["stage_resample\(index)_out"].values, 1e-5, "\(rate) Hz, \(channels) channels")
        }
    }

    func testSilenceIsNoSound() throws {
        guard golden.has("stage_silence_pcm") else { return }
        let frontend = AudioFrontend()
        let rate = try golden["stage_silence_rate"].ints[0]
        var steps = try pieces("stage_silence_pcm", "stage_silence_pieces").flatMap {
            try frontend.push($0, sampleRate: rate)
        }
        steps += frontend.flush()
        XCTAssertEqual(steps.map { $0.covered ? 1 : 0 }, try golden["stage_silence_covered"].ints)
    }
//#if window

    func testVoiceActivity() throws {
        guard golden.has("stage_voice_options") else { return }
        let options = try golden["stage_voice_options"]
        for index in 0..<options.count {
            let row = options.row(index).map { (Double($0) * 1e6).rounded() / 1e6 }
            try checkVoice(index, VoiceOptions(threshold: row[0], hangover: row[1], pause: nil))
        }
    }

    private func checkVoice(_ index: Int, _ options: VoiceOptions) throws {
        let listener = try Listener(golden, options)
        let windowAt = try golden["stage_voice_window_at"].ints[0]
        let rows = try golden["stage_voice_rows"]
        for step in 0..<rows.count {
            let speech = try listener.step(step)
            let mask = try golden["stage_voice_window_mask"].part(index).row(step)
            XCTAssertEqual(speech, try golden["stage_voice_speech"].row(index)[step], "step \(step)")
            XCTAssertEqual(listener.voice.undecided ? 1 : 0, try golden["stage_voice_undecided"].row(index)[step])
            XCTAssertEqual(listener.fusion.seen("audio_mask"), mask)
            if step == windowAt {
                near(listener.fusion.seen("audio"), try golden["stage_voice_window"].row(index), 1e-4, "window")
            }
        }
    }

    func testWindowsBeginWithUtterances() throws {
        guard golden.has("stage_utterance_fresh") else { return }
        let listener = try Listener(golden, VoiceOptions())
        let fresh = try golden["stage_utterance_fresh"].ints
        for step in fresh.indices {
            _ = try listener.step(step)
            let observed = Modality.allCases.map { Float(listener.engine.baseline.steps[$0] ?? 0) }
            let mask = try golden["stage_utterance_window_mask"].row(step)
            XCTAssertEqual(listener.voice.fresh, fresh[step], "step \(step)")
            XCTAssertEqual(observed, try golden["stage_utterance_observed"].row(step), "step \(step)")
            XCTAssertEqual(listener.fusion.seen("audio_mask"), mask, "step \(step)")
//#if face
            let faces = try golden["stage_utterance_faces_mask"].row(step)
            XCTAssertEqual(listener.fusion.seen("face_mask"), faces, "step \(step)")
//#end
        }
    }
//#end

    private func pieces(_ sound: String, _ sizes: String, channels: Int = 1) throws -> [[Float]] {
        let values = try golden[sound].values
        var taken = 0
        return try golden[sizes].ints.map { size in
            defer { taken += size * channels }
            return Array(values[taken..<(taken + size * channels)])
        }
    }
}

//#if window
/// Steps as `EmotionSession` takes them: sound before speech is held back, and windows begin with utterances.
private final class Listener {
    let fusion = FusionRecorder()
    let engine: StepEngine
    let voice: VoiceActivity
    private let golden: Golden
    private var before: [[Float]?] = []

    init(_ golden: Golden, _ options: VoiceOptions) throws {
        self.golden = golden
        engine = StepEngine(fusion: fusion.run)
        voice = VoiceActivity(Scripted(try golden["stage_voice_probabilities"].values), options: options)
    }

    /// Takes a step; 1 where its sound is speech, 0 where it is not, -1 where there is none.
    func step(_ number: Int) throws -> Float {
        let present = try golden["stage_voice_present"].values[number] != 0
        let row = try golden["stage_voice_rows"].row(number)
        let heard: [Float]? = present ? row : nil
        var speech: Float = -1
        if heard == nil {
            voice.gap(Contract.stepSamples)
        } else {
            speech = voice.step([Float](repeating: 0, count: Contract.stepSamples)) ? 1 : 0
        }
        if speech == 1 && !before.isEmpty { engine.recallSound(before) }
        if voice.undecided { before.append(heard) } else { before = [] }
        engine.beginWindow(newest: max(0, voice.fresh / Contract.stepSamples - 1))
        fusion.clear()
        var features: [Modality: [Float]] = [:]
        if speech != 0, let heard { features[.audio] = heard }
//#if face
        features[.face] = try golden["stage_utterance_faces"].row(number)
//#end
        _ = try engine.advance(features)
        return speech
    }
}

private final class Scripted: SpeechModel {
    private var left: [Float]

    init(_ probabilities: [Float]) {
        left = probabilities
    }

    func reset() {}

    func probability(_ piece: [Float]) -> Double { Double(left.removeFirst()) }
}
//#end
