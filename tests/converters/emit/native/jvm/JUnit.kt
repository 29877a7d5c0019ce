// For tests alone: JUnit 4, as far as the generated test uses it.
package org.junit

annotation class Test

object Assert {
    fun assertTrue(message: String, condition: Boolean) {
        if (!condition) throw AssertionError(message)
    }
}
