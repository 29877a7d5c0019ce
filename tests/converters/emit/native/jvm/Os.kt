// For tests alone: the environment of a process on Android.
package android.system

object Os {
    val variables = HashMap<String, String>()

    fun setenv(name: String, value: String, overwrite: Boolean) {
        if (overwrite || name !in variables) variables[name] = value
    }
}
