// For tests alone, where the Android package of LiteRT is not at hand: what the generated code uses of it.
package org.tensorflow.lite

import java.nio.ByteBuffer
import java.nio.FloatBuffer
import java.nio.IntBuffer
import mer.standin.NativeGraph

class Interpreter(model: ByteBuffer, options: Options) : AutoCloseable {
    class Options {
        internal var threads = 0

        fun setNumThreads(number: Int): Options = apply { threads = number }
    }

    private val handle: Long

    init {
        check(options.threads > 0 && model.isDirect)
        handle = NativeGraph.open(mer.standin.bundle(), model.capacity().toLong())
    }

    val signatureKeys: Array<String> = arrayOf("serving_default")

    // As text, args_10 comes before args_2.
    fun getSignatureInputs(key: String): Array<String> = names("args_", key)

    fun getSignatureOutputs(key: String): Array<String> = names("output_", key)

    fun runSignature(inputs: Map<String, Any>, outputs: Map<String, Any>, key: String) {
        check(key in signatureKeys)
        val given = (0 until inputs.size).map { floats(inputs.getValue("args_$it")) }
        for ((index, values) in NativeGraph.run(handle, given.toTypedArray()).withIndex()) {
            (outputs.getValue("output_$index") as FloatBuffer).put(values)
        }
    }

    private fun floats(buffer: Any): FloatArray = when (buffer) {
        is IntBuffer -> FloatArray(buffer.remaining()) { buffer.get(it).toFloat() }
        else -> (buffer as FloatBuffer).array()
    }

    override fun close() = NativeGraph.close(handle)

    private fun names(prefix: String, key: String): Array<String> {
        check(key in signatureKeys)
        return List(12) { "$prefix$it" }.sorted().toTypedArray()
    }
}
