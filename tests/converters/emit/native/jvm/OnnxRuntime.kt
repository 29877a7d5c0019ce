// For tests alone, where the Java package of ONNX Runtime is not at hand: what the generated code uses of it.
package ai.onnxruntime

import java.nio.FloatBuffer
import java.nio.IntBuffer
import mer.standin.NativeGraph

class OrtEnvironment private constructor() {
    private var silent = false

    fun setTelemetry(send: Boolean) {
        silent = !send
    }

    fun createSession(model: ByteArray, options: OrtSession.SessionOptions): OrtSession {
        check(options.threads > 0 && silent && "ORT_DISABLE_TELEMETRY" in android.system.Os.variables)
        return OrtSession(NativeGraph.open(mer.standin.bundle(), model.size.toLong()))
    }

    companion object {
        private val shared = OrtEnvironment()

        @JvmStatic fun getEnvironment(): OrtEnvironment = shared
    }
}

interface OnnxValue : AutoCloseable

class OnnxTensor private constructor(internal val values: FloatArray) : OnnxValue {
    val floatBuffer: FloatBuffer get() = FloatBuffer.wrap(values)

    override fun close() = Unit

    companion object {
        @JvmStatic
        fun createTensor(environment: OrtEnvironment, data: FloatBuffer, shape: LongArray): OnnxTensor {
            check(shape.fold(1L, Long::times) == data.remaining().toLong()) { "$environment: wrong shape" }
            return OnnxTensor(FloatArray(data.remaining()).also(data::get))
        }

        @JvmStatic
        fun createTensor(environment: OrtEnvironment, data: IntBuffer, shape: LongArray): OnnxTensor {
            val floats = FloatBuffer.wrap(FloatArray(data.remaining()) { data.get(data.position() + it).toFloat() })
            return createTensor(environment, floats, shape)
        }

        internal fun of(values: FloatArray) = OnnxTensor(values)
    }
}

class OrtSession internal constructor(private val handle: Long) : AutoCloseable {
    class SessionOptions : AutoCloseable {
        internal var threads = 0

        fun setIntraOpNumThreads(number: Int) {
            threads = number
        }

        override fun close() = Unit
    }

    class Result internal constructor(private val values: List<OnnxValue>) : AutoCloseable {
        operator fun get(index: Int): OnnxValue = values[index]

        override fun close() = Unit
    }

    val inputNames: Set<String> = (0 until 16).mapTo(LinkedHashSet()) { "input.${(it * 7) % 16}" }

    fun run(inputs: Map<String, OnnxTensor>): Result {
        val ordered = inputNames.mapNotNull(inputs::get).map(OnnxTensor::values)
        return Result(NativeGraph.run(handle, ordered.toTypedArray()).map(OnnxTensor::of))
    }

    override fun close() = NativeGraph.close(handle)
}
