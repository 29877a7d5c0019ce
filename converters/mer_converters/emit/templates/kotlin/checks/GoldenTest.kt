// @generated@
package @package@

import androidx.test.platform.app.InstrumentationRegistry
import org.junit.Assert.assertTrue
import org.junit.Test

/**
 * Runs on the device. golden.bin lies in the assets of the test, the bundle in those of the app, as
 * @bundle@.
 */
class GoldenTest {
    @Test
    fun theDeviceComputesWhatTheModelComputed() {
        val instrumentation = InstrumentationRegistry.getInstrumentation()
        val golden = instrumentation.context.assets.open("golden.bin").use { it.readBytes() }
        val assets = instrumentation.targetContext.assets
        val source = BundleSource { file -> assets.open("@bundle@/$file").use { it.readBytes() } }
        val findings = GoldenCheck(golden).run(source)
        val failed = findings.filterNot(Finding::fine).map(Finding::what)
        assertTrue(failed.joinToString("\n"), failed.isEmpty() && findings.isNotEmpty())
    }
}
