import Blaster
import CLinuxSockets
import Glibc
import Measurement
import RTPMedia
import SIPWire
import Synchronization

/// The media of a run: bound ports, and one thread beside the workers that absorbs, counts, echoes and sends.
///
/// ```
/// let media = try MediaThread(ports: .standard, at: address, workers: 2)
/// engineSettings.media = media.boards[0]
/// … the run …
/// record.media = media.end()
/// ```
public final class MediaThread: Sendable {
    private final class Shared: Sendable {
        let isEnding = Atomic(false)
        let record = Mutex(MediaRecord())
    }

    private let shared = Shared()
    /// Of each worker.
    public let boards: [MediaBoard]
    private let thread: WorkerThread

    /// - Parameter local: the address that ports are bound at; its port says nothing.
    public init(ports choice: MediaPortChoice, at local: TransportAddress, workers: Int) throws(MediaPortError) {
        var ports = try MediaPorts(choice, at: local)
        // Dealt out in turn; where there are fewer than workers the last ones have none.
        let numbers = ports.pairs.map(\.port)
        boards = (0..<workers).map { worker in
            MediaBoard(ports: stride(from: worker, to: numbers.count, by: workers).map { numbers[$0] })
        }
        let boards = boards
        let shared = shared
        let pairs = ports.pairs
        do throws(WorkerThread.CannotStart) {
            thread = try WorkerThread(name: "carillon-media") {
                var loop = MediaLoop(pairs, boards)
                loop.run { shared.isEnding.load(ordering: .relaxed) }
                let record = loop.finish()
                shared.record.withLock { $0 = record }
            }
        } catch {
            ports.close()
            for board in boards { board.destroy() }
            throw MediaPortError(
                description: "the media thread did not start: \(String(cString: strerror(error.errno)))")
        }
    }

    /// When the workers have ended, once: waits for the thread, closes the ports, and tells what became of all streams.
    public func end() -> MediaRecord {
        shared.isEnding.store(true, ordering: .relaxed)
        thread.join()
        var record = shared.record.withLock { $0 }
        for board in boards {
            let counts = board.counts
            record.mostPortPairsInUse += counts.mostInUse
            record.portsExhausted += counts.exhausted
            record.streamsWithoutCodec += counts.withoutCodec
            board.destroy()
        }
        return record
    }
}
