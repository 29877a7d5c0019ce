// @generated@
package @package@

private const val DEEPEST = 16

/**
 * Reads JSON into maps, lists, texts, numbers (Double), Booleans and null. Strict and small: for saved profiles, where
 * a library would be the app's only use of one.
 *
 * @throws IllegalArgumentException it is no JSON, or is nested deeper than a profile can be.
 */
internal fun parseJson(text: String): Any? = JsonReader(text).read()

private class JsonReader(private val text: String) {
    private var place = 0

    fun read(): Any? {
        val value = value(0)
        skip()
        require(place == text.length) { "something follows at $place" }
        return value
    }

    private fun value(depth: Int): Any? {
        require(depth <= DEEPEST) { "it is nested too deeply" }
        skip()
        require(place < text.length) { "it breaks off" }
        return when (text[place]) {
            '{' -> members(depth)
            '[' -> elements(depth)
            '"' -> string()
            else -> word()
        }
    }

    private fun members(depth: Int): Map<String, Any?> {
        val found = LinkedHashMap<String, Any?>()
        place++
        if (next('}')) return found
        do {
            skip()
            require(place < text.length && text[place] == '"') { "a name is missing at $place" }
            val name = string()
            require(next(':')) { "a colon is missing at $place" }
            found[name] = value(depth + 1)
        } while (next(','))
        require(next('}')) { "a brace is missing at $place" }
        return found
    }

    private fun elements(depth: Int): List<Any?> {
        val found = ArrayList<Any?>()
        place++
        if (next(']')) return found
        do found += value(depth + 1) while (next(','))
        require(next(']')) { "a bracket is missing at $place" }
        return found
    }

    private fun string(): String {
        val made = StringBuilder()
        place++
        while (true) {
            require(place < text.length && text[place] >= ' ') { "a text breaks off" }
            val letter = text[place++]
            if (letter == '"') return made.toString()
            made.append(if (letter == '\\') escaped() else letter)
        }
    }

    private fun escaped(): Char {
        require(place < text.length) { "a text breaks off" }
        val letter = text[place++]
        val plain = "\"\\/bfnrt".indexOf(letter)
        if (plain >= 0) return "\"\\/\b\u000c\n\r\t"[plain]
        require(letter == 'u' && place + 4 <= text.length) { "an escape is none at $place" }
        place += 4
        return requireNotNull(text.substring(place - 4, place).toIntOrNull(16)) { "an escape is none" }.toChar()
    }

    private fun word(): Any? {
        val start = place
        while (place < text.length && text[place] !in ",]} \t\r\n:") place++
        return when (val word = text.substring(start, place)) {
            "true" -> true
            "false" -> false
            "null" -> null
            else -> {
                require(NUMBER.matches(word)) { "${word.take(20)} is no number" }
                word.toDouble()
            }
        }
    }

    private fun next(letter: Char): Boolean {
        skip()
        if (place >= text.length || text[place] != letter) return false
        place++
        return true
    }

    private fun skip() {
        while (place < text.length && text[place] in " \t\r\n") place++
    }

    private companion object {
        val NUMBER = Regex("-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?")
    }
}
