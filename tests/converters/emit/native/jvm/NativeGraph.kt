// For tests alone: graphs for the stand-ins of ONNX Runtime and LiteRT on a JVM; see graph_jni.cpp.
package mer.standin

object NativeGraph {
    init {
        System.load(System.getProperty("mer.library"))
    }

    external fun open(folder: String, bytes: Long): Long

    external fun run(handle: Long, inputs: Array<FloatArray>): Array<FloatArray>

    external fun close(handle: Long)
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
    }
}
