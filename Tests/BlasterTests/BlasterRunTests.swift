import CLinuxSockets
import Glibc
import Measurement
import SIPWire
import Testing

@testable import Blaster

private func plan(_ load: Load, seconds: Double? = nil, calls: UInt64? = nil, workers: Int = 1) -> RunPlan {
    var plan = RunPlan(load: load, local: anyLoopback)
    plan.duration = seconds.map { Int64($0 * 1e9) }
    plan.calls = calls
    plan.workers = workers
    plan.seed = 11
    return plan
}

private func open(_ rate: Double, concurrency: Int? = nil) -> Load {
    .open(rate: rate, process: .poisson, concurrency: concurrency)
}

/// A port of the loopback address on which nobody listens.
private func closedPort() throws -> TransportAddress {
    let gone = try UDPSocket(binding: anyLoopback)
    return gone.localAddress
}

@Suite struct BlasterRunTests {
    @Test(arguments: [1, 2, 3], [WaitPolicy.automatic, .event, .moderated])
    func anOpenPlanIsCarriedOut(workers: Int, wait: WaitPolicy) throws {
        var plan = plan(open(2000), seconds: 0.5, workers: workers)
        plan.wait = wait
        plan.interval = 100_000_000
        // However busy the machine is: nothing is dropped for lateness here.
        plan.catchUpLimit = .max
        let (result, records) = try echo(plan)
        #expect(result.end == .completed)
        #expect(!result.nothingReachable)
        #expect(records.count == workers)
        // Every arrival of the plan once, each by its worker.
        #expect(records.flatMap(\.started).sorted() == Array(0..<1000))
        for record in records {
            #expect(record.started.allSatisfy { $0 % UInt64(workers) == UInt64(record.worker) })
            #expect(record.roundTrips.count == record.started.count)
            #expect(record.lateness.allSatisfy { $0 >= 0 })
            #expect(record.roundTrips.allSatisfy { $0 >= -1_000_000 })
            #expect(record.intervals == record.intervals.sorted())
            #expect(record.intervals.count >= 2)
            // Once for each batch, and each message in one of them.
            #expect(record.received.reduce(0) { $0 + $1.messages } == record.roundTrips.count + record.questions.count)
            #expect(record.received.allSatisfy { $0.messages > 0 && $0.lateness >= 0 })
        }
        let counters = result.counters
        #expect(counters.datagramsSent == 2000)
        #expect(counters.datagramsReceived == 2000)
        #expect(counters.receiveOverflow == 0)
        #expect(counters.busyNanoseconds > 0)
        #expect(counters.busyNanoseconds <= counters.elapsedNanoseconds)
        #expect(records.compactMap(\.counters) == result.workers.map(\.counters))
        #expect(result.workers.allSatisfy { $0.abandonedRuns == 0 && $0.notStarted == 0 && $0.blocked == 0 })
        #expect(result.workers.reduce(0) { $0 + $1.started } == 1000)
    }

    @Test func theSamePlanWhateverTheWorkers() throws {
        // Due times are the schedule's, not the workers'.
        let (_, one) = try echo(plan(open(1000), calls: 200, workers: 1))
        let (_, two) = try echo(plan(open(1000), calls: 200, workers: 2))
        #expect(one.flatMap(\.started).sorted() == two.flatMap(\.started).sorted())
    }

    @Test(arguments: [1, 2, 5])
    func aClosedPlanKeepsItsWindow(concurrency: Int) throws {
        let (result, records) = try echo(plan(.closed(concurrency: concurrency), calls: 501, workers: 2))
        #expect(result.workers.count == min(2, concurrency))
        #expect(records.flatMap(\.started).sorted() == Array(0..<501))
        #expect(records.reduce(0) { $0 + $1.mostLive } <= concurrency)
        #expect(records.allSatisfy { $0.lateness.allSatisfy { $0 == 0 } })
        #expect(result.end == .completed)
    }

    @Test func aClosedPlanEndsByItsDuration() throws {
        let (result, records) = try echo(plan(.closed(concurrency: 4), seconds: 0.2))
        #expect(result.end == .completed)
        #expect(result.elapsed >= 200_000_000)
        #expect(records[0].started.count > 4)
        #expect(records[0].roundTrips.count == records[0].started.count)
    }

    @Test func spinningWorks() throws {
        var plan = plan(open(1000), calls: 100)
        plan.wait = .spin
        let (result, records) = try echo(plan)
        #expect(records[0].roundTrips.count == 100)
        #expect(result.counters.waits == 0)
        // Looking without finding is not work.
        #expect(result.counters.busyNanoseconds > 0)
        #expect(result.counters.busyNanoseconds < result.counters.elapsedNanoseconds / 10 * 9)
    }

