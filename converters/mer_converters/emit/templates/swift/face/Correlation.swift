// @generated@

/// A small grey picture, rows from the top.
struct Patch {
    let values: [Float]
    let rows: Int
    let columns: Int

    subscript(row: Int, column: Int) -> Float { values[row * columns + column] }

    func part(row: Int, column: Int, size: Int) -> Patch {
        let part = (0..<(size * size)).map { self[row + $0 / size, column + $0 % size] }
        return Patch(values: part, rows: size, columns: size)
    }

    var mean: Double { values.reduce(0) { $0 + Double($1) } / Double(values.count) }
}

/// Normalised cross-correlation at every place of a picture: size x size scores, and where the best one is.
struct Scores {
    let values: [Double]
    let size: Int
    let row: Int
    let column: Int

    init(_ values: [Double], size: Int) {
        var best = 0
        for index in values.indices where values[index] > values[best] { best = index }
        self.values = values
        self.size = size
        row = best / size
        column = best % size
    }

    var score: Double { at(row, column) }

    func at(_ row: Int, _ column: Int) -> Double { values[row * size + column] }
}

/// The grey picture of the square around a box, with a margin added on each side as a share of the square's side: the
/// green channel at four points a pixel; edge pixels repeat outside.
func facePatch(_ frame: Frame, _ box: Box, size: Int, margin: Double = 0) -> Patch {
    let side = box.side * (1 + 2 * margin)
    let square = Box(x: box.centreX - side / 2, y: box.centreY - side / 2, width: side, height: side)
    return sampled(frame, square, rows: size, columns: size)
}

func sampled(_ frame: Frame, _ box: Box, rows: Int, columns: Int) -> Patch {
    func places(_ start: Double, _ length: Double, _ count: Int, _ most: Int) -> [Int] {
        (0..<(2 * count)).map { index in
            // Bounded before the change to whole numbers: a box may lie far outside.
            let exact = start + (Double(index) + 0.5) * (length / Double(2 * count))
            return Int(min(max(exact, 0), Double(most - 1)))
        }
    }
    let down = places(box.y, box.height, rows, frame.height)
    let across = places(box.x, box.width, columns, frame.width)
    func green(_ row: Int, _ column: Int) -> Int { Int(frame.rgb[3 * (down[row] * frame.width + across[column]) + 1]) }
    var values: [Float] = []
    values.reserveCapacity(rows * columns)
    for row in 0..<rows {
        for column in 0..<columns {
            let upper = green(2 * row, 2 * column) + green(2 * row, 2 * column + 1)
            let lower = green(2 * row + 1, 2 * column) + green(2 * row + 1, 2 * column + 1)
            values.append(Float(upper + lower) * 0.25)
        }
    }
    return Patch(values: values, rows: rows, columns: columns)
}

/// Normalised cross-correlation, -1 to 1, of a square template at all places of a larger square patch.
func correlation(_ template: Patch, _ patch: Patch) -> Scores {
    let size = template.rows
    let places = patch.rows - size + 1
    let mean = Float(template.mean)
    let zero = template.values.map { $0 - mean }
    // A flat picture correlates with nothing: two grey levels are less than a camera's noise.
    let least = (2 * Double(size)) * (2 * Double(size))
    let own = max(zero.reduce(0) { $0 + Double($1) * Double($1) }, least)
    let count = Double(size * size)
    let scores = (0..<(places * places)).map { place -> Double in
        let (top, left) = (place / places, place % places)
        var (cross, sum, squares) = (0.0, 0.0, 0.0)
        for y in 0..<size {
            let row = (top + y) * patch.columns + left
            for x in 0..<size {
                let value = Double(patch.values[row + x])
                cross += value * Double(zero[y * size + x])
                sum += value
                squares += value * value
            }
        }
        let energy = max(squares - sum * sum / count, 0)
        return cross / (max(energy, least) * own).squareRoot()
    }
    return Scores(scores, size: places)
}
