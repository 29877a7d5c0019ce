// @generated@
// An Android library. With @bundle@ in src/main/assets, where --app puts it,
// connectedAndroidTest proves it on a device.
plugins {
    id("com.android.library")
    id("org.jetbrains.kotlin.android")
}

android {
    namespace = "@package@"
    compileSdk = 35
    defaultConfig {
        minSdk = 24
        testInstrumentationRunner = "androidx.test.runner.AndroidJUnitRunner"
    }
    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_17
        targetCompatibility = JavaVersion.VERSION_17
    }
    kotlinOptions {
        jvmTarget = "17"
    }
    androidResources {
        // Graphs and golden cases are read as they are.
        noCompress += listOf("tflite", "onnx", "bin")
    }
}

dependencies {
    implementation("@dependency@")
    androidTestImplementation("androidx.test:runner:1.6.2")
    androidTestImplementation("junit:junit:4.13.2")
}
