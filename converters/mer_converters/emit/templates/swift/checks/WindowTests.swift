// @generated@
import XCTest

@testable import @module@

/// Windows, baselines, several persons, smoothing and alignment.
final class WindowTests: GoldenCase {
    func testWindowAndBaseline() throws {
        let fusion = FusionRecorder()
        let engine = StepEngine(fusion: fusion.run)
        for step in try golden["host_mask_\(Modality.allCases[0])"].values.indices {
            if step == @enrol_at@ { engine.enrol(steps: @enrol_steps@) }
            var features: [Modality: [Float]] = [:]
            for modality in Modality.allCases {
                let there = try golden["host_mask_\(modality)"].values[step] != 0
                if there { features[modality] = try golden["host_rows_\(modality)"].row(step) }
            }
            _ = try engine.advance(features)
        }
        for modality in Modality.allCases {
            near(fusion.seen("\(modality)"), try golden["host_window_\(modality)"].values, 1e-4, "\(modality)")
            XCTAssertEqual(fusion.seen("\(modality)_mask"), try golden["host_window_mask_\(modality)"].values)
        }
        engine.finish()
        let kept = try PersonalBaseline(json: engine.baseline.json)
        for modality in Modality.allCases {
            near(engine.baseline.mean(modality), try golden["host_mean_\(modality)"].values, 1e-4, "\(modality)")
            XCTAssertEqual(kept.mean(modality), engine.baseline.mean(modality))
        }
    }

    func testSmoothing() throws {
        guard golden.has("stage_smoothing_options") else { return }
        let options = try golden["stage_smoothing_options"]
        for index in 0..<options.count {
            let row = options.row(index).map { (Double($0) * 1e6).rounded() / 1e6 }
            let smoother = Smoother(Smoothing(seconds: row[0], margin: row[1]))
            let shares = try golden["stage_smoothing_probabilities"].part(index)
            let decisions = try golden["stage_smoothing_decisions"].part(index)
            for step in 0..<shares.count {
                let held = try golden["stage_smoothing_present"].row(step).map { Int($0) }
                let present = Dictionary(uniqueKeysWithValues: zip(Modality.allCases, held))
                let time = Double(try golden["stage_smoothing_times"].values[step])
                let person = try golden["stage_smoothing_persons"].ints[step]
                let logits = try golden["stage_smoothing_logits"].row(step)
                let raw = held.allSatisfy { $0 == 0 } ? nothing(present) : decide(logits, present: present)
                let said = smoothed(raw, smoother, at: time, person: person < 0 ? nil : person)
                let found = Emotion.allCases.map { Float(said.probabilities[$0] ?? .nan) }
                near(found, shares.row(step), 1e-5, "step \(step)")
                let named = said.emotion.flatMap { Emotion.allCases.firstIndex(of: $0) } ?? -1
                let told = [Float(named), Float(said.confidence), Float(said.valence), Float(said.arousal)]
                near(told, decisions.row(step), 1e-5, "step \(step)")
            }
        }
    }

    func testSeveralPersons() throws {
        guard golden.has("stage_persons_current") else { return }
        let fusion = FusionRecorder()
        let engine = StepEngine(fusion: fusion.run)
        let others = try golden["stage_persons_other"].ints
        for (step, who) in try golden["stage_persons_current"].ints.enumerated() {
            let there = try golden["stage_persons_faces_mask"].row(step)
            let faces = try golden["stage_persons_faces"].part(step)
            var features: [Modality: [Float]] = [:]
            for modality in Modality.allCases {
                if modality.rawValue == "face" && who >= 0 { features[modality] = faces.row(who) }
                if modality.rawValue == "audio", try golden["stage_persons_audio_mask"].values[step] != 0 {
                    features[modality] = try golden["stage_persons_audio"].row(step)
                }
            }
            let rest = there.indices.filter { there[$0] != 0 && $0 != who }.map { (person: $0, face: faces.row($0)) }
            fusion.clear()
            _ = try engine.advance(features, person: who < 0 ? nil : who, others: rest)
            try windows(fusion, "window", step)
            fusion.clear()
            if others[step] >= 0 { _ = try engine.look(at: others[step]) }
            try windows(fusion, "other", step)
        }
        engine.finish()
        let known = try golden["stage_persons_known"].ints
        XCTAssertEqual(engine.persons.sorted(), known)
        for modality in Modality.allCases {
            for (index, person) in known.enumerated() {
                let wanted = try golden["stage_persons_mean_\(modality)"].row(index)
                near(try engine.baseline(of: person).mean(modality), wanted, 1e-4, "person \(person)")
            }
        }
    }