    @Test func arrivalsBeyondTheCapAreBlocked() throws {
        var plan = plan(open(1000, concurrency: 10), calls: 100)
        plan.settleLimit = 0
        // Nobody answers: ten runs fill the cap, the rest is blocked, and the ten are drained.
        let (result, records) = try echo(plan, behaviour: .silent)
        #expect(result.workers[0].started == 10)
        #expect(result.workers[0].blocked == 90)
        #expect(records[0].blocked == 90)
        #expect(records[0].drained == 10)
    }

    @Test func arrivalsWithoutASlotAreCounted() throws {
        var plan = plan(open(1000), calls: 100)
        plan.settleLimit = 0
        let (result, _) = try echo(plan, behaviour: EchoBehaviour(answers: false, slots: 7))
        #expect(result.workers[0].started == 7)
        #expect(result.workers[0].noSlot == 93)
    }

    @Test func lateArrivalsAreNotStarted() throws {
        var plan = plan(open(1000), calls: 100)
        // All are late by then.
        plan.catchUpLimit = -1_000_000_000
        let (result, records) = try echo(plan)
        #expect(result.workers[0].started == 0)
        #expect(result.workers[0].notStarted == 100)
        #expect(records[0].notStarted.count == 100)
        #expect(records[0].notStarted.allSatisfy { $0 >= 0 })
    }

    @Test func aStopDrainsAtItsRate() throws {
        var plan = plan(open(2000))
        plan.drainRate = 1000
        let control = RunControl()
        var before: RunProgress?
        let (result, records) = try echo(plan, control: control, behaviour: .silent) { progress in
            if progress.liveRuns >= 400 && before == nil {
                before = progress
                control.interrupt()
            }
        }
        #expect(result.end == .stopped)
        #expect(records[0].drained == records[0].started.count)
        #expect(result.workers[0].abandonedRuns == 0)
        // A thousand a second: so many runs take so long at least, whatever the machine does.
        let drained = Double(records[0].drained)
        let took = result.elapsed - (before?.elapsed ?? 0)
        #expect(Double(took) > (drained - 200) / 1000 * 1e9)
    }

    @Test func anAbortLeavesAtOnce() throws {
        let control = RunControl()
        let (result, records) = try echo(plan(open(2000)), control: control, behaviour: .silent) { progress in
            if progress.liveRuns >= 20 {
                control.interrupt()
                control.interrupt()
            }
        }
        #expect(control.isAbortRequested)
        #expect(result.end == .aborted)
        #expect(records[0].drained == 0)
        #expect(result.workers[0].abandonedRuns == records[0].started.count)
        // What was recorded is there.
        #expect(records[0].counters != nil)
        #expect(records[0].intervals.count >= 1)
    }

    @Test func runsThatNeverEndAreLeftInTheEnd() throws {
        var plan = plan(open(1000), calls: 20)
        plan.settleLimit = 50_000_000
        plan.drainRate = 0
        plan.drainLimit = 0
        let control = RunControl()
        let (result, _) = try echo(plan, control: control, behaviour: .silent) { progress in
            if progress.phase == .draining { control.requestAbort() }
        }
        #expect(result.workers[0].abandonedRuns == 20)
    }

    @Test(arguments: [1, 2])
    func nothingReachableEndsTheRun(workers: Int) throws {
        let (result, records) = try echo(plan(open(200), workers: workers), to: .address(try closedPort()))
        #expect(result.nothingReachable)
        #expect(result.end == .completed)
        #expect(records.allSatisfy { !$0.refusals.isEmpty })
        #expect(result.counters.refusals > 0)
    }

    @Test func aShortRunAgainstNobodySaysSoToo() throws {
        var plan = plan(open(1000), calls: 20)
        plan.settleLimit = 100_000_000
        let (result, _) = try echo(plan, to: .address(try closedPort()))
        #expect(result.nothingReachable)
    }

    @Test func silenceIsNotRefusal() throws {
        let deaf = try UDPSocket(binding: anyLoopback)
        let address = deaf.localAddress
        var plan = plan(open(1000), calls: 20)
        plan.settleLimit = 0
        let (result, _) = try echo(plan, to: .address(address))
        #expect(!result.nothingReachable)
    }

