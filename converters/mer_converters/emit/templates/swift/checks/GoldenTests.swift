// @generated@
import CoreML
import Foundation
import XCTest

@testable import @module@

/// Proves the code and Core ML on this device by the bundle's golden cases. The bundle's folder is that of the
/// environment variable MER_BUNDLE, a resource of the test, or @bundle@ beside this package.
final class GoldenTests: GoldenCase {
    // What the test allows: the rule of `mer verify` for this scheme.
//#if quantized
    private let tolerance = @sqnr@  // decibels
//#else
    private let tolerance = @tolerance@
//#end

    // The neural engine and the GPU compute in half precision; the tolerance is that of the CPU.
    private var configuration: MLModelConfiguration {
        let made = MLModelConfiguration()
        made.computeUnits = .cpuOnly
        return made
    }
//#if window

    func testGoldenCases() throws {
        let sensor = try Sensor(folder: bundle(), configuration: configuration)
        var index = 0
        while golden.has("case\(index)_logits") {
            sensor.reset()
            var logits: [Float] = []
            for step in 0..<Contract.windowSteps {
//#if audio
                let heard = try golden["case\(index)_audio_mask"].values[step] != 0
                let chunk = try heard ? golden["case\(index)_pcm"].row(step) : nil
//#end
//#if face
                let seen = try golden["case\(index)_face_mask"].values[step] != 0
                let crop = try seen ? golden["case\(index)_crop"].row(step) : nil
//#end
                logits = try sensor.step(@step_arguments@).logits
            }
            try compare(logits, index)
            index += 1
        }
        XCTAssertGreaterThan(index, 0)
    }
//#end
//#if dialogue

    /// The window of a whole dialogue: each utterance's steps through the encoders, then the logits of the newest.
    func testGoldenCases() throws {
        let conversation = try Conversation(folder: bundle(), configuration: configuration)
        let raws: [Modality: String] = [@raw_names@]
        var index = 0
        while golden.has("case\(index)_logits") {
            conversation.reset()
            var logits: [Float] = []
            for (row, speaker) in try golden["case\(index)_speakers"].ints.enumerated() {
                var features: UtteranceFeatures = [:]
                for (modality, raw) in raws {
                    if try golden["case\(index)_\(modality)_mask"].values[row] == 0 { continue }
                    let values = try golden["case\(index)_\(raw)"].row(row)
                    let size = try XCTUnwrap(Contract.graphs.first { $0.name == "\(modality)" }).inputs[0].elements
                    let steps = (0..<(values.count / size)).map { Array(values[($0 * size)..<(($0 + 1) * size)]) }
                    features[modality] = try conversation.encode(modality, steps)
                }
                logits = try conversation.engine.advance(features, speaker: "\(speaker)").logits
            }
            try compare(logits, index)
            index += 1
        }
        XCTAssertGreaterThan(index, 0)
    }
//#end
//#if finder

    func testGoldenCases() throws {
        let finder = try FaceFinder(folder: bundle(), configuration: configuration)
        var index = 0
        while golden.has("case\(index)_frame") {
            let found = try finder.find(frame(golden["case\(index)_frame"]))
            near(found.scores, try golden["case\(index)_scores"].values, tolerance, "case \(index)")
            near(found.boxes, try golden["case\(index)_boxes"].values, tolerance, "case \(index)")
            XCTAssertEqual(found.faces.count, try golden["case\(index)_faces"].count)
            index += 1
        }
        XCTAssertGreaterThan(index, 0)
    }
//#else

    private func compare(_ logits: [Float], _ index: Int) throws {
//#if quantized
        // Held to what the bundle itself gave where it was made: quantized kernels may round differently.
        let made = try golden["case\(index)_made_logits"].values.suffix(logits.count)
        XCTAssertGreaterThanOrEqual(sqnr(logits, Array(made)), tolerance, "case \(index)")
//#else
        let wanted = try golden["case\(index)_logits"].values.suffix(logits.count)
        near(logits, Array(wanted), tolerance, "case \(index)")
//#end
    }
//#end

    private func bundle() -> URL {
        if let path = ProcessInfo.processInfo.environment["MER_BUNDLE"] { return URL(fileURLWithPath: path) }
        let beside = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("@bundle@")
        return Bundle.module.url(forResource: "@bundle@", withExtension: nil) ?? beside
    }
//#if quantized

    /// Signal to quantization noise, decibels.
    private func sqnr(_ found: [Float], _ wanted: [Float]) -> Double {
        let noise = zip(found, wanted).map { pow(Double($0) - Double($1), 2) }.reduce(0, +)
        let signal = wanted.map { pow(Double($0), 2) }.reduce(0, +)
        return noise == 0 ? .infinity : 10 * log10(signal / noise)
    }
//#end
}
