import NIOCore
import Synchronization

/// The streams of one event loop. They are served a few at a time, so that requests have their turn between them.
final class StreamLoop {
    /// What the feed knows of it from elsewhere.
    final class Entry: Sendable {
        let eventLoop: any EventLoop
        let streams: NIOLoopBound<StreamLoop>
        /// A round is asked for and has not begun: another one would find the same.
        private let isPlanned = Atomic<Bool>(false)

        /// On the event loop.
        init(_ eventLoop: any EventLoop) {
            self.eventLoop = eventLoop
            streams = NIOLoopBound(StreamLoop(eventLoop), eventLoop: eventLoop)
        }

        func serve(isTick: Bool) {
            guard isTick || !isPlanned.exchange(true, ordering: .acquiringAndReleasing) else { return }
            eventLoop.execute {
                if !isTick { self.isPlanned.store(false, ordering: .releasing) }
                self.streams.value.begin(isTick: isTick)
            }
        }
    }

    private static let atATime = 16
    /// A task without a delay would run before anything is read.
    private static let pause = TimeAmount.microseconds(500)

    private let eventLoop: any EventLoop
    private var streams: [ObjectIdentifier: RequestServer] = [:]
    /// Those that the round has still to come to.
    private var left: ArraySlice<RequestServer> = []
    private var isTick = false
    /// Another round was asked for in the middle of one: whether with a tick.
    private var another: Bool?

    private init(_ eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
    }

    func add(_ stream: RequestServer) { streams[ObjectIdentifier(stream)] = stream }

    func remove(_ stream: RequestServer) { streams[ObjectIdentifier(stream)] = nil }

    private func begin(isTick: Bool) {
        guard left.isEmpty else {
            another = another == true || isTick
            return
        }
        self.isTick = isTick
        left = Array(streams.values)[...]
        serveSome()
    }

    private func serveSome() {
        // One that has ended in the meantime has nothing to serve.
        for stream in left.prefix(StreamLoop.atATime) { stream.serveStream(isTick: isTick) }
        left = left.dropFirst(StreamLoop.atATime)
        if left.isEmpty, another == nil { return }
        eventLoop.assumeIsolated().scheduleTask(in: StreamLoop.pause) {
            if !self.left.isEmpty { return self.serveSome() }
            guard let isTick = self.another else { return }
            self.another = nil
            self.begin(isTick: isTick)
        }
    }
}
