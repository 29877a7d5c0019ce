// For tests alone: what the generated build files use of Gradle's Kotlin DSL and of Android's plugin. A script becomes a
// function of `Script`.
package mer.gradle

enum class RepositoriesMode { FAIL_ON_PROJECT_REPOS }

enum class JavaVersion { VERSION_17 }

class Property<T> {
    fun set(value: T) = println(value)
}

class Repositories {
    fun google() = Unit

    fun mavenCentral() = Unit

    fun gradlePluginPortal() = Unit
}

class PluginManagement {
    fun repositories(block: Repositories.() -> Unit) = Repositories().block()
}

class DependencyManagement {
    val repositoriesMode = Property<RepositoriesMode>()

    fun repositories(block: Repositories.() -> Unit) = Repositories().block()
}

class Plugin {
    infix fun version(version: String) = this

    infix fun apply(apply: Boolean) = this
}

class Plugins {
    fun id(id: String) = Plugin()
}

class DefaultConfig {
    var applicationId: String? = null
    var minSdk: Int? = null
    var targetSdk: Int? = null
    var versionCode: Int? = null
    var versionName: String? = null
    var testInstrumentationRunner: String? = null
}

class CompileOptions {
    var sourceCompatibility = JavaVersion.VERSION_17
    var targetCompatibility = JavaVersion.VERSION_17
}

class KotlinOptions {
    var jvmTarget = ""
}

class AndroidResources {
    val noCompress = ArrayList<String>()
}

class Android {
    var namespace: String? = null
    var compileSdk: Int? = null

    fun defaultConfig(block: DefaultConfig.() -> Unit) = DefaultConfig().block()

    fun compileOptions(block: CompileOptions.() -> Unit) = CompileOptions().block()

    fun kotlinOptions(block: KotlinOptions.() -> Unit) = KotlinOptions().block()

    fun androidResources(block: AndroidResources.() -> Unit) = AndroidResources().block()
}

class Dependencies {
    fun implementation(what: Any) = println(what)

    fun androidTestImplementation(what: Any) = println(what)

    fun project(path: String): Any = path
}

class RootProject {
    var name = ""
}

open class Script {
    val rootProject = RootProject()

    fun pluginManagement(block: PluginManagement.() -> Unit) = PluginManagement().block()

    fun dependencyResolutionManagement(block: DependencyManagement.() -> Unit) = DependencyManagement().block()

    fun include(path: String) = println(path)

    fun plugins(block: Plugins.() -> Unit) = Plugins().block()

    fun android(block: Android.() -> Unit) = Android().block()

    fun dependencies(block: Dependencies.() -> Unit) = Dependencies().block()
}

/** Runs the scripts that the test made classes of; they print what they ask for. */
fun main(arguments: Array<String>) = arguments.forEach { name ->
    val script = Class.forName("mer.gradle.$name").getDeclaredConstructor().newInstance()
    script.javaClass.getMethod("run").invoke(script)
}
