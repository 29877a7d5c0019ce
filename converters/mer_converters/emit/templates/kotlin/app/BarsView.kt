// @generated@
package @package@.app

import android.content.Context
import android.graphics.Canvas
import android.graphics.Color
import android.graphics.Paint
import android.view.View
import @package@.Emotion
import @package@.Estimate

/** A bar for each emotion, as long as it is likely; the one that is said is darker. */
class BarsView(context: Context) : View(context) {
    private val bar = Paint()
    private val text = Paint(Paint.ANTI_ALIAS_FLAG).apply { color = Color.GRAY }
    private var estimate: Estimate? = null

    fun show(found: Estimate) {
        estimate = found
        invalidate()
    }

    fun clear() {
        estimate = null
        invalidate()
    }

    override fun onDraw(canvas: Canvas) {
        super.onDraw(canvas)
        val row = height.toFloat() / Emotion.entries.size
        text.textSize = minOf(0.5f * row, 40f)
        val left = 0.3f * width
        for (emotion in Emotion.entries) {
            val top = emotion.ordinal * row
            val share = estimate?.probabilities?.get(emotion)?.toFloat() ?: 0f
            bar.color = if (estimate?.emotion == emotion) Color.rgb(0, 90, 160) else Color.rgb(140, 180, 210)
            canvas.drawText(emotion.label, 0.02f * width, top + 0.65f * row, text)
            canvas.drawRect(left, top + 0.15f * row, left + share * (0.96f * width - left), top + 0.85f * row, bar)
        }
    }
}
