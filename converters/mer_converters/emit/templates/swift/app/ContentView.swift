// @generated@
import SwiftUI
import @module@

/// The one screen: @screen@.
///
/// Consent is asked for before anything is heard or seen.
struct ContentView: View {
    @StateObject private var pipeline = Pipeline()
    @State private var asking = true
    @Environment(\.scenePhase) private var phase

    var body: some View {
        VStack(spacing: 12) {
//#if face
            CameraPreview(session: pipeline.captureSession)
                .overlay(FaceBox(box: pipeline.box, frame: pipeline.frameSize))
                .aspectRatio(pipeline.frameSize, contentMode: .fit)
//#end
            Text(pipeline.said).font(.title2)
            Text(pipeline.state).font(.caption).foregroundColor(.secondary)
            Bars(estimate: pipeline.estimate)
            HStack {
                Button(pipeline.isRunning ? "Stop" : "Start") {
                    if pipeline.isRunning { pipeline.stop() } else { asking = true }
                }
                Button("Forget me") { pipeline.forget() }
            }
            .buttonStyle(.bordered)
        }
        .padding()
        .alert(Consent.title, isPresented: $asking) {
            Button("Allow") { pipeline.start() }
            Button("Not now", role: .cancel) {}
        } message: {
            Text(Consent.text)
        }
        .onChange(of: phase) { now in
            // Not while it is inactive: that it is also while the system asks for a permission.
            if now == .background { pipeline.stop() }
        }
    }
}

/// What is asked before the camera or the microphone goes on. Change it where your app does otherwise.
enum Consent {
    static let title = "May this app estimate emotions from your @senses@?"
    static let text = """
        @devices@ read on this device. @what@ not stored and @stays@ leave it. \
        The estimates are guesses about how @looks@. \
        They are often wrong, and they do not say what you feel. You can stop at any time.
        """
}

/// A bar for each emotion, as long as it is likely; the one that is said is darker.
struct Bars: View {
    let estimate: Estimate?

    var body: some View {
        VStack(alignment: .leading, spacing: 6) {
            ForEach(Emotion.allCases, id: \.self) { emotion in
                HStack {
                    Text(emotion.rawValue).frame(width: 90, alignment: .leading)
                    GeometryReader { room in
                        Rectangle()
                            .fill(Color.blue.opacity(estimate?.emotion == emotion ? 1 : 0.4))
                            .frame(width: room.size.width * CGFloat(estimate?.probabilities[emotion] ?? 0))
                    }
                }
                .frame(height: 22)
            }
        }
    }
}
//#if face

/// The box of the face over the camera's picture, which is mirrored.
struct FaceBox: View {
    let box: Box?
    let frame: CGSize

    var body: some View {
        GeometryReader { room in
            if let box {
                let scale = min(room.size.width / frame.width, room.size.height / frame.height)
                let left = (room.size.width - scale * frame.width) / 2
                let top = (room.size.height - scale * frame.height) / 2
                let x = left + scale * (frame.width - CGFloat(box.x + box.width / 2))
                let y = top + scale * CGFloat(box.y + box.height / 2)
                Rectangle()
                    .stroke(Color.blue, lineWidth: 3)
                    .frame(width: scale * CGFloat(box.width), height: scale * CGFloat(box.height))
                    .position(x: x, y: y)
            }
        }
    }
}
//#end
