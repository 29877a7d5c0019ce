// @generated@
import Foundation

private let longestWord = 24
private let longestMark = 3
private let apostrophe: Unicode.Scalar = "'"
private let singles: Set<UInt32> = [0x60, 0xB4, 0x2BC, 0x2018, 0x2019, 0x201A, 0x201B, 0x2032]
private let doubles: Set<UInt32> = [0xAB, 0xBB, 0x201C, 0x201D, 0x201E, 0x201F, 0x2033]
private let dashes: Set<UInt32> = [0x2010, 0x2011, 0x2012, 0x2013, 0x2014, 0x2015, 0x2212]
private let dropped: [ClosedRange<UInt32>] = [
    0x300...0x36F, 0x200B...0x200F, 0x2060...0x2064, 0xFE00...0xFE0F, 0xFEFF...0xFEFF, 0x1F3FB...0x1F3FF,
]
private let spaces: [ClosedRange<UInt32>] = [0x0...0x20, 0x7F...0xA0, 0x1680...0x1680, 0x2028...0x2029]
private let marks: [ClosedRange<UInt32>] = [
    0x21...0x2F, 0x3A...0x40, 0x5B...0x60, 0x7B...0x7E, 0xA1...0xBF, 0xD7...0xD7, 0xF7...0xF7, 0x2016...0x2027,
    0x2030...0x205E, 0x20A0...0x20CF, 0x2190...0x2BFF, 0x3001...0x303F, 0x1F000...0x1FAFF,
]

private enum Kind { case letter, mark, space }

/// The ids that the text graph reads, textWords x textSlots, of one utterance: hashed subwords of its first words, 0
/// where nothing is. A text without a word gives zeros throughout: the modality is missing.
public func textIDs(_ text: String) -> [Int] {
    var ids = [Int](repeating: 0, count: Contract.textWords * Contract.textSlots)
    for (row, word) in splitWords(text).prefix(Contract.textWords).enumerated() {
        for (slot, part) in subwords(word).enumerated() {
            ids[row * Contract.textSlots + slot] = 1 + Int(hash(part)) % (Contract.textBuckets - 1)
        }
    }
    return ids
}

/// What is hashed of one word, in the order of the slots: the marked word, then n-grams spread over it.
func subwords(_ word: [Unicode.Scalar]) -> [[Unicode.Scalar]] {
    let points: [Unicode.Scalar] = ["<"] + word + [">"]
    let longest = min(Contract.textLongest, points.count - 1)
    var ngrams: [[Unicode.Scalar]] = []
    for start in points.indices where longest >= Contract.textShortest {
        for length in Contract.textShortest...longest where start + length <= points.count {
            ngrams.append(Array(points[start..<(start + length)]))
        }
    }
    let room = Contract.textSlots - 1
    if ngrams.count > room {
        let last = ngrams.count - 1
        ngrams = (0..<room).map { ngrams[$0 * last / max(room - 1, 1)] }
    }
    return [points] + ngrams
}

/// All words of an utterance, normalised and cut. A word is a run of letters, or of one and the same mark.
func splitWords(_ text: String) -> [[Unicode.Scalar]] {
    let points = normalised(text)
    var kinds = points.map(kind)
    for index in points.indices.dropFirst().dropLast() where points[index] == apostrophe {
        if kinds[index - 1] == .letter && kinds[index + 1] == .letter { kinds[index] = .letter }
    }
    var words: [[Unicode.Scalar]] = []
    var start = 0
    while start < points.count {
        var end = start + 1
        while end < points.count, kinds[end] == kinds[start],
            kinds[start] != .mark || points[end] == points[start] { end += 1 }
        let most = kinds[start] == .mark ? longestMark : longestWord
        if kinds[start] != .space { words.append(Array(points[start..<min(end, start + most)])) }
        start = end
    }
    return words
}

/// FNV-1a of 32 bits, over UTF-8.
private func hash(_ points: [Unicode.Scalar]) -> UInt32 {
    var text = String.UnicodeScalarView()
    text.append(contentsOf: points)
    return String(text).utf8.reduce(2_166_136_261) { ($0 ^ UInt32($1)) &* 16_777_619 }
}

private func normalised(_ text: String) -> [Unicode.Scalar] {
    var replaced = String.UnicodeScalarView()
    for point in text.unicodeScalars {
        if singles.contains(point.value) {
            replaced.append(apostrophe)
        } else if doubles.contains(point.value) {
            replaced.append("\"")
        } else {
            replaced.append(dashes.contains(point.value) ? "-" : point)
        }
    }
    // Each code point by itself, so that no rule of a language or of its neighbours changes it.
    return String(replaced).decomposedStringWithCompatibilityMapping.unicodeScalars
        .filter { !within($0, dropped) }
        .flatMap { Array($0.properties.lowercaseMapping.unicodeScalars) }
}

private func kind(_ point: Unicode.Scalar) -> Kind {
    within(point, spaces) ? .space : within(point, marks) ? .mark : .letter
}

private func within(_ point: Unicode.Scalar, _ ranges: [ClosedRange<UInt32>]) -> Bool {
    ranges.contains { $0.contains(point.value) }
}
