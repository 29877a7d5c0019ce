// @generated@
import CoreML
import Foundation
import XCTest

@testable import @module@

/// Proves the wrapper and Core ML on this device by the bundle's golden cases. The bundle's folder is that of the
/// environment variable MER_BUNDLE, a resource of the test, or @bundle@ beside this package.
final class GoldenTests: XCTestCase {
    // What the test allows: the rule of `mer verify` for this scheme.
//#if quantized
    private let tolerance = @sqnr@  // decibels
//#else
    private let tolerance = @tolerance@
//#end

    private var golden: Golden!

    override func setUpWithError() throws {
        let file = try XCTUnwrap(Bundle.module.url(forResource: "golden", withExtension: "bin"))
        golden = try Golden(Data(contentsOf: file))
    }

    func testGoldenCases() throws {
        // The neural engine and the GPU compute in half precision; the tolerance is that of the CPU.
        let configuration = MLModelConfiguration()
        configuration.computeUnits = .cpuOnly
        let sensor = try Sensor(folder: bundle(), configuration: configuration)
        var index = 0
        while golden.arrays["case\(index)_logits"] != nil {
            sensor.window = StepWindow()
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
//#if quantized
            // Held to what the bundle itself gave where it was made: quantized kernels may round differently.
            let made = try golden["case\(index)_made_logits"].values
            XCTAssertGreaterThanOrEqual(sqnr(logits, made), tolerance, "case \(index)")
//#else
            let wanted = try golden["case\(index)_logits"].values
            XCTAssertLessThanOrEqual(furthest(logits, wanted), tolerance, "case \(index)")
//#end
            index += 1
        }
        XCTAssertGreaterThan(index, 0)
    }
//#if audio

    func testChunksOfAStreamInPieces() throws {
        let sound = try golden["host_sound"].values
        let wanted = try golden["host_chunks"]
        var chunker = AudioChunker()
        var chunks: [[Float]] = []
        var taken = 0
        for piece in try golden["host_pieces"].values.map({ Int($0) }) {
            chunks += chunker.push(Array(sound[taken..<(taken + piece)]))
            taken += piece
        }
        if let last = chunker.flush() { chunks.append(last) }
        XCTAssertEqual(chunks, (0..<wanted.shape[0]).map { wanted.row($0) })
    }
//#end
//#if face

    func testCropsOfFaces() throws {
        let frame = try golden["host_frame"]
        let rgb = frame.values.map { UInt8($0) }
        let (height, width) = (frame.shape[0], frame.shape[1])
        let boxes = try golden["host_boxes"]
        for index in 0..<boxes.shape[0] {
            let box = boxes.row(index).map { CGFloat($0) }
            let area = CGRect(x: box[0], y: box[1], width: box[2], height: box[3])
            let crop = try XCTUnwrap(cropFace(rgb: rgb, width: width, height: height, box: area))
            let wanted = try golden["host_crops"].row(index)
            XCTAssertLessThanOrEqual(furthest(crop, wanted), 2e-3, "face \(index)")
        }
        let black = [UInt8](repeating: 0, count: rgb.count)
        let area = CGRect(x: 0, y: 0, width: 8, height: 8)
        XCTAssertNil(try cropFace(rgb: black, width: width, height: height, box: area))
    }
//#end

    func testWindowAndBaseline() throws {
        var window = StepWindow()
        for step in try golden["host_mask_\(Modality.allCases[0])"].values.indices {
            if step == @enrol_at@ { window.enrol(steps: @enrol_steps@) }
            var features: [Modality: [Float]] = [:]
            for modality in Modality.allCases {
                let there = try golden["host_mask_\(modality)"].values[step] != 0
                if there { features[modality] = try golden["host_rows_\(modality)"].row(step) }
            }
            window.push(features)
        }
        for modality in Modality.allCases {
            let rows = try golden["host_window_\(modality)"].values
            XCTAssertLessThanOrEqual(furthest(window.rows(modality), rows), 1e-4, "\(modality)")
            let mask = try golden["host_window_mask_\(modality)"].values
            XCTAssertEqual(window.mask(modality), mask, "\(modality)")
        }
        window.finish()
        for modality in Modality.allCases {
            let mean = try golden["host_mean_\(modality)"].values
            XCTAssertLessThanOrEqual(furthest(window.mean(modality), mean), 1e-4, "\(modality)")
        }
    }

    func testDecisions() throws {
        let logits = try golden["host_logits"]
        for index in 0..<logits.shape[0] {
            let held = try golden["host_present"].row(index).map { Int($0) }
            let present = Dictionary(uniqueKeysWithValues: zip(Modality.allCases, held))
            let found = decide(logits.row(index), present: present)
            let shares = Emotion.allCases.map { Float(found.probabilities[$0] ?? .nan) }
            let decided = try golden["host_decisions"].row(index)
            let named = found.emotion.flatMap { Emotion.allCases.firstIndex(of: $0) } ?? -1
            let wanted = try golden["host_probabilities"].row(index)
            XCTAssertLessThanOrEqual(furthest(shares, wanted), 1e-6)
            XCTAssertEqual(named, Int(decided[0]))
            XCTAssertEqual(found.valence, Double(decided[1]), accuracy: 1e-6)
            XCTAssertEqual(found.arousal, Double(decided[2]), accuracy: 1e-6)
        }
    }

    private func bundle() -> URL {
        if let path = ProcessInfo.processInfo.environment["MER_BUNDLE"] { return URL(fileURLWithPath: path) }
        let beside = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("@bundle@")
        return Bundle.module.url(forResource: "@bundle@", withExtension: nil) ?? beside
    }

    private func furthest(_ found: [Float], _ wanted: [Float]) -> Double {
        guard found.count == wanted.count, found.allSatisfy(\.isFinite) else { return .infinity }
        return zip(found, wanted).map { abs(Double($0) - Double($1)) }.max() ?? 0
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

/// "MERGOLD1", the number of arrays, then each: length of its name, name, rank, sizes, float32 values. Little-endian.
private struct Golden {
    struct Values {
        let shape: [Int]
        let values: [Float]

        func row(_ index: Int) -> [Float] {
            let length = values.count / shape[0]
            return Array(values[(index * length)..<((index + 1) * length)])
        }
    }

    private(set) var arrays: [String: Values] = [:]

    subscript(_ name: String) -> Values {
        get throws { try XCTUnwrap(arrays[name], "\(name) is missing from golden.bin") }
    }

    init(_ data: Data) throws {
        guard data.starts(with: Data("MERGOLD1".utf8)) else { throw SensorError.input("this is no golden file") }
        var place = 8
        func take(_ count: Int) throws -> Data {
            guard place + count <= data.count else { throw SensorError.input("golden.bin breaks off") }
            defer { place += count }
            return data.subdata(in: place..<(place + count))
        }
        func words(_ count: Int) throws -> [UInt32] {
            let bytes = try take(4 * count)
            return bytes.withUnsafeBytes { raw in
                (0..<count).map { UInt32(littleEndian: raw.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self)) }
            }
        }
        let count = try Int(words(1)[0])
        for _ in 0..<count {
            let name = try String(decoding: take(Int(words(1)[0])), as: UTF8.self)
            let rank = try Int(words(1)[0])
            let shape = try words(rank).map { Int($0) }
            let values = try words(shape.reduce(1, *)).map { Float(bitPattern: $0) }
            arrays[name] = Values(shape: shape, values: values)
        }
    }
}
