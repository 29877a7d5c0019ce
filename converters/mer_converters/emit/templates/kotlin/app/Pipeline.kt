// @generated@
package @package@.app

import android.content.res.AssetManager
import android.os.SystemClock
//#if face
import androidx.activity.ComponentActivity
import androidx.camera.view.PreviewView
//#end
//#if face
import java.util.concurrent.Executor
//#end
import java.util.concurrent.Executors
import java.util.concurrent.RejectedExecutionException
//#if face
import @package@.Box
//#end
import @package@.BundleSource
//#if face
import @package@.Detection
//#end
import @package@.EmotionSession
//#if face
import @package@.FaceDetector
import @package@.FaceOptions
import @package@.Frame
//#end
import @package@.Sensor
import @package@.SessionOptions
import @package@.Smoothing
import @package@.StepEstimate
//#if face
import @finder_package@.BundleSource as FinderSource
import @finder_package@.FaceFinder
//#end

/** Called for each step. */
typealias OnStep = (StepEstimate@frame_type@) -> Unit

/**
 * From the microphone and the camera to estimates, all on one thread of its own. Nothing is stored: who is out of sight
 * is forgotten, and everything else is once it is closed.
 */
class Pipeline(assets: AssetManager, private val onStep: OnStep, private val onFailure: (Throwable) -> Unit) :
    AutoCloseable {
    private val executor = Executors.newSingleThreadExecutor()
    private lateinit var sensor: Sensor
    private lateinit var session: EmotionSession
//#if face
    private lateinit var finder: FaceFinder
    private var camera: Camera? = null
    private var width = 0
    private var height = 0
//#end
//#if audio
    private var microphone: Microphone? = null
//#end
    private var failed = false
    private val begin = now()

    init {
        work {
            sensor = Sensor.open(BundleSource { assets.bytes("@bundle@/$it") })
//#if face
            finder = FaceFinder.open(FinderSource { assets.bytes("@finder_bundle@/$it") })
            val options = SessionOptions(
                // A steadier label, a second later.
                smoothing = Smoothing(seconds = 1.0, margin = 0.1),
                faces = FaceOptions(rememberSeconds = 0.0),
            )
            session = EmotionSession(sensor, options, FinderAdapter(finder))
//#else
            session = EmotionSession(sensor, SessionOptions(smoothing = Smoothing(seconds = 1.0, margin = 0.1)))
//#end
        }
    }
//#if audio

    /** Begin to hear; the permission was given. */
    fun listen() {
        microphone = Microphone { samples, rate, time ->
            work { told(session.pushAudio(samples, rate, time?.minus(begin))) }
        }.also { it.start() }
    }
//#end
//#if face

    /** Begin to see; the permission was given. */
    fun watch(activity: ComponentActivity, preview: PreviewView) {
        // The camera calls on this thread, and leaves out frames while it is busy.
        camera = Camera(Executor { command -> submit(command) }, onFailure) { frame ->
            width = frame.width
            height = frame.height
            guarded { told(session.pushFrame(frame, now() - begin)) }
        }.also { it.start(activity, preview) }
    }
//#end

    /** Forget the current person: baseline and looks. */
    fun forget() = work { session.forget() }

    override fun close() {
//#if audio
        microphone?.close()
//#end
//#if face
        camera?.close()
//#end
        submit {
            if (::sensor.isInitialized) sensor.close()
//#if face
            if (::finder.isInitialized) finder.close()
//#end
        }
        executor.shutdown()
    }

    private fun told(steps: List<StepEstimate>) = steps.forEach { onStep(it@frame_argument@) }

    private fun work(action: () -> Unit) = submit { guarded(action) }

    private fun submit(command: Runnable) {
        try {
            executor.execute(command)
        } catch (_: RejectedExecutionException) {
            // It was closed meanwhile.
        }
    }

    /** The first failure is told; what comes after it cannot run. */
    private fun guarded(action: () -> Unit) {
        if (failed) return
        try {
            action()
        } catch (error: Exception) {
            failed = true
            onFailure(error)
        }
    }

    private fun AssetManager.bytes(file: String) = open(file).use { it.readBytes() }

    companion object {
        /** Seconds, on the clock of sound and pictures. */
        fun now(): Double = SystemClock.elapsedRealtimeNanos() / 1e9
    }
}
//#if face

/** The face finder has a package of its own, with pictures and boxes of its own. */
private class FinderAdapter(private val finder: FaceFinder) : FaceDetector {
    override fun detect(frame: Frame): List<Detection> {
        val picture = @finder_package@.Frame(frame.pixels, frame.width, frame.height)
        return finder.detect(picture).map { (box, score) ->
            Detection(Box(box.x, box.y, box.width, box.height), score)
        }
    }
}
//#end
