import SIPTransactions
import Testing

@Suite struct ServerNonInviteTransactionTests {
    static let timers = TransactionTimers()

    enum State: CaseIterable {
        case unused, trying, proceeding, completed, terminated
    }

    enum Event {
        case requestAgain, respond(UInt16), fire(Tick), transportFailed, abandon
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
    static func machine(in state: State, reliable: Bool = false) -> ServerNonInviteTransaction {
        var machine = ServerNonInviteTransaction()
        if state == .unused { return machine }
        machine.start(reliable: reliable)
        switch state {
        case .unused, .trying: break
        case .proceeding: _ = machine.respond(status: 100, now: 1000, timers: timers)
        case .completed: _ = machine.respond(status: 200, now: 1000, timers: timers)
        case .terminated: machine.abandon()
        }
        return machine
    }

    static func expect(_ machine: ServerNonInviteTransaction, is state: State, _ row: Row) {
        #expect(machine.awaitsFinalResponse == (state == .trying || state == .proceeding), "\(row)")
        #expect(machine.isLingering == (state == .completed), "\(row)")
        #expect(machine.isTerminated == (state == .terminated), "\(row)")
    }

    static func apply(_ event: Event, to machine: inout ServerNonInviteTransaction) -> String {
        switch event {
        case .requestAgain: return "\(machine.receiveRequestAgain())"
        case .respond(let status): return "\(machine.respond(status: status, now: 1100, timers: timers))"
        case .fire(let tick): return "\(machine.fire(now: tick, timers: timers))"
        case .transportFailed: return "\(machine.transportFailed())"
        case .abandon:
            machine.abandon()
            return ""
        }
    }

    // Events come at 1100; the last response was sent at 1000.
    static let unreliable: [Row] = [
        Row(.unused, .requestAgain, "absorb", .unused),
        Row(.unused, .respond(200), "refuse", .unused),
        Row(.unused, .fire(90_000), "nothing", .unused),
        Row(.unused, .transportFailed, "absorb", .unused),

        Row(.trying, .requestAgain, "absorb", .trying),
        Row(.trying, .respond(100), "send", .proceeding),
        Row(.trying, .respond(200), "send", .completed, 33_100),
        Row(.trying, .respond(699), "send", .completed, 33_100),
        Row(.trying, .fire(90_000), "nothing", .trying),
        Row(.trying, .transportFailed, "absorb", .trying),
        Row(.trying, .abandon, "", .terminated),

        Row(.proceeding, .requestAgain, "sendResponseAgain", .proceeding),
        Row(.proceeding, .respond(199), "send", .proceeding),
        Row(.proceeding, .respond(200), "send", .completed, 33_100),
        Row(.proceeding, .respond(404), "send", .completed, 33_100),
        Row(.proceeding, .fire(90_000), "nothing", .proceeding),
        Row(.proceeding, .transportFailed, "inform", .proceeding),
        Row(.proceeding, .abandon, "", .terminated),

        Row(.completed, .requestAgain, "sendResponseAgain", .completed, 33_000),
        Row(.completed, .respond(100), "refuse", .completed, 33_000),
        Row(.completed, .respond(200), "refuse", .completed, 33_000),
        Row(.completed, .respond(500), "refuse", .completed, 33_000),
        Row(.completed, .fire(32_999), "nothing", .completed, 33_000),
        Row(.completed, .fire(33_000), "terminate", .terminated),
        Row(.completed, .transportFailed, "inform", .completed, 33_000),
        Row(.completed, .abandon, "", .terminated),

        Row(.terminated, .requestAgain, "absorb", .terminated),
        Row(.terminated, .respond(100), "refuse", .terminated),
        Row(.terminated, .respond(200), "refuse", .terminated),
        Row(.terminated, .fire(90_000), "nothing", .terminated),
        Row(.terminated, .transportFailed, "absorb", .terminated),
        Row(.terminated, .abandon, "", .terminated),
    ]

    // Over TCP Timer J is zero.
    static let reliable: [Row] = [
        Row(.trying, .respond(200), "send", .terminated),
        Row(.trying, .respond(100), "send", .proceeding),
        Row(.proceeding, .respond(404), "send", .terminated),
    ]

    @Test(arguments: unreliable) func `over UDP`(row: Row) {
        var machine = Self.machine(in: row.state)
        Self.expect(machine, is: row.state, row)
        #expect(Self.apply(row.event, to: &machine) == row.effect)
        Self.expect(machine, is: row.then, row)
        #expect(machine.deadline == row.deadline)
        // Whether a retransmitted request is answered tells trying and proceeding apart.
        if row.then == .trying || row.then == .proceeding {
            #expect(machine.receiveRequestAgain() == (row.then == .trying ? .absorb : .sendResponseAgain))
        }
    }

    @Test(arguments: reliable) func `over TCP`(row: Row) {
        var machine = Self.machine(in: row.state, reliable: true)
        #expect(Self.apply(row.event, to: &machine) == row.effect)
        Self.expect(machine, is: row.then, row)
        #expect(machine.deadline == row.deadline)
    }

    @Test func `how long it lingers`() {
        #expect(Self.machine(in: .completed).lingerDuration(TransactionTimers(t1: 10)) == 640)
        #expect(Self.machine(in: .completed).lingerDuration(TransactionTimers(linger: 9)) == 9)
        #expect(Self.machine(in: .proceeding).lingerDuration(TransactionTimers()) == 0)
        // A linger asked for holds over TCP as well.
        var machine = Self.machine(in: .trying, reliable: true)
        #expect(machine.respond(status: 200, now: 1100, timers: TransactionTimers(linger: 50)) == .send)
        #expect(machine.deadline == 1150)
    }

    @Test(arguments: UInt64(1)...10) func `one final response at most, and silence after the end`(seed: UInt64) {
        var random = SplitMix(state: seed)
        let statuses: [UInt16] = [100, 180, 200, 302, 404, 486, 503, 603]
        for _ in 0..<200 {
            let timers = TransactionTimers(linger: [nil, 0, 700].randomElement(using: &random)!)
            var machine = ServerNonInviteTransaction()
            var now: Tick = 0
            var finals = 0
            var ended = 0
            machine.start(reliable: Bool.random(using: &random))
            for _ in 0..<40 {
                let wasOver = machine.isTerminated
                now += .random(in: 0...3000, using: &random)
                switch Int.random(in: 0..<10, using: &random) {
                case 0...3:
                    let effect = machine.fire(now: now, timers: timers)
                    if effect == .terminate { ended += 1 }
                    if wasOver { #expect(effect == .nothing) }
                    #expect(machine.deadline > now)
                case 4:
                    let effect = machine.transportFailed()
                    if wasOver { #expect(effect == .absorb) }
                case 5...6:
                    let effect = machine.receiveRequestAgain()
                    if wasOver {
                        #expect(effect == .absorb)
                    } else if finals > 0 {
                        #expect(effect == .sendResponseAgain)
                    }
                default:
                    let status = statuses.randomElement(using: &random)!
                    let effect = machine.respond(status: status, now: now, timers: timers)
                    if wasOver || finals > 0 { #expect(effect == .refuse) } else { #expect(effect == .send) }
                    if effect == .send && status >= 200 { finals += 1 }
                }
                #expect(finals <= 1 && ended <= 1, "seed \(seed)")
            }
        }
    }
}
