import CLinuxSockets
import Glibc

/// A POSIX thread that runs one body and ends. Foundation's Thread is not for here, and tasks of the concurrency runtime
/// must not block; a worker does nothing else.
package struct WorkerThread {
    private let thread: pthread_t

    /// What is handed through the C entry point, which takes one pointer: retained for it, released by the thread.
    private final class Box {
        let body: @Sendable () -> Void
        let name: String
        init(name: String, body: @escaping @Sendable () -> Void) {
            self.body = body
            self.name = name
        }
    }

    package struct CannotStart: Error { package var errno: Int32 }

    /// - Parameter name: at most 15 characters, shown by ps and perf.
    package init(name: String, body: @escaping @Sendable () -> Void) throws(CannotStart) {
        let box = Unmanaged.passRetained(Box(name: name, body: body))
        var thread = pthread_t()
        // Signals are for the thread that waits for the workers: a thread inherits the mask it is created under.
        var all = sigset_t()
        var before = sigset_t()
        sigfillset(&all)
        // A thread's own faults cannot wait: blocked, they end the process before any handler sees them. A mapped file of
        // rows that is cut while it is read raises SIGBUS, which its handler puts right.
        for fault in [SIGBUS, SIGSEGV, SIGILL, SIGFPE] { sigdelset(&all, fault) }
        pthread_sigmask(SIG_SETMASK, &all, &before)
        let failed = pthread_create(
            &thread, nil,
            { context in
                let box = Unmanaged<Box>.fromOpaque(context!).takeRetainedValue()
                clx_name_thread(box.name)
                box.body()
                return nil
            }, box.toOpaque())
        pthread_sigmask(SIG_SETMASK, &before, nil)
        guard failed == 0 else {
            box.release()
            throw CannotStart(errno: failed)
        }
        self.thread = thread
    }

    /// It ends by itself some time.
    package func leave() { pthread_detach(thread) }

    package func join() { pthread_join(thread, nil) }
}
