import CLinuxSockets
import CallEngine
import Glibc
import Synchronization

/// The thread that makes memory resident ahead of the workers. A run does without it where there is no thread to be had.
final class PagesThread: Sendable {
    private final class Flag: Sendable {
        let isEnded = Atomic(false)
    }

    /// Between two looks: what tables grow by meanwhile is what they go ahead by.
    private static let pause: UInt32 = 20_000

    private let flag = Flag()
    private let thread: WorkerThread

    init?() {
        let flag = flag
        do throws(WorkerThread.CannotStart) {
            thread = try WorkerThread(name: "carillon-pages") {
                // Beside a worker that never sleeps it still gets a tenth of the processor.
                _ = clx_set_niceness(10)
                while !flag.isEnded.load(ordering: .relaxed) {
                    PagesAhead.look()
                    usleep(Self.pause)
                }
            }
        } catch { return nil }
    }

    func end() {
        flag.isEnded.store(true, ordering: .relaxed)
        thread.join()
    }
}
