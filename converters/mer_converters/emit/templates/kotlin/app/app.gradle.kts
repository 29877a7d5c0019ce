// @generated@
plugins {
    id("com.android.application")
    id("org.jetbrains.kotlin.android")
}

android {
    namespace = "@package@.app"
    compileSdk = 35
    defaultConfig {
        // Make this your own before you publish the app.
        applicationId = "@package@.app"
        minSdk = 24
        targetSdk = 35
        versionCode = 1
        versionName = "1.0"
    }
    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_17
        targetCompatibility = JavaVersion.VERSION_17
    }
    kotlinOptions {
        jvmTarget = "17"
    }
    androidResources {
        // Graphs are read as they are.
        noCompress += listOf("tflite", "onnx")
    }
}

dependencies {
    implementation(project(":emotion"))
    implementation("androidx.activity:activity:1.9.3")
//#if face
    implementation(project(":finder"))
    implementation("androidx.camera:camera-camera2:1.4.1")
    implementation("androidx.camera:camera-lifecycle:1.4.1")
    implementation("androidx.camera:camera-view:1.4.1")
//#end
}
