// @generated@
package @package@

import java.text.Normalizer
import java.util.Locale

private const val LONGEST_WORD = 24
private const val LONGEST_MARK = 3
private const val APOSTROPHE = 0x27
private const val SINGLE = "\u0060\u00B4\u02BC\u2018\u2019\u201A\u201B\u2032"
private const val DOUBLE = "\u00AB\u00BB\u201C\u201D\u201E\u201F\u2033"
private const val DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212"
private val DROPPED = listOf(
    0x300..0x36F, 0x200B..0x200F, 0x2060..0x2064, 0xFE00..0xFE0F, 0xFEFF..0xFEFF, 0x1F3FB..0x1F3FF,
)
private val SPACES = listOf(0x0..0x20, 0x7F..0xA0, 0x1680..0x1680, 0x2028..0x2029)
private val MARKS = listOf(
    0x21..0x2F, 0x3A..0x40, 0x5B..0x60, 0x7B..0x7E, 0xA1..0xBF, 0xD7..0xD7, 0xF7..0xF7, 0x2016..0x2027,
    0x2030..0x205E, 0x20A0..0x20CF, 0x2190..0x2BFF, 0x3001..0x303F, 0x1F000..0x1FAFF,
)

private enum class Kind { LETTER, MARK, SPACE }

/**
 * The ids that the text graph reads, [Contract.TEXT_WORDS] x [Contract.TEXT_SLOTS], of one utterance: hashed subwords
 * of its first words, 0 where nothing is. A text without a word gives zeros throughout: the modality is missing.
 *
 * @throws IllegalArgumentException half of a surrogate pair, which no UTF-8 can hold.
 */
fun textIds(text: String): IntArray {
    require(text.codePoints().noneMatch { it in 0xD800..0xDFFF }) {
        "the text has half of a surrogate pair, which no UTF-8 can hold; decode it anew"
    }
    val ids = IntArray(Contract.TEXT_WORDS * Contract.TEXT_SLOTS)
    for ((row, word) in splitWords(text).take(Contract.TEXT_WORDS).withIndex()) {
        for ((slot, part) in subwords(word).withIndex()) {
            val hash = fnv1a(part.encodeToByteArray()) % (Contract.TEXT_BUCKETS - 1)
            ids[row * Contract.TEXT_SLOTS + slot] = 1 + hash.toInt()
        }
    }
    return ids
}

/** What is hashed of one word, in the order of the slots: the marked word, then n-grams spread over it. */
internal fun subwords(word: String): List<String> {
    val points = "<$word>".codePoints().toArray()
    fun part(start: Int, length: Int) = String(points, start, length)
    val ngrams = ArrayList<String>()
    for (start in points.indices) {
        for (length in Contract.TEXT_SHORTEST..minOf(Contract.TEXT_LONGEST, points.size - 1)) {
            if (start + length <= points.size) ngrams += part(start, length)
        }
    }
    val room = Contract.TEXT_SLOTS - 1
    val chosen = if (ngrams.size <= room) {
        ngrams
    } else {
        List(room) { ngrams[it * (ngrams.size - 1) / maxOf(room - 1, 1)] }
    }
    return listOf(part(0, points.size)) + chosen
}

/** All words of an utterance, normalised and cut. A word is a run of letters, or of one and the same mark. */
internal fun splitWords(text: String): List<String> {
    val points = normalised(text)
    val kinds = Array(points.size) { kind(points[it]) }
    for (i in 1 until points.size - 1) {
        val between = kinds[i - 1] == Kind.LETTER && kinds[i + 1] == Kind.LETTER
        if (points[i] == APOSTROPHE && between) kinds[i] = Kind.LETTER
    }
    val words = ArrayList<String>()
    var start = 0
    for (end in 1..points.size) {
        val kind = kinds[start]
        val goesOn = end < points.size && kinds[end] == kind && (kind != Kind.MARK || points[end] == points[start])
        if (goesOn) continue
        val most = if (kind == Kind.MARK) LONGEST_MARK else LONGEST_WORD
        if (kind != Kind.SPACE) words += String(points, start, minOf(end - start, most))
        start = end
    }
    return words
}

/** FNV-1a hash of 32 bits. */
private fun fnv1a(bytes: ByteArray): Long {
    var value = 2166136261L
    for (byte in bytes) value = (value xor (byte.toLong() and 0xff)) * 16777619L and 0xffffffffL
    return value
}

private fun normalised(text: String): IntArray {
    val replaced = text.map { letter ->
        when (letter) {
            in SINGLE -> '\''
            in DOUBLE -> '"'
            in DASHES -> '-'
            else -> letter
        }
    }.joinToString("")
    val decomposed = Normalizer.normalize(replaced, Normalizer.Form.NFKD).codePoints().toArray()
    val result = ArrayList<Int>()
    for (point in decomposed) {
        // Each code point by itself, so that no rule of a language or of its neighbours changes it.
        if (DROPPED.none { point in it }) String(Character.toChars(point)).lowercase(Locale.ROOT).codePoints()
            .forEach { result += it }
    }
    return result.toIntArray()
}

private fun kind(point: Int): Kind = when {
    SPACES.any { point in it } -> Kind.SPACE
    MARKS.any { point in it } -> Kind.MARK
    else -> Kind.LETTER
}
