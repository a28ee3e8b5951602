import SIPTransactions
import Testing

@Suite struct ClientInviteTransactionTests {
    static let timers = TransactionTimers()

    enum State: CaseIterable {
        case unused, calling, proceeding, completed, accepted, terminated
    }

    enum Event {
        case receive(UInt16), fire(Tick), transportFailed, abandon
    }

    /// A row of the state table: what an event does in a state.
    struct Row: CustomTestStringConvertible {
        var state: State
        var event: Event
        var effect: String
        var then: State
        /// The next `fire` after the event.
        var deadline: Tick

        init(_ state: State, _ event: Event, _ effect: String, _ then: State, _ deadline: Tick = .never) {
            self.state = state
            self.event = event
            self.effect = effect
            self.then = then
            self.deadline = deadline
        }

        var testDescription: String { "\(state), \(event)" }
    }

    /// Brings a machine into a state, everything at tick 1000.
    static func machine(in state: State, reliable: Bool = false) -> ClientInviteTransaction {
        var machine = ClientInviteTransaction()
        if state == .unused { return machine }
        machine.start(now: 1000, reliable: reliable, timers: timers)
        switch state {
        case .unused, .calling: break
        case .proceeding: _ = machine.receive(status: 180, now: 1000, timers: timers)
        case .completed: _ = machine.receive(status: 486, now: 1000, timers: timers)
        case .accepted: _ = machine.receive(status: 200, now: 1000, timers: timers)
        case .terminated: machine.abandon()
        }
        return machine
    }

    static func expect(_ machine: ClientInviteTransaction, is state: State, _ row: Row) {
        #expect(machine.isCalling == (state == .calling), "\(row)")
        #expect(machine.awaitsFinalResponse == (state == .calling || state == .proceeding), "\(row)")
        #expect(machine.isLingering == (state == .completed || state == .accepted), "\(row)")
        #expect(machine.isTerminated == (state == .terminated), "\(row)")
    }

    static func apply(_ event: Event, to machine: inout ClientInviteTransaction, at now: Tick = 1100) -> String {
        switch event {
        case .receive(let status): return "\(machine.receive(status: status, now: now, timers: timers))"
        case .fire(let tick): return "\(machine.fire(now: tick, timers: timers))"
        case .transportFailed: return "\(machine.transportFailed())"
        case .abandon:
            machine.abandon()
            return ""
        }
    }

