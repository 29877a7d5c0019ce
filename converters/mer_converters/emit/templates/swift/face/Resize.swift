// @generated@

/// Resizes a part of a frame to RGB, 0 to 255, rows x columns x 3 values, by the antialiased triangle filter of the
/// contract, values unrounded. Do not use the platform's filters: they differ.
///
/// - Parameters:
///   - sourceRows: which row of the frame each row of the part is; `sourceColumns` likewise.
func resizeTriangle(_ frame: Frame, sourceRows: [Int], sourceColumns: [Int], rows: Int, columns: Int) -> [Float] {
    let down = triangle(from: sourceRows.count, to: rows)
    let across = triangle(from: sourceColumns.count, to: columns)
    let line = 3 * columns
    // Columns first: of each row of the part only what is needed.
    var narrow = [Float](repeating: 0, count: sourceRows.count * line)
    for (row, source) in sourceRows.enumerated() {
        let first = source * frame.width
        for (column, tap) in across.enumerated() {
            let place = row * line + 3 * column
            for (index, weight) in tap.weights.enumerated() {
                let pixel = 3 * (first + sourceColumns[tap.start + index])
                narrow[place] += weight * Float(frame.rgb[pixel])
                narrow[place + 1] += weight * Float(frame.rgb[pixel + 1])
                narrow[place + 2] += weight * Float(frame.rgb[pixel + 2])
            }
        }
    }
    var result = [Float](repeating: 0, count: rows * line)
    for (row, tap) in down.enumerated() {
        for (index, weight) in tap.weights.enumerated() {
            let source = (tap.start + index) * line
            for column in 0..<line { result[row * line + column] += weight * narrow[source + column] }
        }
    }
    return result
}

private struct Taps {
    let start: Int
    let weights: [Float]
}

/// The antialiased triangle filter between two numbers of pixels, as Pillow defines it.
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
