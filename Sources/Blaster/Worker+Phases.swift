import CLinuxSockets
import CallEngine
import Glibc
import Measurement
import SIPWire

// What a worker does twenty times a second: intervals, requests from outside, the run's end, its progress snapshot.
extension Worker where Engine: ~Copyable {
    /// From tick to tick. Also how long a request to stop may go unseen.
    private static var tickInterval: Int64 { 50_000_000 }
    /// While draining, so that the drain rate is carried out in small portions.
    private static var drainTickInterval: Int64 { 10_000_000 }
    private static var reachabilityLimit: Int64 { 1_000_000_000 }

    /// - Returns: false when the worker is to leave.
    mutating func tick(_ now: MonotonicInstant) -> Bool {
        let elapsed = now.nanoseconds(since: lastTick)
        lastTick = now
        stamps.refresh(now: now)
        favourLikelyPeer()
        if now >= aloneUntil { socket.sendsAlone = false }
        if streams.isOn { engine.look(after: &streams, now: now) }
        if now >= nextInterval {
            engine.closeInterval(now: now)
            // After a stall the missed intervals are one long one.
            repeat { nextInterval = nextInterval.advanced(byNanoseconds: plan.interval) } while nextInterval <= now
        }
        judgeReachability(now, isLast: false)
        let isLeaving = !advancePhase(now, elapsed: elapsed)
        publish(now)
        let isEnding = phase == .draining || phase == .settling && engine.repeatsUntilEnd
        nextTick = min(
            now.advanced(byNanoseconds: isEnding ? Self.drainTickInterval : Self.tickInterval), nextInterval)
        return !isLeaving
    }

    /// - Returns: false when the worker is to leave.
    private mutating func advancePhase(_ now: MonotonicInstant, elapsed: Int64) -> Bool {
        if control.isAbortRequested { return false }
        let isStopped = control.isStopRequested || words.pointee.stop.load(ordering: .relaxed) != 0
        if phase == .loading && (isStopped || isPlanExhausted) { enter(.settling, now) }
        if phase == .settling {
            if engine.liveRuns == 0 {
                enter(.done, now)
            } else if engine.repeatsUntilEnd, !hasEndedRepeating {
                hasEndedRepeating = engine.endRepeating(portion(elapsed), now: now)
                // The limit counts from the last one told.
                phaseStart = now
            } else if isStopped && !engine.repeatsUntilEnd || now.nanoseconds(since: phaseStart) > plan.settleLimit {
                enter(.draining, now)
                undrained = engine.liveRuns
            }
        }
        if phase == .draining { drain(now, elapsed: elapsed) }
        if phase == .done {
            if !isCountedDone {
                isCountedDone = true
                words.pointee.done.wrappingAdd(1, ordering: .relaxed)
            }
            // Until all are done: a worker that others' requests come through must not leave before them, and the last
            // retransmissions are answered meanwhile.
            return words.pointee.done.load(ordering: .relaxed) < plan.workersInUse
                || now.nanoseconds(since: phaseStart) < plan.lingerAfterEnd
        }
        return true
    }

    private mutating func drain(_ now: MonotonicInstant, elapsed: Int64) {
        if engine.liveRuns == 0 {
            enter(.done, now)
            return
        }
        let portion = portion(elapsed)
        if portion > 0 { undrained = engine.drain(portion, now: now) }
        if undrained > 0 {
            // The limit counts from the last one hung up.
            phaseStart = now
        } else if now.nanoseconds(since: phaseStart) > plan.drainLimit {
            enter(.done, now)
        }
    }

    /// Runs to be ended now, at the drain rate.
    private mutating func portion(_ elapsed: Int64) -> Int {
        drainRemainder += plan.drainRate / Double(plan.workersInUse) * Double(elapsed) * 1e-9
        // A stall must not become a burst.
        drainRemainder = min(drainRemainder, max(64, plan.drainRate / 10))
        let portion = Int(drainRemainder)
        drainRemainder -= Double(portion)
        return portion
    }

    private mutating func enter(_ next: RunPhase, _ now: MonotonicInstant) {
        if phase == .loading { result.loadNanoseconds = now.nanoseconds(since: start) }
        phase = next
        phaseStart = now
    }

