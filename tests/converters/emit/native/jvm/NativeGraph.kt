// For tests alone: graphs for the stand-ins of ONNX Runtime and LiteRT on a JVM, run by serve_graphs.py.
package mer.standin

import java.nio.ByteBuffer
import java.nio.ByteOrder

object NativeGraph {
    private val server: Process = ProcessBuilder(System.getProperty("mer.server").split("|"))
        .redirectError(ProcessBuilder.Redirect.INHERIT)
        .start()
    private val given = server.inputStream.buffered()
    private val told = server.outputStream.buffered()

    fun open(folder: String, bytes: Long): Long {
        told.write('o'.code)
        write(folder.length)
        told.write(folder.encodeToByteArray())
        write(bytes.toInt())
        told.flush()
        return number().toLong()
    }

    fun run(handle: Long, inputs: Array<FloatArray>): Array<FloatArray> {
        told.write('r'.code)
        write(handle.toInt())
        write(inputs.size)
        for (values in inputs) {
            write(values.size)
            val bytes = buffer(4 * values.size)
            values.forEach(bytes::putFloat)
            told.write(bytes.array())
        }
        told.flush()
        return Array(number()) {
            val bytes = ByteBuffer.wrap(read(4 * number())).order(ByteOrder.LITTLE_ENDIAN)
            FloatArray(bytes.remaining() / 4) { bytes.float }
        }
    }

    fun close(handle: Long) = check(handle >= 0)

    fun stop() = server.destroy()

    private fun buffer(size: Int) = ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN)

    private fun write(number: Int) = told.write(buffer(4).putInt(number).array())

    private fun number() = ByteBuffer.wrap(read(4)).order(ByteOrder.LITTLE_ENDIAN).int

    private fun read(size: Int) = given.readNBytes(size).also { check(it.size == size) { "the graphs' process ended" } }
}

fun bundle(): String = System.getProperty("mer.bundle")

/** Runs the golden test of one package: exit code 1 where it fails. */
fun main(arguments: Array<String>) {
    val test = Class.forName("${arguments[0]}.GoldenTest")
    try {
        test.getMethod("theDeviceComputesWhatTheModelComputed").invoke(test.getDeclaredConstructor().newInstance())
        println("passed")
    } catch (error: java.lang.reflect.InvocationTargetException) {
        println("FAILED ${error.targetException}")
        kotlin.system.exitProcess(1)
    } finally {
        NativeGraph.stop()
    }
}
