// @generated@

// A step looks at its last frame; at earlier ones, up to so many in all, where that one is dark or lost the face.
private let framesTried = 3

/// A picture: RGB, 3 bytes a pixel, rows from the top, without padding.
public struct Frame: Sendable {
    public let rgb: [UInt8]
    public let width: Int
    public let height: Int

    /// Throws `SensorError.input` for another number of bytes than the size says.
    public init(rgb: [UInt8], width: Int, height: Int) throws {
        guard width > 0, height > 0, rgb.count == 3 * width * height else {
            throw SensorError.input("a frame of \(width) x \(height) pixels has \(rgb.count) bytes")
        }
        self.rgb = rgb
        self.width = width
        self.height = height
    }

    /// The brightest value of every `apart`th pixel of every `apart`th row.
    func brightest(apart: Int) -> UInt8 {
        var most: UInt8 = 0
        for y in stride(from: 0, to: height, by: apart) {
            for x in stride(from: 0, to: width, by: apart) {
                let place = 3 * (y * width + x)
                most = max(most, rgb[place], rgb[place + 1], rgb[place + 2])
            }
        }
        return most
    }
}

/// A face in pixels, its origin the top left corner; it may reach outside the frame.
public struct Box: Equatable, Sendable {
    public var x: Double
    public var y: Double
    public var width: Double
    public var height: Double

    public init(x: Double, y: Double, width: Double, height: Double) {
        self.x = x
        self.y = y
        self.width = width
        self.height = height
    }

    var area: Double { width * height }
    var side: Double { max(width, height) }
    var centreX: Double { x + width / 2 }
    var centreY: Double { y + height / 2 }
}

/// A face that a detector found; a higher score is surer.
public struct Detection: Sendable {
    public let box: Box
    public let score: Double

    public init(box: Box, score: Double) {
        self.box = box
        self.score = score
    }
}

/// Anything that finds faces.
public protocol FaceDetector: AnyObject {
    func detect(_ frame: Frame) throws -> [Detection]
}

/// Intersection over union of two boxes, 0 to 1.
public func overlap(_ a: Box, _ b: Box) -> Double {
    let width = min(a.x + a.width, b.x + b.width) - max(a.x, b.x)
    let height = min(a.y + a.height, b.y + b.height) - max(a.y, b.y)
    if width <= 0 || height <= 0 { return 0 }
    let shared = width * height
    return shared / (a.area + b.area - shared)
}

/// A frame at `time` seconds; its pixels are only asked for where they are looked at.
public struct TimedFrame {
    public let time: Double
    public let frame: () throws -> Frame

    public init(time: Double, frame: @escaping () throws -> Frame) {
        self.time = time
        self.frame = frame
    }
}

/// Which of a step's frames may be looked at: at most three, evenly from the first to the last.
public func searched(_ count: Int) -> [Int] {
    if count <= 1 { return Array(repeating: 0, count: count) }
    let picks = min(framesTried, count)
    return (0..<picks).map { place in
        let exact = Double(place) * Double(count - 1) / Double(picks - 1)
        return Int(exact.rounded(.toNearestOrEven))
    }
}
