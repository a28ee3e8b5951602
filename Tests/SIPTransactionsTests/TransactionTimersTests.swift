import SIPTransactions
import Testing

@Suite struct TransactionTimersTests {
    @Test func `table 4 of RFC 3261, with its defaults`() {
        let timers = TransactionTimers()
        #expect(timers.timeout == 32_000)
        #expect(timers.d(reliable: false) == 32_000 && timers.d(reliable: true) == 0)
        #expect(timers.i(reliable: false) == 5000 && timers.i(reliable: true) == 0)
        #expect(timers.j(reliable: false) == 32_000 && timers.j(reliable: true) == 0)
        #expect(timers.k(reliable: false) == 5000 && timers.k(reliable: true) == 0)
        #expect(timers.acceptedWait == 32_000)
    }

    @Test func `a stated linger replaces the waits, not the time-out`() {
        let timers = TransactionTimers(linger: 100)
        #expect(timers.timeout == 32_000)
        for reliable in [false, true] {
            #expect(timers.d(reliable: reliable) == 100 && timers.i(reliable: reliable) == 100)
            #expect(timers.j(reliable: reliable) == 100 && timers.k(reliable: reliable) == 100)
        }
        #expect(timers.acceptedWait == 100)
    }

    @Test func `far ticks and long timers stay short of never`() {
        #expect(Tick(5).after(3) == 8)
        #expect(Tick(4_294_967_290).after(500) == .never - 1)
        #expect(Tick(4_294_967_290).after(5) == .never - 1)
        #expect(TransactionTimers(t1: .max).timeout == UInt32.max - 1)
        var machine = ClientInviteTransaction()
        machine.start(now: 0, reliable: false, timers: TransactionTimers(t1: .max))
        #expect(machine.deadline < .never)
    }
}
