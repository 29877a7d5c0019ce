// @generated@
import CoreML
import Foundation

/// Finds faces by the bundle's graph: letterbox, run, threshold, non-maximum suppression. Boxes are squares from the
/// middle of the forehead to the chin, in pixels of the frame, and may reach outside. Not thread-safe.
public final class FaceFinder: FaceDetector {
    private let graph: Graph

    /// See `Graph`; `trust` is as in `requireSigned`, and nil trusts any.
    public init(
        folder: URL, configuration: MLModelConfiguration = MLModelConfiguration(), trust: [String]? = nil
    ) throws {
        if let trust { try requireSigned(folder, trust: trust) }
        graph = try Graph(Contract.finder, in: folder, configuration: configuration)
    }

    /// Faces, the best first.
    public func detect(_ frame: Frame) throws -> [Detection] { try find(frame).faces }

    /// What the graph gives, scores N and boxes N x 4, and the faces that are read from it; see `detect`.
    public func find(_ frame: Frame) throws -> (scores: [Float], boxes: [Float], faces: [Detection]) {
        let (input, scale) = letterbox(frame)
        let outputs = try graph.run([input])
        let (scores, boxes) = (outputs[Contract.scores], outputs[Contract.boxes])
        return (scores, boxes, readFaces(scores: scores, boxes: boxes, scale: scale))
    }
}

/// The input of the graph, RGB, 0 to 255, and the scale from pixels of the frame to pixels of the input.
func letterbox(_ frame: Frame) -> (input: [Float], scale: Double) {
    let down = Double(Contract.finderHeight) / Double(frame.height)
    let scale = min(down, Double(Contract.finderWidth) / Double(frame.width))
    let rows = max(1, Int((Double(frame.height) * scale + 0.5).rounded(.down)))
    let columns = max(1, Int((Double(frame.width) * scale + 0.5).rounded(.down)))
    // Every s-th pixel, so that at least two are left for each one of the input.
    let picture = resizeTriangle(
        frame, sourceRows: thin(frame.height, rows), sourceColumns: thin(frame.width, columns), rows: rows,
        columns: columns)
    let line = 3 * Contract.finderWidth
    var input = [Float](repeating: 0, count: Contract.finderHeight * line)
    for row in 0..<rows {
        let part = picture[(row * columns * 3)..<((row + 1) * columns * 3)]
        input.replaceSubrange((row * line)..<(row * line + columns * 3), with: part)
    }
    return (input, scale)
}

/// Faces from what the graph gives: scores N and boxes N x 4, shares of the input.
func readFaces(scores: [Float], boxes: [Float], scale: Double) -> [Detection] {
    let width = Float(Contract.finderWidth) / Float(scale)
    let height = Float(Contract.finderHeight) / Float(scale)
    let above = scores.indices.filter { scores[$0] > Contract.threshold }
    let best = above.sorted { (-scores[$0], $0) < (-scores[$1], $1) }
    var kept: [Detection] = []
    for index in best {
        let box = Box(
            x: Double(boxes[4 * index] * width), y: Double(boxes[4 * index + 1] * height),
            width: Double(boxes[4 * index + 2] * width), height: Double(boxes[4 * index + 3] * height))
        if kept.allSatisfy({ overlap(box, $0.box) <= Contract.overlap }) {
            kept.append(Detection(box: box, score: Double(scores[index])))
        }
    }
    return kept
}

private func thin(_ source: Int, _ target: Int) -> [Int] {
    let apart = max(1, source / (2 * target))
    return (0..<(source / apart)).map { apart / 2 + $0 * apart }
}
