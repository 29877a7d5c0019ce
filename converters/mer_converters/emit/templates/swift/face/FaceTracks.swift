// @generated@

// To hear who speaks, at least this many faces are followed, however few are asked for.
private let watchedFaces = 4
private let longestSound = 0.5
private let soundRate = 16_000.0

/// How faces are followed.
public struct FaceOptions {
    /// How many are given at each step, 1 to 8.
    public var faces: Int
    /// While all faces are followed surely, the detector searches once in so many seconds, 0 to 10.
    public var detectSeconds: Double
    /// Among several faces, prefer the one whose mouth moves with the sound; else the one preferred before, at first
    /// the largest.
    public var preferSpeaking: Bool
    /// How long a person is remembered who is not seen; 0 forgets who is out of sight.
    public var rememberSeconds: Double

    public init(
        faces: Int = 1, detectSeconds: Double = 1, preferSpeaking: Bool = true, rememberSeconds: Double = 600
    ) {
        precondition((1...8).contains(faces), "faces is \(faces); allowed are 1 to 8")
        precondition((0...10).contains(detectSeconds), "detectSeconds is \(detectSeconds); allowed are 0 to 10")
        precondition(
            rememberSeconds >= 0 && rememberSeconds.isFinite,
            "rememberSeconds is \(rememberSeconds); give seconds, 0 or more"
        )
        self.faces = faces
        self.detectSeconds = detectSeconds
        self.preferSpeaking = preferSpeaking
        self.rememberSeconds = rememberSeconds
    }
}

/// Whose face it is, and where, in pixels.
public struct FaceView: Equatable, Sendable {
    public let id: Int
    public let box: Box
}

/// A face crop as the face graph reads it, and whose it is.
public struct TrackedFace {
    public let crop: [Float]
    public let view: FaceView
}

/// The faces of a stream, step by step: found, followed, recognised and cut out. Ids are those of persons, from 0; one
/// who comes back has the earlier id where the face looks alike, and in doubt a new one.
public final class FaceTracks {
    public let options: FaceOptions
    private let tracker: FaceTracker
    private let memory: IdentityMemory
    private let speaking = ActiveSpeaker()
    // Track -> person, and how often the detector had found the track when the person was described last.
    private var person: [Int: Int] = [:]
    private var described: [Int: Int] = [:]
    private var watched: Double?

    public init(_ detector: FaceDetector, options: FaceOptions = FaceOptions()) {
        let most = options.preferSpeaking ? max(options.faces, watchedFaces) : options.faces
        self.options = options
        tracker = FaceTracker(detector, detectSeconds: options.detectSeconds, most: most)
        memory = IdentityMemory(rememberSeconds: options.rememberSeconds)
    }

    /// Calls of the detector since the last reset.
    public var searches: Int { tracker.searches }

    /// Ids of those who are remembered, whether they are in the picture or not.
    public var remembered: [Int] { memory.known }

    /// Begin a new stream: nobody is followed or remembered, and ids begin at 0.
    public func reset() {
        tracker.reset()
        memory.reset()
        speaking.reset()
        person = [:]
        described = [:]
        watched = nil
    }

    /// Forget one person; while still in the picture, or back in it, that face has a new id.
    public func forget(_ who: Int) {
        for track in person.filter({ $0.value == who }).keys { drop(track) }
        memory.forget(who)
    }

    /// It is so many seconds into the stream, also where no frame comes any more.
    public func passTime(_ time: Double) {
        memory.passTime(time)
    }

    /// The faces of a step, the preferred one first.
    ///
    /// - Parameters:
    ///   - frames: of the step, in order.
    ///   - sound: mono at 16 kHz, up to the step's end; nil where it is missing.
    public func look(_ frames: [TimedFrame], sound: [Float]? = nil) throws -> [TrackedFace] {
        if frames.isEmpty { return [] }
        let anybody = tracker.tracks.contains { !$0.lost }
        var seen: [Track] = []
        var pick = 0
        var looked: Frame?
        for place in searched(frames.count).reversed() {
            pick = place
            let pixels = try frames[pick].frame()
            looked = pixels
            if isDark(pixels) { continue }
            seen = try tracker.follow(pixels, at: frames[pick].time)
            // Where nobody was, one frame a step is enough to find who comes.
            if !seen.isEmpty || !anybody { break }
        }
        let alive = Set(tracker.tracks.map(\.id))
        for gone in person.keys.filter({ !alive.contains($0) }) { drop(gone) }
        guard let frame = looked, !seen.isEmpty else { return [] }
        let time = frames[pick].time
        for track in seen { recognise(track, frame, time, seen) }
        let views = seen.compactMap { track in person[track.id].map { FaceView(id: $0, box: track.box) } }
        if options.preferSpeaking && views.count > 1 {
            try listen(Array(frames[...pick]), frame, views, sound)
        }
        let first = speaking.prefer(views, at: time)
        let ordered = views.filter { $0.id == first } + views.filter { $0.id != first }
        let found = try ordered.compactMap { view in
            try cropFace(frame, view.box).map { TrackedFace(crop: $0, view: view) }
        }
        return Array(found.prefix(options.faces))
    }

    /// Gives a new track its person; keeps what a known one looks like, as often as the detector finds the face.
    private func recognise(_ track: Track, _ frame: Frame, _ time: Double, _ seen: [Track]) {
        let known = person[track.id]
        let fresh = known == nil || described[track.id] != track.found
        let view = fresh ? describe(frame, track.box) : nil
        if let known {
            memory.observe(known, view, at: time)
        } else {
            let present = Set(seen.compactMap { person[$0.id] })
            let found = memory.recognise(view, at: time, present: present)
            // Who is found elsewhere is no longer waited for where the face was lost.
            for other in person.filter({ $0.value == found }).keys { drop(other) }
            person[track.id] = found
        }
        described[track.id] = track.found
    }

    /// Compares mouths with the sound in the step's middle and last frame; with one frame alone in that.
    private func listen(_ frames: [TimedFrame], _ last: Frame, _ views: [FaceView], _ sound: [Float]?) throws {
        let picks = searched(frames.count).suffix(2)
        let end = frames[frames.count - 1].time
        for pick in picks {
            let time = frames[pick].time
            let image = pick == picks.last ? last : try frames[pick].frame()
            var level: Double?
            if let sound, let watched {
                // Samples are counted from the end, which is at most a frame after the last one's time.
                let stop = sound.count - Int(((end - time) * soundRate).rounded(.toNearestOrEven))
                let length = Int((min(time - watched, longestSound) * soundRate).rounded(.toNearestOrEven))
                let from = max(0, stop - length)
                level = soundLevel(Array(sound[from..<max(from, stop)]))
            }
            speaking.watch(image, views, at: time, level: level)
            watched = time
        }
    }

    // Every eighth pixel is enough: what this lets through, the crop refuses. A few of them mostly say it.
    private func isDark(_ frame: Frame) -> Bool {
        [64, 8].allSatisfy { Float(frame.brightest(apart: $0)) <= Contract.blackLevel }
    }

    private func drop(_ track: Int) {
        tracker.drop(track)
        if let who = person.removeValue(forKey: track) { speaking.forget(who) }
        described[track] = nil
    }
}
