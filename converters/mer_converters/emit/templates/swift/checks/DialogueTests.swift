// @generated@
import XCTest

@testable import @module@

/// Words to ids, speakers, and the window of utterances.
final class DialogueTests: GoldenCase {
//#if text
    func testIDsOfTexts() throws {
        guard golden.has("stage_text") else { return }
        let wanted = try golden["stage_text_ids"]
        for (index, text) in try golden.texts("stage_text").enumerated() {
            XCTAssertEqual(textIDs(text), wanted.part(index).ints, "text \(index)")
        }
    }

//#end
//#if audio
    func testCutsOfUtterances() throws {
        guard golden.has("stage_cutter_options") else { return }
        let options = try golden["stage_cutter_options"]
        let sizes = try golden["stage_cutter_pieces"].ints
        for index in 0..<options.count {
            let row = options.row(index).map { Double($0) }
            let model = Probabilities(try golden["stage_cutter_probabilities"].values)
            var rules = UtteranceOptions()
            rules.voice = VoiceOptions(threshold: row[0], hangover: row[1])
            (rules.minimum, rules.longest, rules.preRoll) = (row[2], row[3], row[4])
            let cutter = UtteranceCutter(model, options: rules)
            var found: [Float] = []
            func told(_ place: Int, _ cuts: [Cut]) {
                for cut in cuts {
                    found += [place, cut.begin, cut.begin + cut.samples.count, cutter.short].map { Float($0) }
                }
            }
            for (place, size) in sizes.enumerated() {
                told(place, cutter.push([Float](repeating: 0, count: size)))
            }
            told(sizes.count, cutter.end())
            near(found, try golden["stage_cutter\(index)_cuts"].values, 0, "cuts \(index)")
        }
    }

//#end
    func testWindowsOfUtterances() throws {
        guard golden.has("stage_dialogue_speakers") else { return }
        let fusion = FusionRecorder()
        let engine = DialogueEngine(fusion: fusion.run)
        for (number, speaker) in try golden["stage_dialogue_speakers"].ints.enumerated() {
            let steps = try golden["stage_dialogue_steps"].row(number).map { Int($0) }
            var features: UtteranceFeatures = [:]
            for (place, modality) in Modality.allCases.enumerated() where steps[place] > 0 {
                let rows = try golden["stage_dialogue_rows_\(modality)"].part(number)
                features[modality] = (0..<steps[place]).map { rows.row($0) }
            }
            fusion.clear()
            _ = try engine.advance(features, speaker: "\(speaker)")
            for input in Contract.fusion.inputs {
                let wanted = try golden["stage_dialogue_window_\(input.name)"].row(number)
                near(fusion.seen(input.name), wanted, 1e-4, "\(input.name), utterance \(number)")
            }
        }
        for modality in Modality.allCases where modality.populationMean != nil {
            let means = try golden["stage_dialogue_mean_\(modality)"]
            for speaker in 0..<means.count {
                near(engine.baseline(of: "\(speaker)").mean(modality), means.row(speaker), 1e-4, "speaker \(speaker)")
            }
        }
    }
}
//#if audio

/// Gives probabilities in order.
private final class Probabilities: SpeechModel {
    private var left: ArraySlice<Float>

    init(_ values: [Float]) { left = values[...] }

    func reset() {}

    func probability(_ piece: [Float]) -> Double { Double(left.removeFirst()) }
}
//#end
