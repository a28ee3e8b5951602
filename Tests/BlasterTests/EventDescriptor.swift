import CLinuxSockets

/// An eventfd for tests with two threads.
final class EventDescriptor: Sendable {
    private let descriptor = clx_event_create()
    deinit { clx_close(descriptor) }

    func signal() { clx_event_signal(descriptor) }

    /// - Returns: false when nobody signalled in time.
    func wait(nanoseconds: Int64) -> Bool {
        let ready = clx_wait(-1, -1, -1, descriptor, nanoseconds)
        clx_event_clear(descriptor)
        return ready != 0
    }
}
