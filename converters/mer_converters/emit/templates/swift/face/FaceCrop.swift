// @generated@

/// The crop that the face graph reads: RGB, 0 to 255, cropSize x cropSize x 3 values; nil where it is black, which
/// counts as "no face". Throws `SensorError.input` for a box without area.
public func cropFace(_ frame: Frame, _ box: Box) throws -> [Float]? {
    guard box.width > 0, box.height > 0, (box.x + box.y + box.width + box.height).isFinite else {
        throw SensorError.input("the face's box \(box) has no area")
    }
    let exact = box.side * (1 + 2 * Contract.cropMargin)
    let side = max(1, Int((exact + 0.5).rounded(.down)))
    let left = Int((box.x + (box.width - exact) / 2 + 0.5).rounded(.down))
    let top = Int((box.y + (box.height - exact) / 2 + 0.5).rounded(.down))
    let size = Contract.cropSize
    // Pixels outside the frame repeat the nearest edge pixel.
    let rows = (0..<side).map { min(max(top + $0, 0), frame.height - 1) }
    let columns = (0..<side).map { min(max(left + $0, 0), frame.width - 1) }
    let crop = resizeTriangle(frame, sourceRows: rows, sourceColumns: columns, rows: size, columns: size)
    return crop.contains { $0 > Contract.blackLevel } ? crop : nil
}
