import SIPTransactions
import Testing

@Suite struct ResponseRetransmissionTests {
    let timers = TransactionTimers()

    @Test func `a 2xx is sent after T1, doubling to T2, until 64 T1`() {
        var machine = SuccessRetransmission()
        machine.start(now: 40, timers: timers)
        var times: [Tick] = [0]
        while machine.awaitsAcknowledgement {
            let now = machine.deadline
            #expect(machine.fire(now: now - 1, timers: timers) == .nothing)
            let effect = machine.fire(now: now, timers: timers)
            #expect(effect == (machine.awaitsAcknowledgement ? .sendAgain : .timeOut))
            times.append(now - 40)
        }
        #expect(times == [0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500, 32_000])
        #expect(machine.deadline == .never)
        #expect(machine.fire(now: 90_000, timers: timers) == .nothing)
    }

    @Test func `a reliable provisional response doubles without a bound`() {
        var machine = ReliableProvisional()
        machine.start(now: 40, timers: timers)
        var times: [Tick] = [0]
        while machine.awaitsAcknowledgement {
            let now = machine.deadline
            #expect(machine.fire(now: now - 1, timers: timers) == .nothing)
            let effect = machine.fire(now: now, timers: timers)
            #expect(effect == (machine.awaitsAcknowledgement ? .sendAgain : .timeOut))
            times.append(now - 40)
        }
        #expect(times == [0, 500, 1500, 3500, 7500, 15_500, 31_500, 32_000])
        #expect(machine.deadline == .never)
    }

    @Test func `an acknowledgement stops it once`() {
        var success = SuccessRetransmission()
        #expect(success.deadline == .never)
        #expect(success.receiveAcknowledgement() == .absorb)
        success.start(now: 0, timers: timers)
        #expect(success.fire(now: 500, timers: timers) == .sendAgain)
        #expect(success.receiveAcknowledgement() == .stop)
        #expect(success.receiveAcknowledgement() == .absorb)
        #expect(success.fire(now: 32_000, timers: timers) == .nothing)

        var provisional = ReliableProvisional()
        #expect(provisional.receiveAcknowledgement() == .absorb)
        provisional.start(now: 0, timers: timers)
        #expect(provisional.receiveAcknowledgement() == .stop)
        #expect(provisional.deadline == .never)
        // The next reliable provisional response of the same INVITE.
        provisional.start(now: 9000, timers: timers)
        #expect(provisional.deadline == 9500)
    }

    @Test func `stopping ends it`() {
        var success = SuccessRetransmission()
        success.start(now: 0, timers: timers)
        success.stop()
        #expect(success.fire(now: 500, timers: timers) == .nothing)
        var provisional = ReliableProvisional()
        provisional.start(now: 0, timers: timers)
        provisional.stop()
        #expect(provisional.fire(now: 32_000, timers: timers) == .nothing)
    }
}
