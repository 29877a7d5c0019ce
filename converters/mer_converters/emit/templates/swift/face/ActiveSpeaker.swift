// @generated@
import Foundation

private let windowSeconds = 2.0
// Side of the grey pictures, and by how much two may be shifted against each other, pixels.
private let faceSize = 32
private let shift = 4
// In a frontal detector's box: the mouth, and what moves with the head alone, as rows and columns of the picture.
private let mouth = (rows: 21..<31, columns: 9..<23)
private let rest = (rows: 7..<20, columns: 7..<25)
// Change that a camera's noise makes, in standard deviations of the face.
private let noise = 0.02
// The sound's level counts between these, dB re full scale.
private let (quiet, loud) = (-60.0, -20.0)
private let activity = 0.5
// Another face is preferred when its score is ahead by this factor, and by this much, for so many seconds.
private let (leadFactor, lead, leadSeconds) = (1.3, 0.1, 0.5)
private let least = 4

/// Chooses among faces by whose mouth moves with the sound; the choice holds until another is clearly ahead.
public final class ActiveSpeaker {
    private struct Moment {
        let time: Double
        let motion: Double
        let level: Double
    }

    private struct Face {
        var picture: Patch
        var time: Double
        var timeline: [Moment] = []
    }

    private var faces: [Int: Face] = [:]
    private var preferred: Int?
    private var ahead: (key: Int, time: Double)?

    public init() {}

    /// Begin anew, with nobody preferred.
    public func reset() {
        faces = [:]
        preferred = nil
        ahead = nil
    }

    /// Forget what one face did.
    public func forget(_ key: Int) {
        faces[key] = nil
        if preferred == key { preferred = nil }
    }

    /// Looks at the faces of one frame. `level` is that of the sound since the frame before, 0 to 1; nil where there is
    /// none.
    public func watch(_ frame: Frame, _ boxes: [FaceView], at time: Double, level: Double?) {
        faces = faces.filter { time - $0.value.time <= windowSeconds }
        for view in boxes {
            let margin = Double(shift) / Double(faceSize)
            let wide = facePatch(frame, view.box, size: faceSize + 2 * shift, margin: margin)
            let picture = wide.part(row: shift, column: shift, size: faceSize)
            guard var face = faces[view.id] else {
                faces[view.id] = Face(picture: picture, time: time)
                continue
            }
            let scores = correlation(face.picture, wide)
            if let level {
                let moved = motion(face.picture, wide.part(row: scores.row, column: scores.column, size: faceSize))
                face.timeline.append(Moment(time: time, motion: moved, level: level))
            }
            face.timeline.removeAll { time - $0.time > windowSeconds }
            face.picture = picture
            face.time = time
            faces[view.id] = face
        }
    }

    /// How much a face's mouth goes with the sound; 0 where too little is known. Only compares faces.
    public func score(_ key: Int) -> Double {
        guard let timeline = faces[key]?.timeline, timeline.count >= least else { return 0 }
        guard timeline.contains(where: { $0.level > 0 }) else { return 0 }
        let count = Double(timeline.count)
        let motion = timeline.reduce(0) { $0 + $1.motion } / count
        let total = timeline.reduce(0) { $0 + $1.level }
        let level = total / count
        let spread = (timeline.reduce(0) { $0 + ($1.level - level) * ($1.level - level) } / count).squareRoot()
        let together = timeline.reduce(0) { $0 + ($1.motion - motion) * ($1.level - level) } / count
        let active = timeline.reduce(0) { $0 + $1.motion * $1.level } / total
        return together / max(spread, 0.1) + activity * active
    }

    /// The face to prefer among these; nil where there is none. The first choice is the largest face.
    public func prefer(_ boxes: [FaceView], at time: Double) -> Int? {
        guard let largest = boxes.max(by: { $0.box.area < $1.box.area }) else { return nil }
        var held = preferred ?? largest.id
        if preferred == nil || !boxes.contains(where: { $0.id == held }) {
            ahead = nil
            held = largest.id
            preferred = held
        }
        let scores = boxes.map { (key: $0.id, score: score($0.id)) }
        guard let best = scores.max(by: { $0.score < $1.score }) else { return held }
        let own = scores.first { $0.key == held }?.score ?? 0
        if best.key == held || best.score < max(own, 0) * leadFactor + lead {
            ahead = nil
        } else if let before = ahead, before.key == best.key {
            if time - before.time > leadSeconds - 1e-3 {
                preferred = best.key
                ahead = nil
            }
        } else {
            ahead = (best.key, time)
        }
        return preferred
    }
}

/// The level of some sound, 0 (at most -60 dB) to 1 (at least -20 dB); nil where there is no sample.
public func soundLevel(_ samples: [Float]) -> Double? {
    if samples.isEmpty { return nil }
    let power = samples.reduce(0) { $0 + Double($1) * Double($1) } / Double(samples.count)
    return min(1, max(0, (10 * log10(power + 1e-12) - quiet) / (loud - quiet)))
}

/// Logarithm of how much more the mouth's region changed than eyes and nose; 0 for a face at rest.
private func motion(_ before: Patch, _ now: Patch) -> Double {
    let (old, new) = (before.mean, now.mean)
    let squares = before.values.reduce(0) { $0 + (Double($1) - old) * (Double($1) - old) }
    let spread = max((squares / Double(before.values.count)).squareRoot(), 2)
    func change(_ part: (rows: Range<Int>, columns: Range<Int>)) -> Double {
        var sum = 0.0
        for row in part.rows {
            for column in part.columns {
                sum += abs((Double(now[row, column]) - new) - (Double(before[row, column]) - old)) / spread
            }
        }
        return sum / Double(part.rows.count * part.columns.count)
    }
    return log((change(mouth) + noise) / (change(rest) + noise))
}
