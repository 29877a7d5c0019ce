// @generated@
package @package@

import kotlin.math.floor

/**
 * The crop that the face graph reads: RGB, 0 to 255, [Contract.CROP_SIZE] x [Contract.CROP_SIZE] x 3.
 *
 * @return null where the crop is black, which counts as "no face".
 * @throws IllegalArgumentException a box without area.
 */
fun cropFace(frame: Frame, box: Box): FloatArray? {
    val finite = (box.x + box.y + box.width + box.height).isFinite()
    require(finite && box.width > 0 && box.height > 0) { "$box has no area" }
    val exact = box.side * (1 + 2 * Contract.CROP_MARGIN)
    val side = maxOf(1, floor(exact + 0.5).toInt())
    val left = floor(box.x + (box.width - exact) / 2 + 0.5).toInt()
    val top = floor(box.y + (box.height - exact) / 2 + 0.5).toInt()
    // Pixels outside the frame repeat the nearest edge pixel.
    val rows = IntArray(side) { (top + it).coerceIn(0, frame.height - 1) }
    val columns = IntArray(side) { (left + it).coerceIn(0, frame.width - 1) }
    val crop = resizeTriangle(frame, rows, columns, Contract.CROP_SIZE, Contract.CROP_SIZE)
    return crop.takeIf { it.max() > Contract.BLACK_LEVEL }
}
