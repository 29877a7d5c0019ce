// @generated@
package @package@.app

import android.Manifest
import android.app.AlertDialog
import android.content.pm.PackageManager
import android.os.Bundle
import android.view.Gravity
import android.view.ViewGroup.LayoutParams.MATCH_PARENT
import android.view.ViewGroup.LayoutParams.WRAP_CONTENT
import android.widget.Button
//#if face
import android.widget.FrameLayout
//#end
import android.widget.LinearLayout
import android.widget.TextView
import androidx.activity.ComponentActivity
import androidx.activity.result.contract.ActivityResultContracts
//#if face
import androidx.camera.view.PreviewView
//#end
import androidx.core.content.ContextCompat
import @package@.StepEstimate

/**
 * The one screen: @screen@.
 *
 * Consent is asked for before anything is heard or seen.
 */
class MainActivity : ComponentActivity() {
    private lateinit var bars: BarsView
    private lateinit var state: TextView
    private lateinit var button: Button
//#if face
    private lateinit var preview: PreviewView
    private lateinit var box: FaceBoxView
//#end
    private var pipeline: Pipeline? = null

    private val asked =
        registerForActivityResult(ActivityResultContracts.RequestMultiplePermissions()) { startAllowed() }

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        setContentView(screen())
        show(getString(R.string.stopped))
        askForConsent()
    }

    override fun onStop() {
        stop()
        super.onStop()
    }

    private fun screen(): LinearLayout {
        val column = LinearLayout(this).apply { orientation = LinearLayout.VERTICAL }
//#if face
        preview = PreviewView(this).apply { scaleType = PreviewView.ScaleType.FIT_CENTER }
        box = FaceBoxView(this)
        val picture = FrameLayout(this)
        picture.addView(preview, FrameLayout.LayoutParams(MATCH_PARENT, MATCH_PARENT))
        picture.addView(box, FrameLayout.LayoutParams(MATCH_PARENT, MATCH_PARENT))
        column.addView(picture, LinearLayout.LayoutParams(MATCH_PARENT, 0, 1f))
//#end
        state = TextView(this).apply {
            textSize = 18f
            gravity = Gravity.CENTER
            setPadding(24, 24, 24, 24)
        }
        column.addView(state, LinearLayout.LayoutParams(MATCH_PARENT, WRAP_CONTENT))
        bars = BarsView(this)
        column.addView(bars, LinearLayout.LayoutParams(MATCH_PARENT, 0, 1f))
        val buttons = LinearLayout(this).apply { gravity = Gravity.CENTER }
        button = Button(this).apply {
            setText(R.string.start)
            setOnClickListener { if (pipeline == null) askForConsent() else stop() }
        }
        val forget = Button(this).apply {
            setText(R.string.forget_me)
            setOnClickListener { pipeline?.forget() }
        }
        buttons.addView(button)
        buttons.addView(forget)
        column.addView(buttons, LinearLayout.LayoutParams(MATCH_PARENT, WRAP_CONTENT))
        return column
    }

    private fun askForConsent() {
        AlertDialog.Builder(this)
            .setTitle(R.string.consent_title)
            .setMessage(R.string.consent_text)
            .setNegativeButton(R.string.not_now) { _, _ -> show(getString(R.string.stopped)) }
            .setPositiveButton(R.string.allow) { _, _ -> asked.launch(PERMISSIONS) }
            .show()
    }

    private fun allowed(permission: String) =
        ContextCompat.checkSelfPermission(this, permission) == PackageManager.PERMISSION_GRANTED

    private fun startAllowed() {
        if (pipeline != null) return
        if (PERMISSIONS.none(::allowed)) {
            show(getString(R.string.no_permission))
            return
        }
        show(getString(R.string.waiting))
        val made = Pipeline(assets, ::show, ::showFailure)
        pipeline = made
        button.setText(R.string.stop)
//#if audio
        if (allowed(Manifest.permission.RECORD_AUDIO)) made.listen()
//#end
//#if face
        if (allowed(Manifest.permission.CAMERA)) made.watch(this, preview)
//#end
    }

    private fun stop() {
        pipeline?.close()
        pipeline = null
        button.setText(R.string.start)
        bars.clear()
//#if face
        box.clear()
//#end
        show(getString(R.string.stopped))
    }

    private fun show(text: String) {
        state.text = text
    }

    /** Called for each step, on the pipeline's thread. */
    private fun show(step: StepEstimate@frame_parameter@) = runOnUiThread {
        if (pipeline == null) return@runOnUiThread
        bars.show(step.estimate)
//#if face
        box.show(step.face?.box, width, height)
//#end
        val said = step.estimate.emotion?.label ?: getString(R.string.unsure)
        val made = getString(R.string.made_from, step.estimate.state)
        show(if (step.estimate.holdsAnything) "$said\n$made" else getString(R.string.waiting))
    }

    private fun showFailure(error: Throwable) = runOnUiThread {
        stop()
        show(getString(R.string.failed, error.message ?: error.javaClass.simpleName))
    }

    private companion object {
        val PERMISSIONS = arrayOf(@permissions@)
    }
}
