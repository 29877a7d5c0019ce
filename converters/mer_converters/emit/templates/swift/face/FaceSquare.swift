// @generated@
import Foundation

// Side of the square: the larger of these, so that a head that turns or nods keeps its size.
private let sideByEyes = @side_by_eyes@
private let sideByMouth = @side_by_mouth@
// Its centre lies on the line from the middle between the eyes to the mouth, this share of it down.
private let downToMouth = @down_to_mouth@

/// A place in a frame, pixels from the top left corner.
public struct Point: Equatable, Sendable {
    public let x: Double
    public let y: Double

    public init(x: Double, y: Double) {
        self.x = x
        self.y = y
    }
}

/// The contract's box from eyes and mouth, for a detector of the system whose own box is another one: the emotion model
/// learned from crops of this square. With Vision's `VNDetectFaceLandmarksRequest` an eye is the mean of the points of
/// `leftEye` or `rightEye`, and the mouth that of `outerLips`; Vision's y runs upwards, so turn it over first.
///
/// - Parameters:
///   - oneEye: centre of an eye; `otherEye` likewise, in any order.
///   - mouth: its middle.
/// - Throws: `SensorError.input` where a point is not finite, or all lie on one spot.
public func squareOfLandmarks(_ oneEye: Point, _ otherEye: Point, mouth: Point) throws -> Box {
    let values = [oneEye.x, oneEye.y, otherEye.x, otherEye.y, mouth.x, mouth.y]
    guard values.allSatisfy(\.isFinite) else {
        throw SensorError.input("the landmarks \(values) are not numbers; leave this face out")
    }
    let (middleX, middleY) = ((oneEye.x + otherEye.x) / 2, (oneEye.y + otherEye.y) / 2)
    let eyes = hypot(otherEye.x - oneEye.x, otherEye.y - oneEye.y)
    let down = hypot(mouth.x - middleX, mouth.y - middleY)
    let side = max(sideByEyes * eyes, sideByMouth * down)
    guard side > 0 else { throw SensorError.input("eyes and mouth lie on one spot; leave this face out") }
    let x = middleX + downToMouth * (mouth.x - middleX)
    let y = middleY + downToMouth * (mouth.y - middleY)
    return Box(x: x - side / 2, y: y - side / 2, width: side, height: side)
}
