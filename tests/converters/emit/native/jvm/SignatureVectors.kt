// For tests alone: the golden signatures in one package's code, then a signed bundle before any graph is opened.
package mer.signatures

import java.io.File
import mer.first.BundleSource
import mer.first.Sensor
import mer.first.UntrustedBundle
import mer.first.checkSigned
import mer.first.requireSigned

/** arguments: a folder of cases, a bundle's folder, a key that signed it, one that did not. Exit code 1 at a failure. */
fun main(arguments: Array<String>) {
    val (folder, bundle, trusted, stranger) = arguments
    val failed = File(folder).listFiles()!!.sorted().mapNotNull { case ->
        fun text(name: String) = File(case, name).readText()
        val said = refusal {
            val signature = File(case, "manifest.sig").takeIf(File::exists)?.readBytes()
            val manifest = File(case, "manifest.json").readBytes()
            checkSigned("bundle", manifest, signature, text("trust").lines(), text("today"))
        }
        val says = File(case, "says").takeIf(File::exists)?.readText()
        "${case.name}: $said".takeIf { if (says == null) said != null else said == null || says !in said }
    }.toMutableList()
    val source = BundleSource { File(bundle, it).readBytes() }
    refusal { requireSigned(source, listOf(trusted)) }?.let { failed += it }
    if (refusal { requireSigned(source, listOf(stranger)) } == null) failed += "a stranger's key was enough"
    val other = BundleSource { if (it == "manifest.sig") throw java.io.FileNotFoundException(it) else source.read(it) }
    if (refusal { requireSigned(other, listOf(trusted)) } == null) failed += "no signature was needed"
    if (!refusesNoKey { Sensor.open(source, trust = emptyList()) }) failed += "a list without a key trusted anybody"
    println(failed.joinToString("\n").ifEmpty { "passed" })
    if (failed.isNotEmpty()) kotlin.system.exitProcess(1)
}

private fun refusesNoKey(work: () -> Unit): Boolean = try {
    work()
    false
} catch (error: IllegalArgumentException) {
    "names no key" in error.message!!
}

private fun refusal(work: () -> Unit): String? = try {
    work()
    null
} catch (error: UntrustedBundle) {
    error.message
}