    // Responses come at 1100; the INVITE was sent, or the final response came, at 1000.
    static let unreliable: [Row] = [
        Row(.unused, .receive(180), "absorb", .unused),
        Row(.unused, .receive(200), "absorb", .unused),
        Row(.unused, .receive(486), "absorb", .unused),
        Row(.unused, .fire(90_000), "nothing", .unused),
        Row(.unused, .transportFailed, "absorb", .unused),

        Row(.calling, .receive(100), "deliver", .proceeding),
        Row(.calling, .receive(199), "deliver", .proceeding),
        Row(.calling, .receive(200), "deliver", .accepted, 33_100),
        Row(.calling, .receive(299), "deliver", .accepted, 33_100),
        Row(.calling, .receive(300), "deliverAndAcknowledge", .completed, 33_100),
        Row(.calling, .receive(699), "deliverAndAcknowledge", .completed, 33_100),
        Row(.calling, .fire(1499), "nothing", .calling, 1500),
        Row(.calling, .fire(1500), "sendAgain", .calling, 2500),
        Row(.calling, .fire(33_000), "timeOut", .terminated),
        Row(.calling, .transportFailed, "inform", .terminated),
        Row(.calling, .abandon, "", .terminated),

        Row(.proceeding, .receive(100), "deliver", .proceeding),
        Row(.proceeding, .receive(183), "deliver", .proceeding),
        Row(.proceeding, .receive(200), "deliver", .accepted, 33_100),
        Row(.proceeding, .receive(302), "deliverAndAcknowledge", .completed, 33_100),
        Row(.proceeding, .receive(487), "deliverAndAcknowledge", .completed, 33_100),
        Row(.proceeding, .fire(90_000), "nothing", .proceeding),
        Row(.proceeding, .transportFailed, "absorb", .proceeding),
        Row(.proceeding, .abandon, "", .terminated),

        Row(.completed, .receive(180), "absorb", .completed, 33_000),
        Row(.completed, .receive(200), "absorb", .completed, 33_000),
        Row(.completed, .receive(486), "acknowledgeAgain", .completed, 33_000),
        Row(.completed, .receive(603), "acknowledgeAgain", .completed, 33_000),
        Row(.completed, .fire(32_999), "nothing", .completed, 33_000),
        Row(.completed, .fire(33_000), "terminate", .terminated),
        Row(.completed, .transportFailed, "informAcknowledgementLost", .terminated),
        Row(.completed, .abandon, "", .terminated),

        Row(.accepted, .receive(180), "absorb", .accepted, 33_000),
        Row(.accepted, .receive(200), "deliver2xxRepeat", .accepted, 33_000),
        Row(.accepted, .receive(202), "deliver2xxRepeat", .accepted, 33_000),
        Row(.accepted, .receive(486), "absorb", .accepted, 33_000),
        Row(.accepted, .fire(32_999), "nothing", .accepted, 33_000),
        Row(.accepted, .fire(33_000), "terminate", .terminated),
        Row(.accepted, .transportFailed, "absorb", .accepted, 33_000),
        Row(.accepted, .abandon, "", .terminated),

        Row(.terminated, .receive(180), "absorb", .terminated),
        Row(.terminated, .receive(200), "absorb", .terminated),
        Row(.terminated, .receive(486), "absorb", .terminated),
        Row(.terminated, .fire(90_000), "nothing", .terminated),
        Row(.terminated, .transportFailed, "absorb", .terminated),
        Row(.terminated, .abandon, "", .terminated),
    ]

    // Over TCP there is no Timer A and Timer D is zero; Timers B and M stay.
    static let reliable: [Row] = [
        Row(.calling, .fire(1500), "nothing", .calling, 33_000),
        Row(.calling, .fire(33_000), "timeOut", .terminated),
        Row(.calling, .receive(180), "deliver", .proceeding),
        Row(.calling, .receive(200), "deliver", .accepted, 33_100),
        Row(.calling, .receive(486), "deliverAndAcknowledge", .terminated),
        Row(.proceeding, .receive(486), "deliverAndAcknowledge", .terminated),
        Row(.proceeding, .receive(200), "deliver", .accepted, 33_100),
        Row(.accepted, .receive(200), "deliver2xxRepeat", .accepted, 33_000),
        Row(.accepted, .fire(33_000), "terminate", .terminated),
    ]

    @Test(arguments: unreliable) func `over UDP`(row: Row) {
        var machine = Self.machine(in: row.state)
        Self.expect(machine, is: row.state, row)
        #expect(Self.apply(row.event, to: &machine) == row.effect)
        Self.expect(machine, is: row.then, row)
        #expect(machine.deadline == row.deadline)
    }

    @Test(arguments: reliable) func `over TCP`(row: Row) {
        var machine = Self.machine(in: row.state, reliable: true)
        #expect(Self.apply(row.event, to: &machine) == row.effect)
        Self.expect(machine, is: row.then, row)
        #expect(machine.deadline == row.deadline)
    }

    @Test func `the INVITE is sent at 0, T1, 3 T1, 7 T1 … and given up at 64 T1`() {
        #expect(sends(TransactionTimers()) == [0, 500, 1500, 3500, 7500, 15_500, 31_500, 32_000])
        #expect(sends(TransactionTimers(t1: 100, t2: 200)) == [0, 100, 300, 700, 1500, 3100, 6300, 6400])
    }

