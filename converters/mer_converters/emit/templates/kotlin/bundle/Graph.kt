// @generated@
package @package@

import java.security.MessageDigest

/**
 * Gives the bytes of one file of the bundle. In an Android app:
 * `BundleSource { file -> assets.open("@bundle@/$file").use { it.readBytes() } }`.
 */
fun interface BundleSource {
    fun read(file: String): ByteArray
}

/**
 * One graph in @runtime@. Inputs and outputs are in the order of its [GraphInfo]; whole numbers are given as floats.
 * Not thread-safe.
 */
interface Graph : AutoCloseable {
    /** @throws IllegalArgumentException another number of inputs or of values. */
    fun run(inputs: List<FloatArray>): List<FloatArray>
}

/** The file of a graph. @throws IllegalStateException it is not the one that this code was generated from. */
internal fun BundleSource.checked(info: GraphInfo): ByteArray {
    val content = read(info.file)
    val sha256 = MessageDigest.getInstance("SHA-256").digest(content).joinToString("") { "%02x".format(it) }
    check(sha256 == info.sha256) {
        "${info.file} is not the file that this code was generated from; run mer-convert --emit kotlin again"
    }
    return content
}

internal fun GraphInfo.require(inputs: List<FloatArray>) {
    require(inputs.size == this.inputs.size) { "$file has ${this.inputs.size} inputs; given are ${inputs.size}" }
    for ((values, tensor) in inputs.zip(this.inputs)) {
        require(values.size == tensor.elements) {
            "${tensor.name} has ${values.size} values, needed are ${tensor.elements}"
        }
    }
}

/**
 * Loads the graphs of a bundle.
 *
 * @param trust public keys, "ed25519:BASE64", of which one must have signed the bundle; null trusts any.
 * @throws UntrustedBundle none of them did; see [requireSigned].
 * @throws IllegalArgumentException [trust] holds no key, or one that is none.
 * @throws IllegalStateException a file is not the one that this code was generated from.
 */
fun openGraphs(source: BundleSource, threads: Int = 1, trust: List<String>? = null): Map<GraphInfo, Graph> {
    if (trust != null) requireSigned(source, trust)
    val graphs = LinkedHashMap<GraphInfo, Graph>()
    try {
        for (info in Contract.GRAPHS) graphs[info] = openGraph(source, info, threads)
    } catch (error: Throwable) {
        graphs.values.forEach(Graph::close)
        throw error
    }
    return graphs
}
