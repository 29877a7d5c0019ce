// @generated@
import AVFoundation
import SwiftUI
import @module@

/// The front camera: upright, unmirrored frames as RGB.
final class Camera: NSObject, AVCaptureVideoDataOutputSampleBufferDelegate {
    let session = AVCaptureSession()
    private let output = AVCaptureVideoDataOutput()
    private var onFrame: ((@module@.Frame, Double) -> Void)?

    /// `onFrame` gets frames and their time on the host's clock, on `queue`; late ones are left out.
    func start(on queue: DispatchQueue, _ tell: @escaping (@module@.Frame, Double) -> Void) throws {
        onFrame = tell
        session.beginConfiguration()
        session.sessionPreset = .vga640x480
        if session.inputs.isEmpty {
            guard let device = AVCaptureDevice.default(.builtInWideAngleCamera, for: .video, position: .front) else {
                session.commitConfiguration()
                return
            }
            session.addInput(try AVCaptureDeviceInput(device: device))
            output.videoSettings = [kCVPixelBufferPixelFormatTypeKey as String: kCVPixelFormatType_32BGRA]
            output.alwaysDiscardsLateVideoFrames = true
            session.addOutput(output)
            // The picture as others see the person, upright.
            let connection = output.connection(with: .video)
            connection?.videoOrientation = .portrait
            connection?.automaticallyAdjustsVideoMirroring = false
            connection?.isVideoMirrored = false
        }
        output.setSampleBufferDelegate(self, queue: queue)
        session.commitConfiguration()
        let running = session
        DispatchQueue.global(qos: .userInitiated).async { running.startRunning() }
    }

    func stop() {
        onFrame = nil
        let running = session
        DispatchQueue.global(qos: .userInitiated).async { running.stopRunning() }
    }

    func captureOutput(
        _ output: AVCaptureOutput, didOutput sampleBuffer: CMSampleBuffer, from connection: AVCaptureConnection
    ) {
        guard let buffer = CMSampleBufferGetImageBuffer(sampleBuffer), let frame = try? rgb(of: buffer) else { return }
        onFrame?(frame, CMSampleBufferGetPresentationTimeStamp(sampleBuffer).seconds)
    }
}

/// A picture in BGRA, whose rows may be padded, as a frame.
private func rgb(of buffer: CVPixelBuffer) throws -> @module@.Frame {
    CVPixelBufferLockBaseAddress(buffer, .readOnly)
    defer { CVPixelBufferUnlockBaseAddress(buffer, .readOnly) }
    let (width, height) = (CVPixelBufferGetWidth(buffer), CVPixelBufferGetHeight(buffer))
    let line = CVPixelBufferGetBytesPerRow(buffer)
    var pixels = [UInt8](repeating: 0, count: 3 * width * height)
    if let base = CVPixelBufferGetBaseAddress(buffer)?.assumingMemoryBound(to: UInt8.self) {
        for row in 0..<height {
            for column in 0..<width {
                let from = base + row * line + 4 * column
                let to = 3 * (row * width + column)
                pixels[to] = from[2]
                pixels[to + 1] = from[1]
                pixels[to + 2] = from[0]
            }
        }
    }
    return try @module@.Frame(rgb: pixels, width: width, height: height)
}

/// The camera's picture on the screen, mirrored as in a mirror.
struct CameraPreview: UIViewRepresentable {
    let session: AVCaptureSession

    func makeUIView(context: Context) -> PreviewView {
        let view = PreviewView()
        view.preview.session = session
        view.preview.videoGravity = .resizeAspect
        return view
    }

    func updateUIView(_ view: PreviewView, context: Context) {}

    final class PreviewView: UIView {
        override class var layerClass: AnyClass { AVCaptureVideoPreviewLayer.self }

        // The class of its layer is said above.
        var preview: AVCaptureVideoPreviewLayer { layer as! AVCaptureVideoPreviewLayer }
    }
}