    /// Nothing is there when within a second of the first datagram sent something was refused and nothing came.
    mutating func judgeReachability(_ now: MonotonicInstant, isLast: Bool) {
        guard result.reachability == .unknown else { return }
        let counters = socket.counters
        if counters.datagramsReceived > 0 || lastReceived != .zero || streams.counters.connectionsOpened > 0 {
            result.reachability = .reachable
            return
        }
        let refused = streams.counters.connectionsRefused
        if firstSent == .zero && (counters.datagramsSent > 0 || counters.sendsFailed > 0 || refused > 0) {
            firstSent = now
        }
        guard firstSent != .zero, isLast || now.nanoseconds(since: firstSent) >= Self.reachabilityLimit else { return }
        if counters.refusals > 0 || counters.sendsFailed > 0 || refused > 0 { result.reachability = .refused }
    }

    func publish(_ now: MonotonicInstant) {
        let counters = socket.counters
        progress.pointee.started.store(result.started, ordering: .relaxed)
        progress.pointee.notStarted.store(result.notStarted, ordering: .relaxed)
        progress.pointee.blocked.store(result.blocked, ordering: .relaxed)
        progress.pointee.noSlot.store(result.noSlot, ordering: .relaxed)
        progress.pointee.noRow.store(result.noRow, ordering: .relaxed)
        progress.pointee.liveRuns.store(UInt64(engine.liveRuns), ordering: .relaxed)
        progress.pointee.endedRuns.store(engine.endedRuns, ordering: .relaxed)
        progress.pointee.datagramsReceived.store(counters.datagramsReceived, ordering: .relaxed)
        progress.pointee.datagramsSent.store(counters.datagramsSent, ordering: .relaxed)
        progress.pointee.receiveOverflow.store(counters.receiveOverflow, ordering: .relaxed)
        let working = max(0, busy &+ now.nanoseconds(since: mark))
        progress.pointee.busyNanoseconds.store(UInt64(working), ordering: .relaxed)
        progress.pointee.elapsedNanoseconds.store(
            UInt64(max(0, now.nanoseconds(since: start))), ordering: .relaxed)
        progress.pointee.phase.store(phase.rawValue, ordering: .relaxed)
        progress.pointee.reachability.store(result.reachability.rawValue, ordering: .relaxed)
        progress.pointee.lastReceived.store(lastReceived.nanoseconds, ordering: .relaxed)
    }

    // MARK: The end

    mutating func finish() {
        if streams.isOn { flushStreams(.now()) }
        _ = engine.flush(through: &socket)
        if streams.isOn { flushLast() }
        let now = MonotonicInstant.now()
        busy &+= now.nanoseconds(since: mark)
        mark = now
        socket.readOverflow()
        result.counters = currentCounters(now)
        result.abandonedRuns = engine.liveRuns
        if phase == .loading { result.loadNanoseconds = now.nanoseconds(since: start) }
        judgeReachability(now, isLast: true)
        engine.closeInterval(now: now)
        result.counters.connectionsUnfinished &+= streams.unfinished
        result.counters.messagesUnsent &+= streams.waiting
        engine.countTransport(result.counters)
        publish(now)
    }

    func currentCounters(_ now: MonotonicInstant) -> TransportCounters {
        var counters = socket.counters
        if streams.isOn { counters.add(streams.counters) }
        counters.handedOver = handedOver
        counters.handOverOverflow = handOverOverflow
        counters.waits = waits
        counters.busyNanoseconds = UInt64(max(0, busy))
        counters.elapsedNanoseconds = UInt64(max(0, now.nanoseconds(since: start)))
        counters.cpuNanoseconds = UInt64(max(0, clx_thread_cpu()))
        counters.stampUncertaintyNanoseconds = UInt64(stamps.uncertainty)
        counters.clockSteps = stamps.steps
        return counters
    }

    /// Tells the engine of sends that failed and of ICMP answers.
    mutating func tellFailures(_ now: MonotonicInstant) {
        while let failure = socket.takeFailure() {
            if case .refused(EMSGSIZE) = failure.event {
                engine.messageWasTooLong(on: failure.flow, owner: failure.owner, now: now)
            } else {
                engine.flow(failure.flow, did: failure.event, now: now)
            }
        }
        guard socket.hasErrors else { return }
        for _ in 0..<Self.errorsPerRound {
            guard socket.readError(into: &failure) else { return }
            // Origin 1 is this machine's own refusal to send: told by the send.
            guard failure.origin > 1 else { continue }
            socket.sendsAlone = true
            aloneUntil = now.advanced(byNanoseconds: Self.aloneTime)
            let destination = TransportAddress(failure.destination)
            let code = failure.error
            let length = Int(failure.length)
            withUnsafeBytes(of: &failure.octets) { octets in
                engine.sendFailed(
                    to: destination, quoted: UnsafeRawBufferPointer(rebasing: octets[0..<min(length, octets.count)]),
                    errno: code, now: now)
            }
        }
    }
}
