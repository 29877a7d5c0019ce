// @generated@

// Boxes of two frames are one face above this intersection over union.
private let sameFaceIoU = 0.3
// A face that is gone keeps its place this long, seconds.
private let trackSeconds = 2.0
// Side of a template, pixels; a face is searched for half of its side away in each direction.
private let templateSize = 24
private let reach = 12
// Correlation from which the tracker is sure.
private let sureFrom = 0.75
private let scales = [0.92, 1.09]
private let scaleGain = 0.01
// So many searches in a row may miss a face that correlates.
private let mostMisses = 3
// Of a face at the edge more lies outside than inside; a box many times as large as the frame is none.
private let largestFace = 4.0
// A cut: the picture, this small, correlates less with the one before, and differs by so many grey levels.
private let (cutRows, cutColumns) = (18, 32)
private let (cutCorrelation, cutLevels) = (0.6, 10.0)

/// One face followed: `id` is never given twice; `found` is how often the detector found it.
public final class Track {
    public let id: Int
    public internal(set) var box: Box
    public internal(set) var time: Double
    public internal(set) var found = 1
    var template: Patch
    var velocity = (x: 0.0, y: 0.0)
    var misses = 0
    var lost = false

    init(id: Int, box: Box, time: Double, template: Patch) {
        self.id = id
        self.box = box
        self.time = time
        self.template = template
    }
}

/// Follows several faces, each with an id that stays: seldom searched for, otherwise found again by a small grey
/// picture of each.
///
/// The detector is asked where no face is followed, where the correlation of one is not sure, after a cut, and else
/// every `detectSeconds`. A first face is given at once; one that appears beside others when it was found in two
/// searches.
public final class FaceTracker {
    private let detector: FaceDetector
    private let detectSeconds: Double
    private let most: Int
    private var next = 0
    private var searchedAt = -Double.infinity
    private var thumbnail: Patch?
    private var size = (width: 0, height: 0)

    /// Those followed in the frame looked at last, and those lost that may come back.
    public private(set) var tracks: [Track] = []
    /// Calls of the detector since the last reset.
    public private(set) var searches = 0

    public init(_ detector: FaceDetector, detectSeconds: Double, most: Int) {
        self.detector = detector
        self.detectSeconds = detectSeconds
        self.most = most
    }

    /// Forget all tracks; ids begin at 0 again.
    public func reset() {
        tracks = []
        next = 0
        searchedAt = -Double.infinity
        thumbnail = nil
        size = (0, 0)
        searches = 0
    }

    /// End one track; the face, if still there, begins another.
    public func drop(_ track: Int) {
        tracks.removeAll { $0.id == track }
    }

    /// The faces in a frame at `time` seconds, longest followed first.
    public func follow(_ frame: Frame, at time: Double) throws -> [Track] {
        // In a picture of another size the places of the faces before say nothing.
        if isCut(frame) || size != (frame.width, frame.height) { tracks = [] }
        size = (frame.width, frame.height)
        tracks = tracks.filter { time - $0.time <= trackSeconds }
        let live = tracks.filter { !$0.lost }
        let sure = live.filter { move($0, frame, time) }
        let known = live.allSatisfy { $0.found > 1 && $0.misses == 0 }
        let settled = !live.isEmpty && sure.count == live.count && known
        // The first search of a face is not repeated for its own sake where it is the only one.
        let alone = live.count == 1 && sure.count == 1 && live[0].misses == 0
        // Time stamps are rounded: a search that is due within a millisecond is due.
        if !(settled || alone) || time - searchedAt > detectSeconds - 1e-3 { try search(frame, time, sure) }
        let shown = tracks.filter { !$0.lost }
        let found = shown.filter { $0.found > 1 }
        return found.isEmpty ? Array(shown.prefix(1)) : found
    }

    private func search(_ frame: Frame, _ time: Double, _ sure: [Track]) throws {
        searches += 1
        searchedAt = time
        let found = try detector.detect(frame).map(\.box).filter { isIn(frame, $0) }.enumerated()
        let largest = found.sorted { ($1.element.area, $0.offset) < ($0.element.area, $1.offset) }.map(\.element)
        let boxes = Array(largest.prefix(2 * most))
        let pairs = assign(tracks.map(\.box), boxes)
        let before = tracks
        var left: [Track] = []
        for (index, track) in before.enumerated() {
            if let pair = pairs[index] {
                place(track, boxes[pair], time)
                track.template = facePatch(frame, track.box, size: templateSize)
                track.found += 1
                track.misses = 0
                track.lost = false
            } else {
                track.misses += 1
                // What was found but once, beside others, was no face.
                if track.found == 1 && before.count > 1 { continue }
                track.lost = track.lost || !sure.contains { $0 === track } || track.misses >= mostMisses
            }
            left.append(track)
        }
        for (index, box) in boxes.enumerated() {
            let shown = left.filter { !$0.lost }
            let taken = pairs.values.contains(index) || shown.contains { overlap(box, $0.box) > sameFaceIoU }
            if taken || shown.count >= most { continue }
            let template = facePatch(frame, box, size: templateSize)
            left.append(Track(id: next, box: box, time: time, template: template))
            next += 1
        }
        tracks = left
    }

