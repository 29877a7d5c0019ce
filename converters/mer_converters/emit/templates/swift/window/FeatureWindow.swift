// @generated@

/// The last rows of one modality's features, newest last, and whose they are; a row may be missing.
struct FeatureWindow {
    private struct Row {
        let features: [Float]
        var owner: Int
        var due: Bool
    }

    private let size: Int
    private var rows: [Row?]

    init(length: Int, size: Int) {
        self.size = size
        rows = Array(repeating: nil, count: length)
    }

    /// Whether every row is missing.
    var isEmpty: Bool { rows.allSatisfy { $0 == nil } }

    /// Takes a row, nil where it is missing. Gives the owner and the row that leave the window and are due for the
    /// owner's baseline. A row that was `observed` was already taken into it.
    mutating func append(_ row: [Float]?, owner: Int, observed: Bool) -> (owner: Int, features: [Float])? {
        let leaving = rows.removeFirst()
        rows.append(row.map { Row(features: $0, owner: owner, due: !observed) })
        guard let leaving, leaving.due else { return nil }
        return (leaving.owner, leaving.features)
    }

    /// Puts rows in the places of the newest ones, oldest first, where these are missing; nil leaves a place.
    mutating func fill(_ found: [[Float]?], owner: Int) {
        let newest = Array(found.suffix(rows.count))
        for (index, row) in newest.enumerated() {
            let place = rows.count - newest.count + index
            if let row, rows[place] == nil { rows[place] = Row(features: row, owner: owner, due: true) }
        }
    }

    /// Lets all but the newest rows be missing: owners and rows that are due for a baseline, oldest first.
    mutating func begin(after newest: Int) -> [(owner: Int, features: [Float])] {
        let count = max(0, rows.count - newest)
        let gone = rows.prefix(count).compactMap { $0 }
        rows.replaceSubrange(0..<count, with: [Row?](repeating: nil, count: count))
        return gone.filter(\.due).map { (owner: $0.owner, features: $0.features) }
    }

    /// Lets no row of a person go into their baseline any more.
    mutating func settle(_ person: Int) {
        for index in rows.indices where rows[index]?.owner == person { rows[index]?.due = false }
    }

    /// Every row becomes the owner's.
    mutating func give(to owner: Int) {
        for index in rows.indices { rows[index]?.owner = owner }
    }

    /// A person's rows less their baseline, 0 where missing; and 1 where a row is there.
    func read(less mean: [Float], of person: Int) -> (rows: [Float], mask: [Float]) {
        var values = [Float](repeating: 0, count: rows.count * size)
        var mask = [Float](repeating: 0, count: rows.count)
        for (index, row) in rows.enumerated() {
            guard let row, row.owner == person else { continue }
            mask[index] = 1
            for place in 0..<size { values[index * size + place] = row.features[place] - mean[place] }
        }
        return (values, mask)
    }
}
