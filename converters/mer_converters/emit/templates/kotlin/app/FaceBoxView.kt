// @generated@
package @package@.app

import android.content.Context
import android.graphics.Canvas
import android.graphics.Color
import android.graphics.Paint
import android.view.View
import @package@.Box

/** The box of the face over the camera's picture, which is mirrored, and as large as it fits. */
class FaceBoxView(context: Context) : View(context) {
    private val line = Paint(Paint.ANTI_ALIAS_FLAG).apply {
        color = Color.rgb(0, 150, 255)
        style = Paint.Style.STROKE
        strokeWidth = 6f
    }
    private var box: Box? = null
    private var frameWidth = 0
    private var frameHeight = 0

    /** [found] in pixels of a frame of this size, null where there is no face. */
    fun show(found: Box?, width: Int, height: Int) {
        box = found
        frameWidth = width
        frameHeight = height
        invalidate()
    }

    fun clear() = show(null, 0, 0)

    override fun onDraw(canvas: Canvas) {
        super.onDraw(canvas)
        val found = box ?: return
        val scale = minOf(width.toFloat() / frameWidth, height.toFloat() / frameHeight)
        val left = (width - scale * frameWidth) / 2
        val top = (height - scale * frameHeight) / 2
        val x = left + scale * (frameWidth - found.x - found.width).toFloat()
        val y = top + scale * found.y.toFloat()
        canvas.drawRect(x, y, x + scale * found.width.toFloat(), y + scale * found.height.toFloat(), line)
    }
}