    /// Puts a track where its template correlates best; false, and no move, where that is not sure.
    private func move(_ track: Track, _ frame: Frame, _ time: Double) -> Bool {
        let bound = 0.25 * track.box.side
        let gap = time - track.time
        var expected = track.box
        expected.x += bounded(track.velocity.x * gap, bound)
        expected.y += bounded(track.velocity.y * gap, bound)
        var (score, box) = best(track.template, frame, expected, reach)
        for scale in scales {
            let (other, moved) = best(track.template, frame, scaled(box, scale), 2)
            if other > score + scaleGain { (score, box) = (other, moved) }
        }
        if score < sureFrom { return false }
        place(track, box, time)
        return true
    }

    private func place(_ track: Track, _ box: Box, _ time: Double) {
        let gap = time - track.time
        if gap > 0 {
            track.velocity.x = (box.centreX - track.box.centreX) / gap
            track.velocity.y = (box.centreY - track.box.centreY) / gap
        }
        track.box = box
        track.time = time
    }

    private func isCut(_ frame: Frame) -> Bool {
        let whole = Box(x: 0, y: 0, width: Double(frame.width), height: Double(frame.height))
        let small = sampled(frame, whole, rows: cutRows, columns: cutColumns)
        let last = thumbnail
        thumbnail = small
        guard let last else { return false }
        let change = zip(small.values, last.values).reduce(0) { $0 + Double(abs($1.0 - $1.1)) }
        if change / Double(small.values.count) < cutLevels { return false }
        let (a, b) = (small.mean, last.mean)
        var (cross, ownA, ownB) = (0.0, 0.0, 0.0)
        for (now, before) in zip(small.values, last.values) {
            let (x, y) = (Double(now) - a, Double(before) - b)
            cross += x * y
            ownA += x * x
            ownB += y * y
        }
        return cross < cutCorrelation * (ownA * ownB).squareRoot()
    }
}

/// Which box is which track: the pairs of overlap above 0.3 whose sum is highest. Index of a track -> of its box.
public func assign(_ tracks: [Box], _ boxes: [Box]) -> [Int: Int] {
    let near = tracks.map { track in
        boxes.enumerated().map { (number: $0.offset, share: overlap(track, $0.element)) }
            .filter { $0.share > sameFaceIoU }
    }
    func choose(_ index: Int, _ taken: Set<Int>) -> (total: Double, pairs: [Int: Int]) {
        if index == tracks.count { return (0, [:]) }
        var result = choose(index + 1, taken)
        for pair in near[index] where !taken.contains(pair.number) {
            var other = choose(index + 1, taken.union([pair.number]))
            other.total += pair.share
            other.pairs[index] = pair.number
            if other.total > result.total { result = other }
        }
        return result
    }
    return choose(0, []).pairs
}

/// The highest correlation within so many template pixels around a box, and where it is.
private func best(_ template: Patch, _ frame: Frame, _ box: Box, _ reach: Int) -> (Double, Box) {
    let margin = Double(reach) / Double(templateSize)
    let scores = correlation(template, facePatch(frame, box, size: templateSize + 2 * reach, margin: margin))
    let pixel = box.side / Double(templateSize)
    let down = (0..<scores.size).map { scores.at($0, scores.column) }
    let across = (0..<scores.size).map { scores.at(scores.row, $0) }
    var moved = box
    moved.x += (Double(scores.column - reach) + peak(across, scores.column)) * pixel
    moved.y += (Double(scores.row - reach) + peak(down, scores.row)) * pixel
    return (scores.score, moved)
}

/// How far the top of a parabola through three values lies from the middle one, -0.5 to 0.5.
private func peak(_ values: [Double], _ index: Int) -> Double {
    guard index > 0, index < values.count - 1 else { return 0 }
    let bend = values[index - 1] - 2 * values[index] + values[index + 1]
    return bend >= 0 ? 0 : bounded(0.5 * (values[index - 1] - values[index + 1]) / bend, 0.5)
}

private func bounded(_ value: Double, _ most: Double) -> Double { max(-most, min(value, most)) }

private func scaled(_ box: Box, _ scale: Double) -> Box {
    let (width, height) = (box.width * scale, box.height * scale)
    return Box(x: box.centreX - width / 2, y: box.centreY - height / 2, width: width, height: height)
}

/// Whether a detector's box can be a face of the frame: finite, partly inside, and not many times as large.
private func isIn(_ frame: Frame, _ box: Box) -> Bool {
    guard (box.x + box.y + box.width + box.height).isFinite, box.width > 0, box.height > 0 else { return false }
    let (width, height) = (Double(frame.width), Double(frame.height))
    let small = max(box.width, box.height) <= largestFace * max(width, height)
    return small && box.x < width && box.y < height && box.x + box.width > 0 && box.y + box.height > 0
}
