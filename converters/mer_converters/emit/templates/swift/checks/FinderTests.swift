// @generated@
import XCTest

@testable import @module@

/// A frame to the graph's input, and its outputs to faces.
final class FinderTests: GoldenCase {
    func testLetterboxes() throws {
        var index = 0
        while golden.has("stage_letterbox\(index)_frame") {
            let found = letterbox(try frame(golden["stage_letterbox\(index)_frame"]))
            near(found.input, try golden["stage_letterbox\(index)_input"].values, 2e-3, "letterbox \(index)")
            near([Float(found.scale)], try golden["stage_letterbox\(index)_scale"].values, 1e-6, "letterbox \(index)")
            index += 1
        }
        XCTAssertGreaterThan(index, 0)
    }

    func testFacesFromOutputs() throws {
        var index = 0
        while golden.has("stage_decode\(index)_size") {
            let size = try golden["stage_decode\(index)_size"].ints
            let rgb = [UInt8](repeating: 0, count: 3 * size[0] * size[1])
            let scale = letterbox(try Frame(rgb: rgb, width: size[1], height: size[0])).scale
            let scores = try golden["stage_decode\(index)_scores"].values
            let boxes = try golden["stage_decode\(index)_boxes"].values
            let faces = readFaces(scores: scores, boxes: boxes, scale: scale)
            let values = faces.flatMap { [$0.box.x, $0.box.y, $0.box.width, $0.box.height, $0.score] }
            near(values.map { Float($0) }, try golden["stage_decode\(index)_faces"].values, 1e-2, "decoding \(index)")
            index += 1
        }
        XCTAssertGreaterThan(index, 0)
    }
}
