import CLinuxSockets
import CallEngine
import Measurement
import SIPWire
import Synchronization

@testable import Blaster

/// The smallest engine that makes a load: a run is a question, and ends with its answer. Both sides are in it, so that one
/// worker can talk to itself. A run that is not answered stays until it is drained.
struct EchoEngine: ~Copyable, LoadEngine, FlowAddresses {
    struct Run { var due: Int64, started: Int64 }

    /// What it saw, taken out at the end.
    struct Record: Sendable {
        var worker = 0
        var started: [UInt64] = []
        var lateness: [Int64] = []
        var roundTrips: [Int64] = []
        var notStarted: [Int64] = []
        var blocked = 0
        var intervals: [Int64] = []
        var counters: TransportCounters?
        var refusals: [TransportAddress] = []
        var flowEvents = 0
        var questions: [UInt64] = []
        var drained = 0
        var mostLive = 0
        /// How late timers fired, in nanoseconds.
        var timerLateness: [Int64] = []
        var queueFull = 0
        /// Of each batch: messages, and how long the oldest had waited.
        var received: [(messages: Int, lateness: Int64)] = []
    }

    private static let length = 64

    var outbound = OutboundLog()
    var addresses: [TransportAddress]
    var runs: [UInt64: Run] = [:]
    var record = Record()
    let answers: Bool
    /// Runs that may be in progress at once.
    let slots: Int
    /// Gives initial requests to the worker that the question's number says.
    let spreads: Bool
    /// Ends a run that is not answered, in nanoseconds.
    let timeLimit: Int64?
    /// Put in place of the kernel's sending at the first flush.
    private var transmitter: clx_transmitter?

    init(worker: Int, target: TransportAddress, behaviour: EchoBehaviour) {
        addresses = [target]
        record.worker = worker
        answers = behaviour.answers
        slots = behaviour.slots
        spreads = behaviour.spreads
        timeLimit = behaviour.timeLimit
        transmitter = behaviour.transmitter
    }

    var liveRuns: Int { runs.count }
    let endedRuns: UInt64 = 0
    private var timers: [(number: UInt64, deadline: Int64)] = []
    var nextDeadline: MonotonicInstant {
        timers.first.map { MonotonicInstant(nanoseconds: $0.deadline) } ?? .distantFuture
    }
    var wantsFlush: Bool { outbound.wantsFlush }
    func address(of flow: Flow) -> TransportAddress { addresses[Int(flow.index)] }

    private mutating func say(_ kind: UInt8, _ number: UInt64, flow: UInt32) {
        withUnsafeTemporaryAllocation(byteCount: Self.length, alignment: 8) { octets in
            octets.initializeMemory(as: UInt8.self, repeating: kind)
            octets.storeBytes(of: number, toByteOffset: 8, as: UInt64.self)
            _ = outbound.append(
                UnsafeRawBufferPointer(octets), flow: Flow(index: flow), owner: UInt32(truncatingIfNeeded: number))
        }
    }

    mutating func startRun(number: UInt64, due: MonotonicInstant, now: MonotonicInstant) -> Bool {
        guard runs.count < slots else { return false }
        runs[number] = Run(due: due.nanoseconds, started: now.nanoseconds)
        record.started.append(number)
        record.lateness.append(now.nanoseconds(since: due))
        record.mostLive = max(record.mostLive, runs.count)
        if let timeLimit { timers.append((number, now.nanoseconds + timeLimit)) }
        say(UInt8(ascii: "Q"), number, flow: 0)
        return true
    }

    mutating func receive(
        _ message: UnsafeRawBufferPointer, from source: TransportAddress, received: MonotonicInstant,
        now: MonotonicInstant
    ) {
        guard message.count == Self.length else { return }
        let number = message.load(fromByteOffset: 8, as: UInt64.self)
        if message[0] == UInt8(ascii: "Q") {
            record.questions.append(number)
            guard answers else { return }
            var flow = addresses.lastIndex(of: source)
            if flow == nil {
                addresses.append(source)
                flow = addresses.count - 1
            }
            say(UInt8(ascii: "A"), number, flow: UInt32(flow!))
        } else if let run = runs.removeValue(forKey: number) {
            record.roundTrips.append(received.nanoseconds - run.started)
        }
    }

