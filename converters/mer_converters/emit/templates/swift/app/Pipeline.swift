// @generated@
import AVFoundation
import Combine
import Foundation
import @module@
//#if face
import @finder_module@
//#end

/// From the microphone and the camera to estimates, all on one queue of its own. Nothing is stored: who is out of sight
/// is forgotten, and everything else is once it stops.
@MainActor
final class Pipeline: ObservableObject {
    @Published private(set) var estimate: Estimate?
    @Published private(set) var said = "Stopped. Nothing is heard or seen."
    @Published private(set) var state = ""
    @Published private(set) var isRunning = false
//#if face
    @Published private(set) var box: @module@.Box?
    @Published private(set) var frameSize = CGSize(width: 480, height: 640)
    private let camera = Camera()
//#end
//#if audio
    private let microphone = Microphone()
//#end
    private let work = Work()

//#if face
    var captureSession: AVCaptureSession { camera.session }

//#end
    func start() {
        guard !isRunning else { return }
        isRunning = true
        said = "Nothing is there yet."
        Task {
            do {
                try work.open { [weak self] step@frame_pattern@ in
                    Task { @MainActor in self?.show(step@frame_pattern@) }
                }
                try await capture()
            } catch {
                stop()
                said = "This does not run here: \(error)"
            }
        }
    }

    func stop() {
        guard isRunning else { return }
        isRunning = false
//#if audio
        microphone.stop()
//#end
//#if face
        camera.stop()
        box = nil
//#end
        work.close()
        estimate = nil
        said = "Stopped. Nothing is heard or seen."
        state = ""
    }

    /// Forget the current person: baseline and looks.
    func forget() {
        work.forget()
    }

    /// Ask the system for what is needed, and begin with what was allowed.
    private func capture() async throws {
        let work = self.work
//#if audio
        let hears = await AVCaptureDevice.requestAccess(for: .audio)
//#end
//#if face
        let sees = await AVCaptureDevice.requestAccess(for: .video)
//#end
        guard isRunning else { return }
        guard @any_permission@ else {
            stop()
            said = "Without a permission nothing is heard or seen. You can give it in Settings."
            return
        }
//#if audio
        if hears {
            try microphone.start { samples, rate, time in work.hear(samples, rate: rate, time: time) }
        }
//#end
//#if face
        if sees {
            try camera.start(on: work.queue) { frame, time in work.see(frame, time: time) }
        }
//#end
    }

    private func show(_ step: StepEstimate@size_parameter@) {
        guard isRunning else { return }
        let found = step.estimate
        estimate = found
//#if face
        box = step.face?.box
        frameSize = size
//#end
        said = found.holdsAnything ? found.emotion?.rawValue ?? "not sure" : "Nothing is there yet."
        state = found.holdsAnything ? "made from: \(found.state)" : ""
    }
}

/// The sensor and what it reads, on its queue.
final class Work: @unchecked Sendable {
    let queue = DispatchQueue(label: "emotion")
    private var session: EmotionSession?
    private var onStep: ((StepEstimate@size_type@) -> Void)?
//#if face
    private var size = CGSize(width: 480, height: 640)
//#end
    private var begin = 0.0

    /// Loads the models, which Xcode compiled into the app.
    func open(onStep tell: @escaping (StepEstimate@size_type@) -> Void) throws {
        guard let folder = Bundle.main.resourceURL else { return }
        var options = SessionOptions()
        // A steadier label, a second later.
        options.smoothing = Smoothing(seconds: 1, margin: 0.1)
//#if face
        options.faces = FaceOptions(rememberSeconds: 0)
        let finder = FinderAdapter(try FaceFinder(folder: folder))
        let made = EmotionSession(try Sensor(folder: folder), options: options, detector: finder)
//#else
        let made = EmotionSession(try Sensor(folder: folder), options: options)
//#end
        let now = CMClockGetTime(CMClockGetHostTimeClock()).seconds
        queue.sync {
            session = made
            onStep = tell
            begin = now
        }
    }

    func close() {
        queue.sync {
            session = nil
            onStep = nil
        }
    }

    func forget() {
        queue.async { self.session?.forget() }
    }
//#if audio

    /// Mono sound; `time` of the first sample, on the clock of the host, nil where it goes on.
    func hear(_ samples: [Float], rate: Int, time: Double?) {
        queue.async {
            let at = time.map { $0 - self.begin }
            self.tell(try? self.session?.pushAudio(samples, sampleRate: rate, time: at))
        }
    }
//#end
//#if face

    /// A frame; called on the queue.
    func see(_ frame: @module@.Frame, time: Double) {
        size = CGSize(width: frame.width, height: frame.height)
        tell(try? session?.pushFrame(frame, time: time - begin))
    }
//#end

    private func tell(_ steps: [StepEstimate]?) {
        for step in steps ?? [] { onStep?(step@size_argument@) }
    }
}
//#if face

/// The face finder has a module of its own, with pictures and boxes of its own.
private final class FinderAdapter: @module@.FaceDetector {
    private let finder: FaceFinder

    init(_ finder: FaceFinder) {
        self.finder = finder
    }

    func detect(_ frame: @module@.Frame) throws -> [@module@.Detection] {
        let picture = try @finder_module@.Frame(rgb: frame.rgb, width: frame.width, height: frame.height)
        return try finder.detect(picture).map { face in
            let box = @module@.Box(
                x: face.box.x, y: face.box.y, width: face.box.width, height: face.box.height)
            return @module@.Detection(box: box, score: face.score)
        }
    }
}
//#end
