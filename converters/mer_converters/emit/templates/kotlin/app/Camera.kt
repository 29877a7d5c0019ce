// @generated@
package @package@.app

import androidx.activity.ComponentActivity
import androidx.camera.core.CameraSelector
import androidx.camera.core.ImageAnalysis
import androidx.camera.core.ImageProxy
import androidx.camera.core.Preview
import androidx.camera.lifecycle.ProcessCameraProvider
import androidx.camera.view.PreviewView
import androidx.core.content.ContextCompat
import java.util.concurrent.Executor
import @package@.Frame

/** The front camera: its picture on the screen, and upright frames for [onFrame] on [executor]. */
class Camera(
    private val executor: Executor,
    private val onFailure: (Throwable) -> Unit,
    private val onFrame: (Frame) -> Unit,
) : AutoCloseable {
    private var provider: ProcessCameraProvider? = null
    private var closed = false

    /** The permission was given. Call it, and [close], on the main thread. */
    fun start(activity: ComponentActivity, view: PreviewView) {
        val future = ProcessCameraProvider.getInstance(activity)
        future.addListener(
            {
                try {
                    if (!closed) bind(future.get(), activity, view)
                } catch (error: Exception) {
                    onFailure(error)
                }
            },
            ContextCompat.getMainExecutor(activity),
        )
    }

    override fun close() {
        closed = true
        provider?.unbindAll()
    }

    private fun bind(found: ProcessCameraProvider, activity: ComponentActivity, view: PreviewView) {
        val preview = Preview.Builder().build()
        preview.setSurfaceProvider(view.surfaceProvider)
        val analysis = ImageAnalysis.Builder()
            .setBackpressureStrategy(ImageAnalysis.STRATEGY_KEEP_ONLY_LATEST)
            .setOutputImageFormat(ImageAnalysis.OUTPUT_IMAGE_FORMAT_YUV_420_888)
            .build()
        analysis.setAnalyzer(executor) { image -> image.use { onFrame(frameOf(it)) } }
        found.unbindAll()
        found.bindToLifecycle(activity, CameraSelector.DEFAULT_FRONT_CAMERA, preview, analysis)
        provider = found
    }
}

private fun frameOf(image: ImageProxy): Frame {
    val planes = image.planes.map { YuvPlane(it.buffer, it.rowStride, it.pixelStride) }
    return yuvToFrame(planes, image.width, image.height, image.imageInfo.rotationDegrees)
}
