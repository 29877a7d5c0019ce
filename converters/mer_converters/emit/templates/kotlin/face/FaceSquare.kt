// @generated@
package @package@

import kotlin.math.hypot

// Side of the square: the larger of these, so that a head that turns or nods keeps its size.
private const val SIDE_BY_EYES = @side_by_eyes@
private const val SIDE_BY_MOUTH = @side_by_mouth@

// Its centre lies on the line from the middle between the eyes to the mouth, this share of it down.
private const val DOWN_TO_MOUTH = @down_to_mouth@

/** A place in a frame, pixels. */
data class Point(val x: Double, val y: Double)

/**
 * The contract's box from eyes and mouth, for a detector of the system whose own box is another one: the emotion model
 * learned from crops of this square. With ML Kit, for each face that has all of these landmarks:
 *
 * `squareOfLandmarks(LEFT_EYE, RIGHT_EYE, mean of MOUTH_LEFT and MOUTH_RIGHT)`.
 *
 * @param oneEye centre of an eye; [otherEye] likewise, in any order.
 * @param mouth its middle.
 * @throws IllegalArgumentException a point is not finite, or all lie on one spot.
 */
fun squareOfLandmarks(oneEye: Point, otherEye: Point, mouth: Point): Box {
    val values = listOf(oneEye, otherEye, mouth).flatMap { listOf(it.x, it.y) }
    require(values.all(Double::isFinite)) { "the landmarks $values are not numbers; leave this face out" }
    val middleX = (oneEye.x + otherEye.x) / 2
    val middleY = (oneEye.y + otherEye.y) / 2
    val eyes = hypot(otherEye.x - oneEye.x, otherEye.y - oneEye.y)
    val down = hypot(mouth.x - middleX, mouth.y - middleY)
    val side = maxOf(SIDE_BY_EYES * eyes, SIDE_BY_MOUTH * down)
    require(side > 0) { "eyes and mouth lie on one spot; leave this face out" }
    val x = middleX + DOWN_TO_MOUTH * (mouth.x - middleX)
    val y = middleY + DOWN_TO_MOUTH * (mouth.y - middleY)
    return Box(x - side / 2, y - side / 2, side, side)
}
