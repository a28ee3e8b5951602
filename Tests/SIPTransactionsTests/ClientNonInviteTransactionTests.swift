import SIPTransactions
import Testing

@Suite struct ClientNonInviteTransactionTests {
    static let timers = TransactionTimers()

    enum State: CaseIterable {
        case unused, trying, proceeding, completed, terminated
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
    static func machine(in state: State, reliable: Bool = false) -> ClientNonInviteTransaction {
        var machine = ClientNonInviteTransaction()
        if state == .unused { return machine }
        machine.start(now: 1000, reliable: reliable, timers: timers)
        switch state {
        case .unused, .trying: break
        case .proceeding: _ = machine.receive(status: 100, now: 1000, timers: timers)
        case .completed: _ = machine.receive(status: 200, now: 1000, timers: timers)
        case .terminated: machine.abandon()
        }
        return machine
    }

    static func expect(_ machine: ClientNonInviteTransaction, is state: State, _ row: Row) {
        #expect(machine.awaitsFinalResponse == (state == .trying || state == .proceeding), "\(row)")
        #expect(machine.isLingering == (state == .completed), "\(row)")
        #expect(machine.isTerminated == (state == .terminated), "\(row)")
    }

    static func apply(_ event: Event, to machine: inout ClientNonInviteTransaction) -> String {
        switch event {
        case .receive(let status): return "\(machine.receive(status: status, now: 1100, timers: timers))"
        case .fire(let tick): return "\(machine.fire(now: tick, timers: timers))"
        case .transportFailed: return "\(machine.transportFailed())"
        case .abandon:
            machine.abandon()
            return ""
        }
    }

    // Responses come at 1100; the request was sent, or the final response came, at 1000.
    static let unreliable: [Row] = [
        Row(.unused, .receive(100), "absorb", .unused),
        Row(.unused, .receive(200), "absorb", .unused),
        Row(.unused, .fire(90_000), "nothing", .unused),
        Row(.unused, .transportFailed, "absorb", .unused),

        Row(.trying, .receive(100), "deliver", .proceeding, 1500),
        Row(.trying, .receive(200), "deliver", .completed, 6100),
        Row(.trying, .receive(404), "deliver", .completed, 6100),
        Row(.trying, .receive(699), "deliver", .completed, 6100),
        Row(.trying, .fire(1499), "nothing", .trying, 1500),
        Row(.trying, .fire(1500), "sendAgain", .trying, 2500),
        Row(.trying, .fire(33_000), "timeOut", .terminated),
        Row(.trying, .transportFailed, "inform", .terminated),
        Row(.trying, .abandon, "", .terminated),

        Row(.proceeding, .receive(100), "deliver", .proceeding, 1500),
        Row(.proceeding, .receive(200), "deliver", .completed, 6100),
        Row(.proceeding, .receive(500), "deliver", .completed, 6100),
        Row(.proceeding, .fire(1499), "nothing", .proceeding, 1500),
        Row(.proceeding, .fire(1500), "sendAgain", .proceeding, 5500),
        Row(.proceeding, .fire(33_000), "timeOut", .terminated),
        Row(.proceeding, .transportFailed, "inform", .terminated),
        Row(.proceeding, .abandon, "", .terminated),

        Row(.completed, .receive(100), "absorb", .completed, 6000),
        Row(.completed, .receive(200), "absorb", .completed, 6000),
        Row(.completed, .receive(404), "absorb", .completed, 6000),
        Row(.completed, .fire(5999), "nothing", .completed, 6000),
        Row(.completed, .fire(6000), "terminate", .terminated),
        Row(.completed, .transportFailed, "absorb", .completed, 6000),
        Row(.completed, .abandon, "", .terminated),

        Row(.terminated, .receive(100), "absorb", .terminated),
        Row(.terminated, .receive(200), "absorb", .terminated),
        Row(.terminated, .fire(90_000), "nothing", .terminated),
        Row(.terminated, .transportFailed, "absorb", .terminated),
        Row(.terminated, .abandon, "", .terminated),
    ]

