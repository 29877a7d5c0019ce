// @generated@
package @package@

import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.nio.FloatBuffer
import java.nio.IntBuffer
import org.tensorflow.lite.Interpreter

/** Loads a graph, such as [Contract.FUSION]. */
fun openGraph(source: BundleSource, info: GraphInfo, threads: Int): Graph =
    LiteRtGraph(source.checked(info), info, threads)

private class LiteRtGraph(content: ByteArray, private val info: GraphInfo, threads: Int) : Graph {
    // The interpreter reads from this memory as long as it lives.
    private val model =
        ByteBuffer.allocateDirect(content.size).order(ByteOrder.nativeOrder()).apply { put(content).rewind() }
    private val interpreter = Interpreter(model, Interpreter.Options().setNumThreads(threads))
    private val signature = interpreter.signatureKeys.first()
    private val inputNames = byNumber(interpreter.getSignatureInputs(signature))
    private val outputNames = byNumber(interpreter.getSignatureOutputs(signature))

    override fun run(inputs: List<FloatArray>): List<FloatArray> {
        info.require(inputs)
        val results = info.outputs.map { FloatArray(it.elements) }
        val given: Map<String, Any> = inputNames.zip(inputs.indices.map { buffer(inputs[it], info.inputs[it]) }).toMap()
        val made: Map<String, Any> = outputNames.zip(results.map(FloatBuffer::wrap)).toMap()
        interpreter.runSignature(given, made, signature)
        return results
    }

    override fun close() = interpreter.close()

    private fun buffer(values: FloatArray, tensor: TensorInfo): Any =
        if (tensor.integer) IntBuffer.wrap(IntArray(values.size) { values[it].toInt() }) else FloatBuffer.wrap(values)

    // The tools write names such as args_10, sorted as text; their numbers give the order of the contract.
    private fun byNumber(names: Array<String>): List<String> =
        names.sortedBy { it.substringAfterLast('_').toIntOrNull() ?: 0 }
}