    private func sends(_ timers: TransactionTimers) -> [Tick] {
        let began: Tick = 77_000
        var machine = ClientInviteTransaction()
        machine.start(now: began, reliable: false, timers: timers)
        var times: [Tick] = [0]
        while !machine.isTerminated {
            let now = machine.deadline
            let effect = machine.fire(now: now, timers: timers)
            #expect(effect == (machine.isTerminated ? .timeOut : .sendAgain))
            times.append(now - began)
        }
        return times
    }

    @Test func `a late process neither bursts nor sends and gives up in one instant`() {
        let timers = TransactionTimers()
        var machine = ClientInviteTransaction()
        machine.start(now: 0, reliable: false, timers: timers)
        #expect(machine.fire(now: 9_000, timers: timers) == .sendAgain)
        #expect(machine.fire(now: 9_000, timers: timers) == .nothing)
        #expect(machine.deadline == 10_000)
        #expect(machine.fire(now: 40_000, timers: timers) == .timeOut)
        #expect(machine.fire(now: 40_000, timers: timers) == .nothing)
    }

    @Test func `how long it lingers`() {
        let shortT1 = TransactionTimers(t1: 10)
        let longT1 = TransactionTimers(t1: 1000)
        let none = TransactionTimers(linger: 0)
        let some = TransactionTimers(linger: 250)
        #expect(Self.machine(in: .completed).lingerDuration(shortT1) == 32_000)
        #expect(Self.machine(in: .completed).lingerDuration(longT1) == 64_000)
        #expect(Self.machine(in: .accepted).lingerDuration(shortT1) == 640)
        #expect(Self.machine(in: .accepted).lingerDuration(some) == 250)
        #expect(Self.machine(in: .completed).lingerDuration(some) == 250)
        #expect(Self.machine(in: .proceeding).lingerDuration(some) == 0)
        for status: UInt16 in [200, 486] {
            var machine = Self.machine(in: .calling)
            _ = machine.receive(status: status, now: 1100, timers: none)
            #expect(machine.isTerminated)
        }
    }

    @Test(arguments: UInt64(1)...20) func `one final response at most, and silence after the end`(seed: UInt64) {
        var random = SplitMix(state: seed)
        let statuses: [UInt16] = [100, 180, 183, 200, 202, 302, 404, 486, 503, 603]
        for _ in 0..<200 {
            let timers = TransactionTimers(linger: [nil, 0, 700].randomElement(using: &random)!)
            var machine = ClientInviteTransaction()
            var now: Tick = 0
            var finals = 0
            var ended = 0
            var lastSend: Tick = 0
            machine.start(now: 0, reliable: Bool.random(using: &random), timers: timers)
            for _ in 0..<40 {
                let wasOver = machine.isTerminated
                let wasAwaiting = machine.awaitsFinalResponse
                now += .random(in: 0...3000, using: &random)
                switch Int.random(in: 0..<12, using: &random) {
                case 0...5:
                    let effect = machine.fire(now: now, timers: timers)
                    if effect == .timeOut || effect == .terminate { ended += 1 }
                    if effect == .sendAgain {
                        #expect(now - lastSend >= timers.t1)
                        lastSend = now
                    }
                    if wasOver { #expect(effect == .nothing) }
                    #expect(machine.deadline > now)
                case 6 where Int.random(in: 0..<10, using: &random) == 0:
                    let effect = machine.transportFailed()
                    if effect != .absorb { ended += 1 }
                    if wasOver { #expect(effect == .absorb) }
                default:
                    let status = statuses.randomElement(using: &random)!
                    let effect = machine.receive(status: status, now: now, timers: timers)
                    if effect == .deliverAndAcknowledge || effect == .deliver && status >= 200 { finals += 1 }
                    if wasOver { #expect(effect == .absorb) }
                    if !wasAwaiting { #expect(effect != .deliver && effect != .deliverAndAcknowledge) }
                }
                #expect(finals <= 1 && ended <= 1, "seed \(seed)")
            }
        }
    }
}
