// @generated@
import CryptoKit
import Foundation

/// Refuses a bundle's folder that no trusted key signed, or of which a file was changed since.
///
/// - Parameters:
///   - folder: the bundle as mer-convert wrote it. Models that Xcode compiled are covered by the app's own signature
///     and have no hash here.
///   - trust: public keys, "ed25519:BASE64" as `mer sign --new-key` wrote them.
///   - now: what expiry is held against.
/// - Throws: `SensorError.untrusted`, or `SensorError.input` for a key that is none.
public func requireSigned(_ folder: URL, trust: [String], now: Date = Date()) throws {
    guard let manifest = try? Data(contentsOf: folder.appendingPathComponent("manifest.json")) else {
        throw SensorError.model("\(folder.path) has no manifest.json; give the folder of a bundle")
    }
    let signature = try? Data(contentsOf: folder.appendingPathComponent("manifest.sig"))
    let name = folder.lastPathComponent
    try checkSigned(name, manifest: manifest, signature: signature, trust: trust, today: utcDay(now))
    guard
        let content = try JSONSerialization.jsonObject(with: manifest) as? [String: Any],
        let files = content["files"] as? [[String: Any]]
    else {
        throw SensorError.untrusted("manifest.json lists no files; convert the bundle again")
    }
    for graph in Contract.graphs {
        let compiled = folder.appendingPathComponent("\(graph.name).mlmodelc")
        guard !FileManager.default.fileExists(atPath: compiled.path) else {
            throw SensorError.untrusted("\(graph.name).mlmodelc has no hash here; give its package, or no trust")
        }
        let listed = Set(files.compactMap { $0["path"] as? String }.filter { $0.hasPrefix("\(graph.name).mlpackage/") })
        let package = folder.appendingPathComponent("\(graph.name).mlpackage")
        let there = try FileManager.default.subpathsOfDirectory(atPath: package.path).filter {
            var isFolder: ObjCBool = false
            let path = package.appendingPathComponent($0).path
            return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && !isFolder.boolValue
        }
        guard !listed.isEmpty, Set(there.map { "\(graph.name).mlpackage/\($0)" }) == listed else {
            throw SensorError.untrusted("\(graph.name).mlpackage has other files than were signed; take it again")
        }
    }
    for file in files {
        guard
            let path = file["path"] as? String, let wanted = file["sha256"] as? String,
            let data = try? Data(contentsOf: folder.appendingPathComponent(path)),
            hexadecimal(SHA256.hash(data: data)) == wanted
        else {
            throw SensorError.untrusted("\(file["path"] ?? "a file") is missing or was changed; take the bundle again")
        }
    }
}

/// Refuses a manifest that no trusted key signed. `today` is a day in UTC, such as "2027-11-29".
public func checkSigned(_ name: String, manifest: Data, signature: Data?, trust: [String], today: String) throws {
    let keys = try trust.map(publicKey)
    guard !keys.isEmpty else { throw SensorError.input("trust names no key; give a public key, ed25519:BASE64") }
    guard let signature else {
        throw SensorError.untrusted("\(name) is not signed: it has no manifest.sig; take it from its signer")
    }
    let sha256 = hexadecimal(SHA256.hash(data: manifest))
    let blocks = try readSignatures(signature)
    var wrong: String?
    for block in blocks where keys.contains(block.key) {
        guard let found = whatIsWrong(block, sha256: sha256, today: today) else { return }
        wrong = wrong ?? found
    }
    if let wrong { throw SensorError.untrusted("\(name) is not trusted: \(wrong)") }
    let signers = blocks.map { keyID($0.key) }.joined(separator: ", ")
    let trusted = keys.map(keyID).joined(separator: ", ")
    throw SensorError.untrusted(
        "\(name) is signed by the key \(signers), and trusted is \(trusted); take it from its signer")
}

private struct SignatureBlock {
    let statement: String
    let sha256: String
    let key: Data
    let expires: String
    let signature: Data
}

private func readSignatures(_ content: Data) throws -> [SignatureBlock] {
    let damaged = SensorError.untrusted(
        "manifest.sig is damaged, or of a newer kind than this code reads; sign again with mer sign")
    guard content.count <= 16_384, let text = String(data: content, encoding: .ascii), text.hasSuffix("\n") else {
        throw damaged
    }
    let blocks = try String(text.dropLast()).components(separatedBy: "\n\n").map { part -> SignatureBlock in
        let lines = part.components(separatedBy: "\n")
        guard
            lines.count == 5, lines[0] == "mer-edge bundle signature 1",
            let sha256 = value(lines[1], after: "manifest sha256 ", like: "[0-9a-f]{64}"),
            let key = value(lines[2], after: "key ed25519:", like: "[A-Za-z0-9+/]{43}="),
            let expires = value(lines[3], after: "expires ", like: "never|[0-9]{4}-[0-9]{2}-[0-9]{2}"),
            let signature = value(lines[4], after: "signature ", like: "[A-Za-z0-9+/]{86}=="),
            let keyBytes = Data(base64Encoded: key), let signatureBytes = Data(base64Encoded: signature)
        else {
            throw damaged
        }
        let statement = lines[0...3].map { "\($0)\n" }.joined()
        return SignatureBlock(
            statement: statement, sha256: sha256, key: keyBytes, expires: expires, signature: signatureBytes)
    }
    guard blocks.count <= 16 else { throw damaged }
    return blocks
}

private func value(_ line: String, after prefix: String, like pattern: String) -> String? {
    guard line.hasPrefix(prefix) else { return nil }
    let rest = String(line.dropFirst(prefix.count))
    let found = rest.range(of: "^(?:\(pattern))$", options: .regularExpression)
    return found == rest.startIndex..<rest.endIndex ? rest : nil
}

private func whatIsWrong(_ block: SignatureBlock, sha256: String, today: String) -> String? {
    let key = keyID(block.key)
    let signer = try? Curve25519.Signing.PublicKey(rawRepresentation: block.key)
    guard let signer, signer.isValidSignature(block.signature, for: Data(block.statement.utf8)) else {
        return "the signature of the key \(key) is not one: manifest.sig was changed; take the bundle from its signer"
    }
    guard block.sha256 == sha256 else {
        return "manifest.json was changed after the key \(key) signed it; take the bundle from its signer"
    }
    guard block.expires == "never" || today <= block.expires else {
        return "the signature of the key \(key) expired on \(block.expires), today is \(today); get a newer bundle"
    }
    return nil
}

private func publicKey(_ line: String) throws -> Data {
    let text = line.trimmingCharacters(in: .whitespacesAndNewlines)
    guard text.hasPrefix("ed25519:"), let key = Data(base64Encoded: String(text.dropFirst(8))), key.count == 32 else {
        throw SensorError.input("the key is no public key; one line ed25519:BASE64 (32 bytes) is allowed")
    }
    return key
}

private func keyID(_ key: Data) -> String { String(hexadecimal(SHA256.hash(data: key)).prefix(16)) }

private func hexadecimal(_ digest: SHA256.Digest) -> String { digest.map { String(format: "%02x", $0) }.joined() }

private func utcDay(_ date: Date) -> String { String(ISO8601DateFormatter().string(from: date).prefix(10)) }
