import CLinuxSockets
import CallEngine
import Glibc
import Measurement
import SIPWire
import TLSSessions

/// Why a run could not start.
public enum BlasterError: Error, CustomStringConvertible {
    case socket(SocketError)
    case tooFewPorts(workers: Int, ports: ClosedRange<UInt16>)
    /// Something is to be sent from an address that the machine does not have.
    case noSource(TransportAddress, errno: Int32)
    case noThread(errno: Int32)
    case noEvent(errno: Int32)

    public var description: String {
        switch self {
        case .socket(let error): return error.description
        case .tooFewPorts(let workers, let ports):
            return "\(workers) workers need a port each, \(ports.lowerBound)-\(ports.upperBound) has \(ports.count)"
        case .noSource(let address, let errno):
            return
                "cannot send from \(address.bareText): \(String(cString: strerror(errno))). Every address of --sources must be one of"
                + " this machine's (ip address show; ip route show table local)"
        case .noThread(let errno): return "cannot start a worker thread: \(String(cString: strerror(errno)))"
        case .noEvent(let errno): return "cannot create an event descriptor: \(String(cString: strerror(errno)))"
        }
    }
}

/// Runs a plan: binds the sockets, starts the workers, watches them, and gives back what they counted.
public enum Blaster {
    /// Carries out a plan with call engines and returns when all workers have ended.
    ///
    /// - Parameters:
    ///   - makeEngine: called on each worker's thread before the start, with its index and the address its socket has.
    ///   - finishEngine: called on each worker's thread when it has left its loop: takes the records out.
    ///   - onReady: called on the calling thread when every socket is bound and every engine made, with the workers'
    ///     addresses, before the first arrival.
    ///   - progressInterval: nanoseconds between two calls of `onProgress`, on the calling thread; at least 50 ms.
    public static func run(
        _ plan: RunPlan, control: RunControl,
        makeEngine: @escaping @Sendable (_ worker: Int, _ address: WorkerAddress) -> CallEngine,
        finishEngine: @escaping @Sendable (_ worker: Int, _ engine: inout CallEngine) -> Void,
        onReady: ([WorkerAddress]) -> Void = { _ in },
        progressInterval: Int64 = 1_000_000_000, onProgress: (RunProgress) -> Void = { _ in }
    ) throws(BlasterError) -> RunResult {
        try carryOut(
            plan, control: control, makeEngine: makeEngine, finishEngine: finishEngine, onReady: onReady,
            progressInterval: progressInterval, onProgress: onProgress)
    }

    /// The same for any engine.
    static func carryOut<Engine: LoadEngine & ~Copyable>(
        _ plan: RunPlan, control: RunControl,
        makeEngine: @escaping @Sendable (Int, WorkerAddress) -> Engine,
        finishEngine: @escaping @Sendable (Int, inout Engine) -> Void,
        onReady: ([WorkerAddress]) -> Void = { _ in },
        progressInterval: Int64, onProgress: (RunProgress) -> Void
    ) throws(BlasterError) -> RunResult {
        let count = plan.workersInUse
        if let ports = plan.ports, ports.count < count { throw .tooFewPorts(workers: count, ports: ports) }
        for number in 0..<plan.sources.count {
            var source = clx_address(plan.sources[number])
            let failed = clx_probe_local(&source)
            if failed != 0 { throw .noSource(plan.sources[number], errno: -failed) }
        }
        let shared = try SharedMemory(plan: plan)
        defer { shared.destroy() }

        var slots: [Slot] = []
        var addresses: [WorkerAddress] = []
        for index in 0..<count {
            do throws(SocketError) {
                let sockets = try WorkerSockets(plan: plan, worker: index)
                addresses.append(sockets.address)
                slots.append(Slot(sockets))
            } catch { throw .socket(error) }
        }
        if plan.spreadsPublishedPort {
            for slot in slots.dropFirst() { slot.publish(slots[0].listener, secure: slots[0].secureListener) }
        }

        var threads: [WorkerThread] = []
        for index in 0..<count {
            let slot = slots[index]
            do throws(WorkerThread.CannotStart) {
                threads.append(
                    try WorkerThread(name: "carillon-\(index)") {
                        work(
                            index, plan: plan, slot: slot, shared: shared, control: control, makeEngine: makeEngine,
                            finishEngine: finishEngine)
                    })
            } catch {
                // Those that wait for the start are told that there is none.
                shared.words.pointee.start.store(-1, ordering: .releasing)
                for thread in threads { thread.join() }
                throw .noThread(errno: error.errno)
            }
        }
        let pages = PagesThread()
        defer { pages?.end() }
        // Engines may take a while to lay out their tables; nobody starts before all are there.
        while shared.words.pointee.ready.load(ordering: .acquiring) < count { usleep(200) }
        onReady(addresses)
        let start = MonotonicInstant.now().advanced(byNanoseconds: 1_000_000)
        shared.words.pointee.start.store(start.nanoseconds, ordering: .releasing)

        var monitor = RunMonitor(plan: plan, shared: shared, start: start)
        monitor.watch(control: control, progressInterval: progressInterval, onProgress: onProgress)
        for thread in threads { thread.join() }
        let results = slots.map { $0.result! }
        return monitor.result(of: results, control: control)
    }

