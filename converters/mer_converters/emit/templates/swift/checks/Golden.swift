// @generated@
import Foundation
import XCTest

@testable import @module@

/// "MERGOLD1", the number of arrays, then each: length of its name, name, rank, sizes, float32 values. Little-endian.
struct Golden {
    struct Values {
        let shape: [Int]
        let values: [Float]

        /// How many rows there are.
        var count: Int { shape[0] }
        var ints: [Int] { values.map { Int($0) } }

        func row(_ index: Int) -> [Float] {
            let length = count == 0 ? 0 : values.count / count
            return Array(values[(index * length)..<((index + 1) * length)])
        }

        /// The row as an array of its own.
        func part(_ index: Int) -> Values { Values(shape: Array(shape.dropFirst()), values: row(index)) }
    }

    private(set) var arrays: [String: Values] = [:]

    subscript(_ name: String) -> Values {
        get throws { try XCTUnwrap(arrays[name], "\(name) is missing from golden.bin") }
    }

    func has(_ name: String) -> Bool { arrays[name] != nil }

    /// Texts that lie one behind another, their lengths in bytes in `NAME_bytes`.
    func texts(_ name: String) throws -> [String] {
        let bytes = try self[name].values.map { UInt8($0) }
        var place = 0
        return try self["\(name)_bytes"].ints.map { length in
            defer { place += length }
            return String(decoding: bytes[place..<(place + length)], as: UTF8.self)
        }
    }

    init(_ data: Data) throws {
        guard data.starts(with: Data("MERGOLD1".utf8)) else { throw SensorError.input("this is no golden file") }
        var place = 8
        func take(_ count: Int) throws -> Data {
            guard place + count <= data.count else { throw SensorError.input("golden.bin breaks off") }
            defer { place += count }
            return data.subdata(in: place..<(place + count))
        }
        func words(_ count: Int) throws -> [UInt32] {
            let bytes = try take(4 * count)
            return bytes.withUnsafeBytes { raw in
                (0..<count).map { UInt32(littleEndian: raw.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self)) }
            }
        }
        let count = try Int(words(1)[0])
        for _ in 0..<count {
            let name = try String(decoding: take(Int(words(1)[0])), as: UTF8.self)
            let rank = try Int(words(1)[0])
            let shape = try words(rank).map { Int($0) }
            let values = try words(shape.reduce(1, *)).map { Float(bitPattern: $0) }
            arrays[name] = Values(shape: shape, values: values)
        }
    }
}

/// A case whose test reads the golden file.
class GoldenCase: XCTestCase {
    var golden: Golden!

    override func setUpWithError() throws {
        let file = try XCTUnwrap(Bundle.module.url(forResource: "golden", withExtension: "bin"))
        golden = try Golden(Data(contentsOf: file))
    }

    func near(_ found: [Float], _ wanted: [Float], _ tolerance: Double, _ what: String) {
        XCTAssertLessThanOrEqual(furthest(found, wanted), tolerance, what)
    }
}

func furthest(_ found: [Float], _ wanted: [Float]) -> Double {
    guard found.count == wanted.count, found.allSatisfy(\.isFinite) else { return .infinity }
    return zip(found, wanted).map { abs(Double($0) - Double($1)) }.max() ?? 0
}
//#if pictures

func frame(_ picture: Golden.Values) throws -> Frame {
    try Frame(rgb: picture.values.map { UInt8($0) }, width: picture.shape[1], height: picture.shape[0])
}

func box(_ row: [Float]) -> Box {
    Box(x: Double(row[0]), y: Double(row[1]), width: Double(row[2]), height: Double(row[3]))
}
//#end
//#if finder
//#else

/// A fusion graph that keeps what it was given. Its logits are the number of the run, from 1, modulo 2, 3, 4 and so on.
final class FusionRecorder {
    private var given: [[Float]]?
    private var runs = 0

    func run(_ inputs: [[Float]]) -> [[Float]] {
        given = inputs
        runs += 1
        return Contract.fusion.outputs.enumerated().map { place, output in
            (0..<output.elements).map { place == Contract.logits ? Float(runs % ($0 + 2)) : 0 }
        }
    }

    func clear() {
        given = nil
    }

    /// One input of the last run; zeros where there was none since `clear`.
    func seen(_ name: String) -> [Float] {
        let place = Contract.fusion.inputs.firstIndex { $0.name == name } ?? 0
        return given?[place] ?? [Float](repeating: 0, count: Contract.fusion.inputs[place].elements)
    }
}
//#end
