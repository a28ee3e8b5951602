import CallEngine
import Glibc
import Measurement
import SIPWire

// What a worker does with its connections.
extension Worker where Engine: ~Copyable {
    private static var listenerLook: Int64 { 1_000_000 }
    /// How long the last octets of a run may take to leave when the worker goes.
    private static var lastFlush: Int64 { 200_000_000 }

    /// Takes what has come on streams.
    /// - Returns: how many messages.
    mutating func takeStreams(_ now: MonotonicInstant) -> Int {
        // Without connections there is only a listener, which need not be looked at in every round of a busy worker.
        if streams.live == 0, now < nextStreamLook { return 0 }
        nextStreamLook = now.advanced(byNanoseconds: Self.listenerLook)
        let count = streams.receive(into: &engine, now: now)
        if count > 0 { lastReceived = now }
        tellNotices(now)
        return count
    }

    /// Hands over what the log has for streams, and tells what became of their connections.
    mutating func flushStreams(_ now: MonotonicInstant) {
        engine.flush(into: &streams, now: now)
        tellNotices(now)
    }

    private mutating func tellNotices(_ now: MonotonicInstant) {
        guard !streams.notices.isEmpty || !streams.dropped.isEmpty else { return }
        // The engine may answer with messages, never with notices. They stay in the log until the next flush, which follows at once.
        for notice in streams.notices {
            if let words = notice.words { engine.explain(notice.errno, words) }
            if notice.setup > 0 { engine.recordHandshake(notice.setup) }
            if notice.flow == .datagram { continue }
            switch notice.event {
            case .refused, .closed: streams.dropQueued(notice.flow)
            default: break
            }
            engine.flow(notice.flow, did: notice.event, now: now)
        }
        streams.notices.removeAll(keepingCapacity: true)
        for message in streams.dropped {
            engine.sendDropped(on: message.flow, owner: message.owner, errno: message.errno, now: now)
        }
        streams.dropped.removeAll(keepingCapacity: true)
    }

    /// The worker leaves: what still waits to be sent has a moment for it.
    mutating func flushLast() {
        let end = MonotonicInstant.now().advanced(byNanoseconds: Self.lastFlush)
        while streams.hasQueued, MonotonicInstant.now() < end {
            _ = socket.wait(watch: streams.watch, event: -1, atMost: 10_000_000)
            _ = streams.receive(into: &engine, now: .now())
            flushStreams(.now())
        }
    }
}