    /// A worker thread from first to last.
    private static func work<Engine: LoadEngine & ~Copyable>(
        _ index: Int, plan: RunPlan, slot: Slot, shared: SharedMemory, control: RunControl,
        makeEngine: @Sendable (Int, WorkerAddress) -> Engine,
        finishEngine: @Sendable (Int, inout Engine) -> Void
    ) {
        // The kernel's default lets each sleep be 50 µs late.
        _ = clx_set_timer_slack(1)
        if plan.pinsWorkers { _ = clx_pin_thread(UInt32(index)) }
        var sockets = slot.takeSockets()
        let address = sockets.address
        let engine = makeEngine(index, address)
        let streams: ConnectionTable
        do {
            streams = try ConnectionTable(
                isOn: plan.speaksStreams, options: plan.streams, local: address.local, sockets: sockets,
                tls: Self.desk(plan))
        } catch {
            giveUp("no address space for \(error.octets) octets of parts of messages")
        }
        var worker = Worker(
            index: index, plan: plan, socket: sockets.takeSocket(), streams: streams, engine: engine, control: control,
            words: shared.words,
            progress: shared.progress + index, rings: shared.rings, events: shared.events)
        shared.words.pointee.ready.wrappingAdd(1, ordering: .releasing)
        var start: Int64 = 0
        while start == 0 {
            usleep(100)
            start = shared.words.pointee.start.load(ordering: .acquiring)
        }
        guard start > 0 else { return }
        clx_sleep_until(start)
        worker.run(from: MonotonicInstant(nanoseconds: start))
        finishEngine(index, &worker.engine)
        slot.result = worker.result
    }

    private static func desk(_ plan: RunPlan) -> TLSDesk? {
        guard plan.transports.contains(.tls), let options = plan.streams.tls else { return nil }
        do throws(TLSSettingsFault) { return try TLSDesk.make(options) } catch {
            // They were good when the run was asked for: a file has changed since.
            giveUp("\(error)")
        }
    }

    /// Takes a socket to a worker's thread and its result back. Each side touches it while the other cannot: before the
    /// thread is created and after it is joined.
    private final class Slot: @unchecked Sendable {
        private var sockets: WorkerSockets?
        let listener: Int32
        let secureListener: Int32
        var result: WorkerResult?

        init(_ sockets: consuming WorkerSockets) {
            listener = sockets.listener
            secureListener = sockets.secureListener
            self.sockets = consume sockets
        }

        func publish(_ listener: Int32, secure: Int32) { sockets?.publish(listener, secure: secure) }
        func takeSockets() -> WorkerSockets { sockets.take()! }
    }
}

/// What the workers of a run share, all in plain memory that outlives them.
struct SharedMemory: @unchecked Sendable {
    let words: UnsafeMutablePointer<RunWords>
    let progress: UnsafeMutablePointer<ProgressWords>
    let rings: UnsafeMutablePointer<HandOverRing>
    let events: UnsafeMutablePointer<Int32>
    let workers: Int
    private let ringCount: Int

    init(plan: RunPlan) throws(BlasterError) {
        workers = plan.workersInUse
        words = .allocate(capacity: 1)
        words.initialize(to: RunWords())
        let stride = MemoryLayout<ProgressWords>.stride
        progress = UnsafeMutableRawPointer.allocate(byteCount: stride * workers, alignment: 128)
            .bindMemory(to: ProgressWords.self, capacity: workers)
        for i in 0..<workers { (progress + i).initialize(to: ProgressWords()) }
        rings = .allocate(capacity: workers)
        ringCount = plan.spreadsPublishedPort ? workers : 0
        for i in 0..<ringCount { (rings + i).initialize(to: HandOverRing()) }
        events = .allocate(capacity: workers)
        for i in 0..<workers { events[i] = -1 }
        for i in 1..<max(1, ringCount) {
            events[i] = clx_event_create()
            if events[i] < 0 {
                let errno = -events[i]
                destroy()
                throw .noEvent(errno: errno)
            }
        }
    }

    func destroy() {
        for i in 0..<workers where events[i] >= 0 { clx_close(events[i]) }
        for i in 0..<ringCount { rings[i].destroy() }
        rings.deallocate()
        events.deallocate()
        progress.deinitialize(count: workers)
        UnsafeMutableRawPointer(progress).deallocate()
        words.deinitialize(count: 1)
        words.deallocate()
    }
}
