// @generated@
package @package@

import java.io.IOException
import java.security.GeneralSecurityException
import java.security.KeyFactory
import java.security.MessageDigest
import java.security.Provider
import java.security.Security
import java.security.Signature
import java.security.spec.X509EncodedKeySpec
import java.text.SimpleDateFormat
import java.util.Date
import java.util.Locale
import java.util.TimeZone

/** A bundle that no trusted key signed, that was changed since, or whose signature has expired. */
class UntrustedBundle(message: String) : SecurityException(message)

/**
 * Refuses a bundle that no trusted key signed, or that does not list the graphs of this code.
 *
 * @param source the bundle's files; manifest.json and manifest.sig are read.
 * @param trust public keys, "ed25519:BASE64" as `mer sign --new-key` wrote them.
 * @throws UntrustedBundle it is not to be trusted.
 * @throws IllegalArgumentException [trust] holds no key, or one that is none.
 * @throws IllegalStateException this system cannot check Ed25519 signatures.
 */
fun requireSigned(source: BundleSource, trust: List<String>) {
    val manifest = source.read("manifest.json")
    val signature = try {
        source.read("manifest.sig")
    } catch (_: IOException) {
        null
    }
    checkSigned("@bundle@", manifest, signature, trust)
    // The signed text holds the hash of each file; no other text of it has the form of one.
    val listed = manifest.decodeToString()
    for (info in Contract.GRAPHS) {
        if (info.sha256 !in listed) {
            throw UntrustedBundle("the bundle is signed, but not with the ${info.file} of this code; emit it again")
        }
    }
}

/**
 * Refuses a manifest that no trusted key signed.
 *
 * @param name of the bundle, for messages.
 * @param manifest the bytes of manifest.json.
 * @param signature the bytes of manifest.sig, null where there is none.
 * @param trust see [requireSigned].
 * @param today the day that expiry is held against, UTC, such as "2027-11-29".
 * @throws UntrustedBundle it is not to be trusted.
 */
fun checkSigned(
    name: String,
    manifest: ByteArray,
    signature: ByteArray?,
    trust: List<String>,
    today: String = utcDay(),
) {
    require(trust.isNotEmpty()) { "trust names no key; give a public key, ed25519:BASE64" }
    val keys = trust.map(::publicKey)
    if (signature == null) {
        throw UntrustedBundle("$name is not signed: it has no manifest.sig; take it from its signer")
    }
    val sha256 = hexadecimal(MessageDigest.getInstance("SHA-256").digest(manifest))
    val blocks = readSignatures(signature)
    var wrong: String? = null
    for (one in blocks) {
        if (keys.none(one.key::contentEquals)) continue
        val found = whatIsWrong(one, sha256, today) ?: return
        wrong = wrong ?: found
    }
    if (wrong != null) throw UntrustedBundle("$name is not trusted: $wrong")
    val signers = blocks.joinToString { keyId(it.key) }
    val trusted = keys.joinToString(transform = ::keyId)
    throw UntrustedBundle("$name is signed by the key $signers, and trusted is $trusted; take it from its signer")
}

private class SignatureBlock(
    val statement: String,
    val sha256: String,
    val key: ByteArray,
    val expires: String,
    val signature: ByteArray,
)

private const val MOST_SIGNATURE_BYTES = 16_384
private const val MOST_SIGNATURES = 16
private const val ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
private val BLOCK = Regex(
    "(mer-edge bundle signature 1\n" +
        "manifest sha256 ([0-9a-f]{64})\n" +
        "key ed25519:([A-Za-z0-9+/]{43}=)\n" +
        "expires (never|[0-9]{4}-[0-9]{2}-[0-9]{2})\n)" +
        "signature ([A-Za-z0-9+/]{86}==)\n",
)

// What stands before the 32 bytes of a key in its DER form.
private val DER = byteArrayOf(0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00)

private fun readSignatures(content: ByteArray): List<SignatureBlock> {
    val text = content.decodeToString()
    val parts = if (content.size <= MOST_SIGNATURE_BYTES && text.endsWith("\n")) text.split("\n\n") else emptyList()
    val found = parts.map { BLOCK.matchEntire(it.removeSuffix("\n") + "\n") }
    if (found.isEmpty() || found.size > MOST_SIGNATURES || found.any { it == null }) {
        throw UntrustedBundle(
            "manifest.sig is damaged, or of a newer kind than this code reads; sign again with mer sign",
        )
    }
    return found.filterNotNull().map {
        val (statement, sha256, key, expires, signature) = it.destructured
        SignatureBlock(statement, sha256, base64(key), expires, base64(signature))
    }
}

private fun whatIsWrong(block: SignatureBlock, sha256: String, today: String): String? {
    val key = keyId(block.key)
    return when {
        !fits(block) ->
            "the signature of the key $key is not one: manifest.sig was changed; take the bundle from its signer"
        block.sha256 != sha256 ->
            "manifest.json was changed after the key $key signed it; take the bundle from its signer"
        block.expires != "never" && today > block.expires ->
            "the signature of the key $key expired on ${block.expires}, today is $today; get a newer bundle"
        else -> null
    }
}

private fun fits(block: SignatureBlock): Boolean {
    val provider = ed25519() ?: error(
        "this system cannot check Ed25519 signatures; add a provider that can, such as Bouncy Castle, or give no trust",
    )
    return try {
        val key = KeyFactory.getInstance("Ed25519", provider).generatePublic(X509EncodedKeySpec(DER + block.key))
        Signature.getInstance("Ed25519", provider).run {
            initVerify(key)
            update(block.statement.encodeToByteArray())
            verify(block.signature)
        }
    } catch (_: GeneralSecurityException) {
        false
    }
}

// Android's key store has Ed25519 for keys of its own alone, and may come first.
private fun ed25519(): Provider? = Security.getProviders().firstOrNull {
    !it.name.startsWith("AndroidKeyStore") &&
        it.getService("Signature", "Ed25519") != null && it.getService("KeyFactory", "Ed25519") != null
}

private fun publicKey(line: String): ByteArray {
    val text = line.trim().removePrefix("ed25519:")
    require(line.trim().startsWith("ed25519:") && Regex("[A-Za-z0-9+/]{43}=").matches(text)) {
        "the key is no public key; one line ed25519:BASE64 (32 bytes) is allowed"
    }
    return base64(text)
}

// Not java.util.Base64, which Android has since API 26. The text was matched before.
private fun base64(text: String): ByteArray {
    val bytes = ArrayList<Byte>()
    var bits = 0
    var held = 0
    for (letter in text.trimEnd('=')) {
        held = held shl 6 or ALPHABET.indexOf(letter)
        bits += 6
        if (bits >= 8) {
            bits -= 8
            bytes += (held shr bits).toByte()
            held = held and ((1 shl bits) - 1)
        }
    }
    return bytes.toByteArray()
}

private fun keyId(key: ByteArray): String = hexadecimal(MessageDigest.getInstance("SHA-256").digest(key)).take(16)

private fun hexadecimal(bytes: ByteArray): String = bytes.joinToString("") { "%02x".format(it) }

private fun utcDay(): String =
    SimpleDateFormat("yyyy-MM-dd", Locale.ROOT).apply { timeZone = TimeZone.getTimeZone("UTC") }.format(Date())