    /// One timer at a time: the worker must call again.
    mutating func advance(to now: MonotonicInstant) {
        guard let timer = timers.first, timer.deadline <= now.nanoseconds else { return }
        timers.removeFirst()
        record.timerLateness.append(now.nanoseconds - timer.deadline)
        runs.removeValue(forKey: timer.number)
    }

    mutating func flow(_ flow: Flow, did event: FlowEvent, now: MonotonicInstant) {
        record.flowEvents += 1
        if case .queueFull = event { record.queueFull += 1 }
    }

    mutating func sendFailed(
        to destination: TransportAddress, quoted: UnsafeRawBufferPointer, errno: Int32, now: MonotonicInstant
    ) {
        record.refusals.append(destination)
        guard quoted.count >= 16 else { return }
        runs.removeValue(forKey: quoted.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
    }

    mutating func drain(_ count: Int, now: MonotonicInstant) -> Int {
        for number in runs.keys.prefix(count) {
            runs.removeValue(forKey: number)
            record.drained += 1
        }
        return runs.count
    }

    func owner(ofInitialRequest message: UnsafeRawBufferPointer, workers: Int) -> Int? {
        guard spreads, message.count == Self.length, message[0] == UInt8(ascii: "Q") else { return nil }
        return Int(message.load(fromByteOffset: 8, as: UInt64.self) % UInt64(workers))
    }

    mutating func recordNotStarted(due: MonotonicInstant, now: MonotonicInstant) {
        record.notStarted.append(now.nanoseconds(since: due))
    }
    mutating func recordBlocked() { record.blocked += 1 }
    mutating func recordReceived(_ messages: Int, latenessNanoseconds: Int64) {
        record.received.append((messages, latenessNanoseconds))
    }
    mutating func closeInterval(now: MonotonicInstant) { record.intervals.append(now.nanoseconds) }
    mutating func countTransport(_ counters: TransportCounters) { record.counters = counters }

    mutating func flush(through socket: inout UDPSocket) -> UDPSocket.SendOutcome {
        if let transmitter {
            clx_sender_set_transmitter(socket.sender, transmitter)
            self.transmitter = nil
        }
        let outcome = socket.send(outbound, to: self)
        if case .sent = outcome { outbound.removeAll() }
        return outcome
    }

    mutating func discardOutbound(through socket: inout UDPSocket) {
        socket.discard(outbound)
        outbound.removeAll()
    }
}

/// How echo engines behave.
struct EchoBehaviour: @unchecked Sendable {
    var answers = true
    var slots = Int.max
    var spreads = false
    var timeLimit: Int64?
    var transmitter: clx_transmitter?

    static let silent = EchoBehaviour(answers: false)
}

/// Where a worker sends its questions.
enum EchoTarget: Sendable {
    case itself
    case address(TransportAddress)
}

/// Runs a plan with echo engines.
func echo(
    _ plan: RunPlan, to target: EchoTarget = .itself, control: RunControl = RunControl(),
    behaviour: EchoBehaviour = EchoBehaviour(), onProgress: (RunProgress) -> Void = { _ in }
) throws -> (result: RunResult, records: [EchoEngine.Record]) {
    let records = Mutex<[EchoEngine.Record]>([])
    let box = RecordBox(records)
    let result = try Blaster.carryOut(
        plan, control: control,
        makeEngine: { worker, local in
            var address = local.local
            if case .address(let other) = target { address = other }
            return EchoEngine(worker: worker, target: address, behaviour: behaviour)
        },
        finishEngine: { (_, engine: inout EchoEngine) in
            let record = engine.record
            box.records.withLock { $0.append(record) }
        },
        progressInterval: 50_000_000, onProgress: onProgress)
    return (result, box.records.withLock { $0.sorted { $0.worker < $1.worker } })
}

private final class RecordBox: Sendable {
    let records: Mutex<[EchoEngine.Record]>
    init(_ records: consuming Mutex<[EchoEngine.Record]>) { self.records = records }
}
