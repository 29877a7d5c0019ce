// @generated@
package @package@

import ai.onnxruntime.OnnxTensor
import ai.onnxruntime.OrtEnvironment
import ai.onnxruntime.OrtSession
import android.system.Os
import java.nio.FloatBuffer
import java.nio.IntBuffer

/** Loads a graph, such as [Contract.FUSION]. */
fun openGraph(source: BundleSource, info: GraphInfo, threads: Int): Graph =
    OnnxGraph(source.checked(info), info, threads)

private class OnnxGraph(content: ByteArray, private val info: GraphInfo, threads: Int) : Graph {
    private val environment = silentEnvironment()
    private val session: OrtSession =
        OrtSession.SessionOptions().use { options ->
            options.setIntraOpNumThreads(threads)
            environment.createSession(content, options)
        }

    // The runtime's names may differ from the contract's: position is what counts.
    private val names = session.inputNames.toList()

    override fun run(inputs: List<FloatArray>): List<FloatArray> {
        info.require(inputs)
        val tensors = LinkedHashMap<String, OnnxTensor>()
        try {
            for ((index, values) in inputs.withIndex()) {
                tensors[names[index]] = tensor(values, info.inputs[index])
            }
            return session.run(tensors).use { results ->
                info.outputs.indices.map { index ->
                    val buffer = (results.get(index) as OnnxTensor).floatBuffer
                    FloatArray(buffer.remaining()).also(buffer::get)
                }
            }
        } finally {
            tensors.values.forEach(OnnxTensor::close)
        }
    }

    override fun close() = session.close()

    private fun tensor(values: FloatArray, tensor: TensorInfo): OnnxTensor = if (tensor.integer) {
        OnnxTensor.createTensor(environment, IntBuffer.wrap(IntArray(values.size) { values[it].toInt() }), tensor.shape)
    } else {
        OnnxTensor.createTensor(environment, FloatBuffer.wrap(values), tensor.shape)
    }
}

private fun silentEnvironment(): OrtEnvironment {
    // From 1.29 on ONNX Runtime keeps usage data and may send them, unless told otherwise before its first use.
    Os.setenv("ORT_DISABLE_TELEMETRY", "1", false)
    return OrtEnvironment.getEnvironment().also { it.setTelemetry(false) }
}
