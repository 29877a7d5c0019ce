// @generated@
import Foundation
import XCTest

@testable import @module@

/// Temperature, abstention, valence and arousal in each state of what is there; saved baselines.
final class DecisionTests: GoldenCase {
    func testDecisions() throws {
        let logits = try golden["host_logits"]
        for index in 0..<logits.count {
            let held = try golden["host_present"].row(index).map { Int($0) }
            let present = Dictionary(uniqueKeysWithValues: zip(Modality.allCases, held))
            let found = decide(logits.row(index), present: present)
            let shares = Emotion.allCases.map { Float(found.probabilities[$0] ?? .nan) }
            near(shares, try golden["host_probabilities"].row(index), 1e-6, "decision \(index)")
            let named = found.emotion.flatMap { Emotion.allCases.firstIndex(of: $0) } ?? -1
            let said = [Float(named), Float(found.valence), Float(found.arousal)]
            near(said, try golden["host_decisions"].row(index), 1e-6, "decision \(index)")
        }
    }

    func testSavedBaselines() throws {
        guard golden.has("stage_profile_text") else { return }
        let text = Data(try golden["stage_profile_text"].values.map { UInt8($0) })
        var baseline = try PersonalBaseline(json: text)
        let known = Modality.allCases.filter { $0.populationMean != nil }
        XCTAssertEqual(known.map { baseline.steps[$0] }, try golden["stage_profile_steps"].ints)
        for modality in known {
            near(baseline.mean(modality), try golden["stage_profile_mean_\(modality)"].values, 1e-5, "\(modality)")
            baseline.observe(modality, try golden["stage_profile_row_\(modality)"].values)
            near(baseline.mean(modality), try golden["stage_profile_next_\(modality)"].values, 1e-5, "\(modality)")
        }
        for damaged in try golden.texts("stage_profile_refused") {
            XCTAssertThrowsError(try PersonalBaseline(json: Data(damaged.utf8)))
        }
    }
}
