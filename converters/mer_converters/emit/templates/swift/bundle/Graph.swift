// @generated@
import CoreML
import Foundation

public enum SensorError: Error, CustomStringConvertible {
    /// A model is missing, or is not that of this contract.
    case model(String)
    /// Input that is not as the contract says.
    case input(String)
    /// A bundle that no trusted key signed, that was changed since, or whose signature has expired.
    case untrusted(String)

    public var description: String {
        switch self {
        case .model(let message), .input(let message), .untrusted(let message): return message
        }
    }
}

/// One graph in Core ML. Inputs and outputs are in the order of its `GraphInfo`; whole numbers are given as floats.
public final class Graph {
    private let info: GraphInfo
    private let model: MLModel

    /// Loads `NAME.mlmodelc`, as Xcode puts it into an app, or compiles `NAME.mlpackage` of the bundle's folder.
    public init(_ info: GraphInfo, in folder: URL, configuration: MLModelConfiguration) throws {
        self.info = info
        let compiled = folder.appendingPathComponent("\(info.name).mlmodelc")
        let package = folder.appendingPathComponent("\(info.name).mlpackage")
        if FileManager.default.fileExists(atPath: compiled.path) {
            model = try MLModel(contentsOf: compiled, configuration: configuration)
        } else if FileManager.default.fileExists(atPath: package.path) {
            model = try MLModel(contentsOf: MLModel.compileModel(at: package), configuration: configuration)
        } else {
            throw SensorError.model("\(folder.path) has neither \(info.name).mlmodelc nor \(info.name).mlpackage")
        }
        let description = model.modelDescription
        for tensor in info.inputs {
            let shape = description.inputDescriptionsByName[tensor.name]?.multiArrayConstraint?.shape.map(\.intValue)
            guard shape == tensor.shape else {
                throw SensorError.model("\(info.name) has no input \(tensor.name) of shape \(tensor.shape); emit again")
            }
        }
        for tensor in info.outputs where description.outputDescriptionsByName[tensor.name] == nil {
            throw SensorError.model("\(info.name) has no output \(tensor.name); run mer-convert --emit swift again")
        }
    }

    /// Runs the graph. Throws `SensorError.input` for another number of inputs or of values.
    public func run(_ inputs: [[Float]]) throws -> [[Float]] {
        guard inputs.count == info.inputs.count else {
            throw SensorError.input("\(info.name) has \(info.inputs.count) inputs; given are \(inputs.count)")
        }
        var features: [String: MLFeatureValue] = [:]
        for (values, tensor) in zip(inputs, info.inputs) {
            guard values.count == tensor.elements else {
                throw SensorError.input("\(tensor.name) has \(values.count) values, needed are \(tensor.elements)")
            }
            if tensor.integer {
                let array = MLShapedArray<Int32>(scalars: values.map { Int32($0) }, shape: tensor.shape)
                features[tensor.name] = MLFeatureValue(shapedArray: array)
            } else {
                let array = MLShapedArray<Float>(scalars: values, shape: tensor.shape)
                features[tensor.name] = MLFeatureValue(shapedArray: array)
            }
        }
        let results = try model.prediction(from: MLDictionaryFeatureProvider(dictionary: features))
        return try info.outputs.map { tensor in
            guard let array = results.featureValue(for: tensor.name)?.multiArrayValue else {
                throw SensorError.model("\(info.name) gave no \(tensor.name)")
            }
            return MLShapedArray<Float>(array).scalars
        }
    }
}