    func testCrowd() throws {
        guard golden.has("stage_crowd_persons"), let face = Modality(rawValue: "face") else { return }
        let engine = StepEngine(fusion: FusionRecorder().run)
        let persons = try golden["stage_crowd_persons"]
        engine.enrol(steps: try golden["stage_crowd_enrol"].ints[0])
        for step in 0..<persons.count {
            let ids = persons.row(step).map { Int($0) }
            let faces = try golden["stage_crowd_faces"].part(step)
            let others = (1..<ids.count).map { (person: ids[$0], face: faces.row($0)) }
            _ = try engine.advance([face: faces.row(0)], person: ids[0], others: others)
            _ = try engine.look(at: ids[1])
        }
        engine.finish()
        XCTAssertEqual(engine.persons, try golden["stage_crowd_known"].ints)
        for (index, person) in persons.row(0).prefix(2).enumerated() {
            let wanted = try golden["stage_crowd_means"].row(index)
            near(try engine.baseline(of: Int(person)).mean(face), wanted, 1e-4, "person \(person)")
        }
    }

    func testStepsOfSoundAndPictures() throws {
        guard golden.has("stage_alignment_events") else { return }
        let alignment = StreamAlignment()
        let (events, sound) = (try golden["stage_alignment_events"], try golden["stage_alignment_sound"].values)
        let wanted = try golden["stage_alignment_steps"]
        let picture = try Frame(rgb: [0, 0, 0], width: 1, height: 1)
        var rows: [[Float]] = []
        var taken = 0
        // What is refused changes nothing.
        let rate = try golden["stage_alignment_rate"].ints[0]
        XCTAssertThrowsError(try alignment.addAudio([.nan], sampleRate: rate, time: 30))
        XCTAssertThrowsError(try alignment.addAudio([0], sampleRate: rate, time: 1.7e18))
        XCTAssertThrowsError(try alignment.addFrame(TimedFrame(time: 1.7e18) { picture }))
        XCTAssertThrowsError(try alignment.addFrame(TimedFrame(time: -1) { picture }))
        for index in 0..<events.count {
            // The file holds float32; the events were made with four places.
            let time = (Double(events.row(index)[1]) * 1e4).rounded() / 1e4
            if events.row(index)[0] == 0 {
                let piece = Array(sound[taken..<(taken + Int(events.row(index)[2]))])
                taken += piece.count
                try alignment.addAudio(piece, sampleRate: rate, time: time == -1 ? nil : time)
            } else {
                try alignment.addFrame(TimedFrame(time: time) { picture })
            }
            while alignment.isReady(patience: patienceSeconds) { rows.append(row(alignment, wanted.shape[1])) }
        }
        let end = alignment.end()
        while alignment.done < end { rows.append(row(alignment, wanted.shape[1])) }
        XCTAssertThrowsError(try alignment.addAudio([0], sampleRate: rate, time: 90))
        XCTAssertThrowsError(try alignment.addFrame(TimedFrame(time: 90) { picture }))
        XCTAssertEqual(rows.count, wanted.count)
        for (index, found) in rows.enumerated() where index < wanted.count {
            near(found, wanted.row(index), 1e-3, "step \(index)")
        }
    }

    private func row(_ alignment: StreamAlignment, _ length: Int) -> [Float] {
        let due = alignment.done
        alignment.skipEmpty(least: Contract.windowSteps)
        var found = [Float](repeating: -1, count: length)
        if alignment.done != due {
            found[1] = Float(alignment.done - due)
            found[2] = 0
            return found
        }
        let given = alignment.take()
        found[0] = Float(given.number)
        found[1] = given.chunk == nil ? 0 : 1
        found[2] = Float(given.frames.count)
        for (place, one) in given.frames.enumerated() { found[3 + place] = Float(one.time) }
        return found
    }

    private func windows(_ fusion: FusionRecorder, _ kind: String, _ step: Int) throws {
        for modality in Modality.allCases {
            let name = "stage_persons_\(kind)_\(modality)"
            near(fusion.seen("\(modality)"), try golden[name].row(step), 1e-4, "\(name), step \(step)")
            let mask = try golden["\(name)_mask"].row(step)
            XCTAssertEqual(fusion.seen("\(modality)_mask"), mask, "\(name), step \(step)")
        }
    }
}
