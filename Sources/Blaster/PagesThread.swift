import CLinuxSockets
import CallEngine
import Glibc
import Synchronization

/// The thread that makes memory resident ahead of the workers. A run does without it where there is no thread to be had.
final class PagesThread: Sendable {
    private final class Flag: Sendable {
        let isEnded = Atomic(false)
    }

    /// Microseconds between two looks: what tables grow by meanwhile is what they go ahead by. While nothing grows it is looked ever more
    /// seldom, since a wake costs as much as a call.
    private static let pauses: ClosedRange<UInt32> = 20_000...640_000

    private let flag = Flag()
    private let thread: WorkerThread

    init?() {
        let flag = flag
        do throws(WorkerThread.CannotStart) {
            thread = try WorkerThread(name: "carillon-pages") {
                // Beside a worker that never sleeps it still gets a tenth of the processor.
                _ = clx_set_niceness(10)
                var pause = Self.pauses.lowerBound
                while !flag.isEnded.load(ordering: .relaxed) {
                    pause = PagesAhead.look() ? Self.pauses.lowerBound : min(pause * 2, Self.pauses.upperBound)
                    usleep(pause)
                }
            }
        } catch { return nil }
    }

    /// Does not wait for it to notice.
    func end() {
        flag.isEnded.store(true, ordering: .relaxed)
        thread.leave()
    }
}