    @Test(arguments: [1, 2, 3])
    func aPublishedPortServesAllWorkers(workers: Int) throws {
        // The callee's run is on a thread of its own and ends when nothing has come for a while.
        var serving = plan(.none, workers: workers)
        serving.spreadsPublishedPort = true
        serving.idleLimit = 200_000_000
        serving.local = try closedPort()
        let serve = ServingThread(serving)
        let (calling, _) = try echo(plan(open(2000), calls: 500), to: .address(serving.local))
        #expect(calling.result(isComplete: 500))
        let (result, records) = try serve.join()
        #expect(result.end == .idle)
        #expect(records.flatMap(\.questions).sorted() == Array(0..<500))
        for record in records {
            #expect(record.questions.allSatisfy { $0 % UInt64(workers) == UInt64(record.worker) })
        }
        // What is passed on waits until its owner takes it up, and counts there.
        let taken = records.flatMap(\.received).reduce(0) { $0 + $1.messages }
        #expect(taken == Int(result.counters.datagramsReceived))
        #expect(result.counters.handOverOverflow == 0)
        #expect((result.counters.handedOver > 0) == (workers > 1))
    }

    @Test(arguments: [WaitPolicy.event, .moderated, .spin])
    func timersFireWhileNothingComes(wait: WaitPolicy) throws {
        var plan = plan(.closed(concurrency: 3), calls: 30)
        plan.wait = wait
        let (result, records) = try echo(plan, behaviour: EchoBehaviour(answers: false, timeLimit: 3_000_000))
        #expect(result.end == .completed)
        let lateness = records[0].timerLateness.sorted()
        #expect(lateness.count == 30)
        // Woken for its timers, not by its ticks of 50 ms.
        #expect(lateness[15] < 25_000_000)
    }

    @Test func aFullSendBufferDelaysAndLosesNothing() throws {
        let (result, records) = try echo(
            plan(open(2000), calls: 200), behaviour: EchoBehaviour(transmitter: fullEveryOtherTimeInRunTest))
        #expect(result.end == .completed)
        #expect(records[0].roundTrips.count == 200)
        #expect(result.counters.sendsBlocked > 0)
        #expect(result.counters.sendsDropped == 0)
    }

    @Test func aBufferThatStaysFullDropsAndTells() throws {
        var plan = plan(open(2000), calls: 200)
        plan.settleLimit = 300_000_000
        let (result, records) = try echo(plan, behaviour: EchoBehaviour(transmitter: alwaysFull))
        #expect(result.counters.datagramsSent == 0)
        #expect(result.counters.sendsDropped > 0)
        #expect(records[0].queueFull > 0)
        #expect(records[0].drained == 200)
        #expect(!result.nothingReachable)
    }

    @Test func tooFewPortsAreRefused() throws {
        var plan = plan(open(10), calls: 1, workers: 3)
        plan.ports = 20000...20001
        #expect(throws: BlasterError.self) { try echo(plan) }
    }

    @Test func takenPortsAreRefused() throws {
        let taken = try UDPSocket(binding: anyLoopback)
        var plan = plan(open(10), calls: 1)
        plan.local = taken.localAddress
        do {
            _ = try echo(plan)
            Issue.record("two sockets on one port")
        } catch let error as BlasterError {
            #expect(error.description.contains("Address already in use"))
        }
        _ = consume taken
    }

    @Test func concurrencyIsShared() {
        var plan = RunPlan(load: .closed(concurrency: 10), local: anyLoopback)
        plan.workers = 4
        #expect((0..<4).map { plan.concurrency(ofWorker: $0) } == [3, 3, 2, 2])
        plan.load = .open(rate: 1, process: .poisson, concurrency: 2)
        #expect(plan.workersInUse == 2)
        plan.load = .open(rate: 1, process: .poisson, concurrency: nil)
        #expect(plan.workersInUse == 4)
        #expect(plan.concurrency(ofWorker: 3) == .max)
    }
}

extension RunResult {
    func result(isComplete calls: UInt64) -> Bool {
        end == .completed && workers.reduce(0) { $0 + $1.started } == calls
            && workers.allSatisfy { $0.abandonedRuns == 0 }
    }
}

/// A callee's run beside the test's own.
private final class ServingThread: @unchecked Sendable {
    private var outcome: Result<(result: RunResult, records: [EchoEngine.Record]), any Error>?
    private var thread: WorkerThread?

    init(_ plan: RunPlan) {
        thread = try? WorkerThread(name: "serve") { [unowned self] in
            outcome = Result { try echo(plan, behaviour: EchoBehaviour(spreads: true)) }
        }
        // Bound before anybody calls.
        usleep(50_000)
    }

    func join() throws -> (result: RunResult, records: [EchoEngine.Record]) {
        thread?.join()
        return try outcome!.get()
    }
}