    // Over TCP there is no Timer E and Timer K is zero; Timer F stays, also while proceeding.
    static let reliable: [Row] = [
        Row(.trying, .fire(1500), "nothing", .trying, 33_000),
        Row(.trying, .fire(33_000), "timeOut", .terminated),
        Row(.trying, .receive(100), "deliver", .proceeding, 33_000),
        Row(.trying, .receive(200), "deliver", .terminated),
        Row(.proceeding, .fire(5500), "nothing", .proceeding, 33_000),
        Row(.proceeding, .fire(33_000), "timeOut", .terminated),
        Row(.proceeding, .receive(404), "deliver", .terminated),
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

    @Test func `the request is sent after T1, doubling to T2, and given up at 64 T1`() {
        let expected: [Tick] = [
            0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500, 32_000,
        ]
        #expect(sends(TransactionTimers(), provisionalAfter: nil) == expected)
        #expect(sends(TransactionTimers(t1: 1000, t2: 500), provisionalAfter: nil).prefix(4) == [0, 500, 1000, 1500])
    }

    @Test func `after a provisional response it is sent every T2`() {
        // Timer E runs on as it stands, and is T2 from its next firing on.
        let expected: [Tick] = [0, 500, 1500, 5500, 9500, 13_500, 17_500, 21_500, 25_500, 29_500, 32_000]
        #expect(sends(TransactionTimers(), provisionalAfter: 1) == expected)
    }

    private func sends(_ timers: TransactionTimers, provisionalAfter retransmissions: Int?) -> [Tick] {
        let began: Tick = 5
        var machine = ClientNonInviteTransaction()
        machine.start(now: began, reliable: false, timers: timers)
        var times: [Tick] = [0]
        while !machine.isTerminated {
            let now = machine.deadline
            let effect = machine.fire(now: now, timers: timers)
            #expect(effect == (machine.isTerminated ? .timeOut : .sendAgain))
            times.append(now - began)
            if times.count - 1 == retransmissions {
                #expect(machine.receive(status: 100, now: now + 1, timers: timers) == .deliver)
            }
        }
        return times
    }

    @Test func `how long it lingers`() {
        #expect(Self.machine(in: .completed).lingerDuration(TransactionTimers(t4: 700)) == 700)
        #expect(Self.machine(in: .completed).lingerDuration(TransactionTimers(linger: 9)) == 9)
        #expect(Self.machine(in: .trying).lingerDuration(TransactionTimers()) == 0)
    }

    @Test(arguments: UInt64(1)...20) func `one final response at most, and silence after the end`(seed: UInt64) {
        var random = SplitMix(state: seed)
        let statuses: [UInt16] = [100, 180, 200, 202, 302, 404, 486, 503, 603]
        for _ in 0..<200 {
            let timers = TransactionTimers(linger: [nil, 0, 700].randomElement(using: &random)!)
            var machine = ClientNonInviteTransaction()
            var now: Tick = 0
            var finals = 0
            var ended = 0
            var lastSend: Tick = 0
            machine.start(now: 0, reliable: Bool.random(using: &random), timers: timers)
            for _ in 0..<40 {
                let wasOver = machine.isTerminated
                now += .random(in: 0...3000, using: &random)
                switch Int.random(in: 0..<12, using: &random) {
                case 0...6:
                    let effect = machine.fire(now: now, timers: timers)
                    if effect == .timeOut || effect == .terminate { ended += 1 }
                    if effect == .sendAgain {
                        #expect(now - lastSend >= timers.t1 && finals == 0)
                        lastSend = now
                    }
                    if wasOver { #expect(effect == .nothing) }
                    #expect(machine.deadline > now)
                case 7 where Int.random(in: 0..<10, using: &random) == 0:
                    let effect = machine.transportFailed()
                    if effect != .absorb { ended += 1 }
                    if wasOver { #expect(effect == .absorb) }
                default:
                    let status = statuses.randomElement(using: &random)!
                    let effect = machine.receive(status: status, now: now, timers: timers)
                    if effect == .deliver && status >= 200 { finals += 1 }
                    if wasOver || finals > 0 && status < 200 { #expect(effect == .absorb) }
                }
                #expect(finals <= 1 && ended <= 1, "seed \(seed)")
            }
        }
    }
}
