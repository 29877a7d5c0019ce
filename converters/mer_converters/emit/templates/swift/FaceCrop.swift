// @generated@
import Foundation

/// The crop that the face graph reads: RGB, 0 to 255, cropSize x cropSize x 3 values; nil where it is black, which
/// counts as "no face".
///
/// - Parameters:
///   - rgb: rows from the top, 3 bytes a pixel, without padding.
///   - box: the face in pixels, its origin the top left corner (Vision counts from the bottom); it may reach outside.
/// - Throws: `SensorError.input` for a frame of another size than said, or a box without area.
public func cropFace(rgb: [UInt8], width: Int, height: Int, box: CGRect) throws -> [Float]? {
    guard width > 0, height > 0, rgb.count == 3 * width * height else {
        throw SensorError.input("a frame of \(width) x \(height) pixels has \(rgb.count) bytes")
    }
    let (x, y) = (Double(box.origin.x), Double(box.origin.y))
    let (boxWidth, boxHeight) = (Double(box.size.width), Double(box.size.height))
    guard boxWidth > 0, boxHeight > 0, (x + y + boxWidth + boxHeight).isFinite else {
        throw SensorError.input("the face's box \(box) has no area")
    }
    let exact = max(boxWidth, boxHeight) * (1 + 2 * Contract.cropMargin)
    let side = max(1, Int((exact + 0.5).rounded(.down)))
    let left = Int((x + (boxWidth - exact) / 2 + 0.5).rounded(.down))
    let top = Int((y + (boxHeight - exact) / 2 + 0.5).rounded(.down))
    let size = Contract.cropSize
    let line = 3 * size
    let taps = triangle(from: side, to: size)
    // Columns first. Pixels outside the frame repeat the nearest edge pixel.
    var narrow = [Float](repeating: 0, count: side * line)
    for row in 0..<side {
        let first = min(max(top + row, 0), height - 1) * width
        for (column, tap) in taps.enumerated() {
            let place = row * line + 3 * column
            for (index, weight) in tap.weights.enumerated() {
                let pixel = 3 * (first + min(max(left + tap.start + index, 0), width - 1))
                narrow[place] += weight * Float(rgb[pixel])
                narrow[place + 1] += weight * Float(rgb[pixel + 1])
                narrow[place + 2] += weight * Float(rgb[pixel + 2])
            }
        }
    }
    var crop = [Float](repeating: 0, count: size * line)
    for (row, tap) in taps.enumerated() {
        for (index, weight) in tap.weights.enumerated() {
            let source = (tap.start + index) * line
            for column in 0..<line { crop[row * line + column] += weight * narrow[source + column] }
        }
    }
    return crop.contains { $0 > Contract.blackLevel } ? crop : nil
}

private struct Taps {
    let start: Int
    let weights: [Float]
}

/// The antialiased triangle filter between two numbers of pixels.
private func triangle(from source: Int, to target: Int) -> [Taps] {
    let scale = Double(source) / Double(target)
    let support = max(1, scale)
    return (0..<target).map { index in
        let centre = (Double(index) + 0.5) * scale
        let start = max(0, Int((centre - support + 0.5).rounded(.down)))
        let stop = min(source, Int((centre + support + 0.5).rounded(.down)))
        let raw = (start..<stop).map { max(0, 1 - abs((Double($0) + 0.5 - centre) / support)) }
        let sum = raw.reduce(0, +)
        return Taps(start: start, weights: raw.map { Float($0 / sum) })
    }
}
