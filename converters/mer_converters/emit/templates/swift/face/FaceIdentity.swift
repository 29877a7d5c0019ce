// @generated@

// The picture that is described, pixels, and cells in each direction. Smaller faces are not described.
private let pictureSize = 48
private let cells = 6
private let smallestFace = 40.0
// Two pictures of one person: similarity above this.
private let samePerson = 0.69
// A view less similar than this to those that are kept is kept too; the oldest of so many goes.
private let newView = 0.85
private let mostViews = 8
private let mostPersons = 32
private let kinds = 59
private let neighbours = [(-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1)]

/// Ids of persons, from 0. A face that looks like nobody remembered gets the next one; none is given twice.
///
/// Nothing but descriptors is kept (2124 numbers a view), in memory alone. They can tell people apart: biometric data.
public final class IdentityMemory {
    private struct Person {
        let id: Int
        var views: [[Float]] = []
        var time: Double
    }

    private let rememberSeconds: Double
    // In the order in which they were first seen.
    private var persons: [Person] = []
    private var next = 0

    public init(rememberSeconds: Double) {
        self.rememberSeconds = rememberSeconds
    }

    /// The ids of those remembered.
    public var known: [Int] { persons.map(\.id) }

    /// Forget everybody; ids begin at 0 again.
    public func reset() {
        persons = []
        next = 0
    }

    /// The id of the person that a new face shows: the most similar one above the threshold, or a new id.
    ///
    /// - Parameters:
    ///   - view: of `describe`; nil always gives a new id.
    ///   - present: persons who are in the picture already and cannot be this face.
    public func recognise(_ view: [Float]?, at time: Double, present: Set<Int> = []) -> Int {
        passTime(time)
        var best = samePerson
        var found: Int?
        for one in persons {
            guard let view, !present.contains(one.id), !one.views.isEmpty else { continue }
            let similar = similarity(view, one.views)
            if similar > best { (best, found) = (similar, one.id) }
        }
        let person = found ?? next
        if found == nil { next += 1 }
        observe(person, view, at: time)
        return person
    }

    /// This person is seen now, and looks like this.
    public func observe(_ person: Int, _ view: [Float]?, at time: Double) {
        let place = persons.firstIndex { $0.id == person } ?? persons.count
        if place == persons.count { persons.append(Person(id: person, time: time)) }
        persons[place].time = time
        if let view, persons[place].views.isEmpty || similarity(view, persons[place].views) < newView {
            if persons[place].views.count == mostViews { persons[place].views.removeFirst() }
            persons[place].views.append(view)
        }
        if persons.count > mostPersons {
            let oldest = persons.indices.min { persons[$0].time < persons[$1].time }
            if let oldest { persons.remove(at: oldest) }
        }
    }

    /// It is so many seconds into the stream: who was not seen for long is forgotten.
    public func passTime(_ time: Double) {
        persons.removeAll { time - $0.time > rememberSeconds }
    }

    /// Forget one person. Who comes back gets a new id.
    public func forget(_ person: Int) {
        persons.removeAll { $0.id == person }
    }
}

/// What a face looks like: histograms of local binary patterns, 2124 numbers; nil where it is too small.
public func describe(_ frame: Frame, _ box: Box) -> [Float]? {
    box.side < smallestFace ? nil : descriptor(facePatch(frame, box, size: pictureSize))
}

private func descriptor(_ picture: Patch) -> [Float] {
    let size = pictureSize - 2
    // A sum over 3 x 3 pixels: patterns of single pixels are noise and compression.
    var sums: [Float] = []
    sums.reserveCapacity(pictureSize * pictureSize)
    for row in 0..<pictureSize {
        for column in 0..<pictureSize {
            var sum: Float = 0
            for y in (row - 1)...(row + 1) {
                for x in (column - 1)...(column + 1) {
                    sum += picture[min(max(y, 0), pictureSize - 1), min(max(x, 0), pictureSize - 1)]
                }
            }
            sums.append(sum)
        }
    }
    let smooth = Patch(values: sums, rows: pictureSize, columns: pictureSize)
    var histogram = [Int](repeating: 0, count: cells * cells * kinds)
    var pixels = [Int](repeating: 0, count: cells * cells)
    for row in 0..<size {
        for column in 0..<size {
            var code = 0
            for (bit, (down, right)) in neighbours.enumerated()
            where smooth[1 + row + down, 1 + column + right] >= smooth[1 + row, 1 + column] {
                code |= 1 << bit
            }
            let cell = cellOf[row] * cells + cellOf[column]
            histogram[cell * kinds + uniform[code]] += 1
            pixels[cell] += 1
        }
    }
    return histogram.enumerated().map { index, count in
        Float((Double(count) / Double(pixels[index / kinds])).squareRoot() / Double(cells))
    }
}

/// Of one view to the most similar of others, 0 to 1.
private func similarity(_ view: [Float], _ views: [[Float]]) -> Double {
    views.map { other in zip(view, other).reduce(0) { $0 + Double($1.0) * Double($1.1) } }.max() ?? -Double.infinity
}

/// Code of 8 bits -> its number among the 58 with at most two changes around the circle; 58 for all others.
private let uniform: [Int] = {
    var number = -1
    return (0..<256).map { code in
        let turned = code >> 1 | (code & 1) << 7
        guard (code ^ turned).nonzeroBitCount <= 2 else { return kinds - 1 }
        number += 1
        return number
    }
}()

/// The cell of each row, and of each column.
private let cellOf: [Int] = {
    let size = pictureSize - 2
    let edges = (0...cells).map { Int((Double($0 * size) / Double(cells)).rounded(.toNearestOrEven)) }
    return (0..<size).map { place in (edges.lastIndex { $0 <= place }) ?? 0 }
}()
