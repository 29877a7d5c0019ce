// @generated@
import SwiftUI

@main
struct EmotionApp: App {
    var body: some Scene {
        WindowGroup { ContentView() }
    }
}
