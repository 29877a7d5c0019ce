// @generated@
import XCTest

@testable import @module@

/// Crops, tracking between searches, and who is who.
final class FaceTests: GoldenCase {
    func testCropsOfFaces() throws {
        let picture = try frame(golden["host_frame"])
        let boxes = try golden["host_boxes"]
        for index in 0..<boxes.count {
            let crop = try XCTUnwrap(cropFace(picture, box(boxes.row(index))))
            near(crop, try golden["host_crops"].row(index), 2e-3, "face \(index)")
        }
        let dark = [UInt8](repeating: 0, count: picture.rgb.count)
        let black = try Frame(rgb: dark, width: picture.width, height: picture.height)
        XCTAssertNil(try cropFace(black, Box(x: 0, y: 0, width: 8, height: 8)))
    }

    func testFacesFollowedBetweenSearches() throws {
        guard golden.has("stage_tracks_found") else { return }
        let times = try golden["stage_tracks_times"].values.map { Double($0) }
        let options = try golden["stage_tracks_options"].values
        let detector = Script()
        let tracker = FaceTracker(detector, detectSeconds: Double(options[0]), most: Int(options[1]))
        let chosen = FaceOptions(faces: Int(options[1]), detectSeconds: Double(options[0]), preferSpeaking: false)
        let persons = FaceTracks(detector, options: chosen)
        for (step, time) in times.enumerated() {
            let picture = try film(step)
            let rows = try golden["stage_tracks_detections"].part(step)
            let found = (0..<rows.count).map { box(rows.row($0)) }.filter { $0.width > 0 }
            detector.faces = found.map { Detection(box: $0, score: 1) }
            let before = tracker.searches
            let tracks = try tracker.follow(picture, at: time).map { FaceView(id: $0.id, box: $0.box) }
            try same(tracks, golden["stage_tracks_found"].part(step), "tracks of step \(step)")
            XCTAssertEqual(tracker.searches - before, try golden["stage_tracks_asked"].ints[step], "step \(step)")
            let seen = try persons.look([TimedFrame(time: time) { picture }]).map(\.view)
            try same(seen, golden["stage_tracks_persons"].part(step), "persons of step \(step)")
        }
    }

    func testTheFaceWhoseMouthMovesWithTheSoundIsPreferred() throws {
        guard golden.has("stage_speaking_open") else { return }
        let boxes = try golden["stage_speaking_boxes"]
        let gone = try golden["stage_speaking_gone"].ints
        let levels = try golden["stage_speaking_levels"]
        let detector = Script()
        let tracks = FaceTracks(detector, options: FaceOptions(faces: 2, detectSeconds: 0))
        for step in 0..<levels.count {
            let there = (0..<boxes.count).filter { $0 > 0 || gone[step] == 0 }.map { boxes.row($0) }
            detector.faces = there.map { Detection(box: box([$0[0], $0[1], $0[2], $0[2]]), score: 1) }
            let frames = try [0.0625, 0.1875].enumerated().map { number, since in
                let picture = try speakingFilm(step, number, gone: gone[step] != 0)
                return TimedFrame(time: 0.25 * Double(step) + since) { picture }
            }
            let level = levels.row(step)
            let halves = level.flatMap { [Float](repeating: $0, count: 2000) }
            let seen = try tracks.look(frames, sound: level[0] < 0 ? nil : halves).map(\.view)
            try same(seen, golden["stage_speaking_persons"].part(step), "faces of step \(step)")
        }
    }

    func testWhichFramesOfAStepAreLookedAt() throws {
        guard golden.has("stage_tracks_looked") else { return }
        let looked = try golden["stage_tracks_looked"]
        for index in 0..<looked.count {
            XCTAssertEqual(searched(index + 1), looked.row(index).map { Int($0) }.filter { $0 >= 0 })
        }
    }

    func testSquaresOfEyesAndMouths() throws {
        guard golden.has("stage_square_points") else { return }
        let points = try golden["stage_square_points"]
        for index in 0..<points.count {
            let row = points.row(index).map { Double($0) }
            let (one, other) = (Point(x: row[0], y: row[1]), Point(x: row[2], y: row[3]))
            let found = try squareOfLandmarks(one, other, mouth: Point(x: row[4], y: row[5]))
            let values = [found.x, found.y, found.width, found.height].map { Float($0) }
            near(values, try golden["stage_square_boxes"].row(index), 1e-3, "square \(index)")
        }
    }

    /// A background with pictures laid over it, in their order.
    private func film(_ step: Int) throws -> Frame {
        let background = try golden["stage_tracks_backgrounds"].part(golden["stage_tracks_background"].ints[step])
        var values = background.values
        let width = background.shape[1]
        let places = try golden["stage_tracks_places"].part(step)
        for index in 0..<places.count {
            let (left, top) = (Int(places.row(index)[0]), Int(places.row(index)[1]))
            if left < 0 { continue }
            lay(try golden["stage_tracks_pictures"].part(index), left, top, over: &values, width: width)
        }
        return try frame(Golden.Values(shape: background.shape, values: values))
    }

    /// A background with faces, and the mouths of those that have them open.
    private func speakingFilm(_ step: Int, _ number: Int, gone: Bool) throws -> Frame {
        let background = try golden["stage_tracks_backgrounds"].part(0)
        var values = background.values
        let width = background.shape[1]
        let open = try golden["stage_speaking_open"].part(step).row(number)
        for person in open.indices where person > 0 || !gone {
            let place = try golden["stage_speaking_boxes"].row(person).map { Int($0) }
            let face = try golden["stage_tracks_pictures"].part(person)
            lay(face, place[0], place[1], over: &values, width: width)
            if open[person] == 0 { continue }
            let mouth = try golden["stage_speaking_mouths"].part(person)
            lay(mouth, place[0] + 14, place[1] + 33, over: &values, width: width)
        }
        return try frame(Golden.Values(shape: background.shape, values: values))
    }

    private func lay(_ picture: Golden.Values, _ left: Int, _ top: Int, over values: inout [Float], width: Int) {
        let line = 3 * picture.shape[1]
        for row in 0..<picture.count {
            let to = 3 * ((top + row) * width + left)
            values.replaceSubrange(to..<(to + line), with: picture.row(row))
        }
    }

    /// Ids are the same; boxes to a tenth of a pixel.
    private func same(_ found: [FaceView], _ wanted: Golden.Values, _ what: String) throws {
        let rows = (0..<wanted.count).map { wanted.row($0) }.filter { $0[0] >= 0 }
        XCTAssertEqual(found.map(\.id), rows.map { Int($0[0]) }, what)
        for (view, row) in zip(found, rows) {
            let values = [view.box.x, view.box.y, view.box.width, view.box.height].map { Float($0) }
            near(values, Array(row.dropFirst()), 0.1, what)
        }
    }
}

private final class Script: FaceDetector {
    var faces: [Detection] = []

    func detect(_ frame: Frame) -> [Detection] { faces }
}
