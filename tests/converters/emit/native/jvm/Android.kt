// For tests alone: the test runner of Android and JUnit, as far as the generated test uses them. Assets are files.
package androidx.test.platform.app

import java.io.File
import java.io.InputStream

class Assets(private val folder: String) {
    fun open(name: String): InputStream = File(folder, name).inputStream()
}

class Context(val assets: Assets)

class Instrumentation {
    val context = Context(Assets(File(System.getProperty("mer.golden")).parent))
    val targetContext = Context(Assets(File(System.getProperty("mer.bundle")).parent))
}

object InstrumentationRegistry {
    fun getInstrumentation() = Instrumentation()
}
