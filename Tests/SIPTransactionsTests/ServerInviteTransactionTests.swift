import SIPTransactions
import Testing

@Suite struct ServerInviteTransactionTests {
    static let timers = TransactionTimers()

    enum State: CaseIterable {
        case unused
        /// Proceeding with nothing sent yet, and with a provisional response sent.
        case silent, proceeding
        case completed, confirmed, accepted, terminated
    }

    enum Event {
        case requestAgain, respond(UInt16), acknowledgement, fire(Tick), transportFailed, abandon
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
    static func machine(in state: State, reliable: Bool = false) -> ServerInviteTransaction {
        var machine = ServerInviteTransaction()
        if state == .unused { return machine }
        machine.start(reliable: reliable)
        switch state {
        case .unused, .silent: break
        case .proceeding: _ = machine.respond(status: 180, now: 1000, timers: timers)
        case .completed: _ = machine.respond(status: 486, now: 1000, timers: timers)
        case .confirmed:
            _ = machine.respond(status: 486, now: 1000, timers: timers)
            _ = machine.receiveAcknowledgement(now: 1000, timers: timers)
        case .accepted: _ = machine.respond(status: 200, now: 1000, timers: timers)
        case .terminated: machine.abandon()
        }
        return machine
    }

    static func expect(_ machine: ServerInviteTransaction, is state: State, _ row: Row) {
        #expect(machine.awaitsFinalResponse == (state == .silent || state == .proceeding), "\(row)")
        #expect(machine.awaitsAcknowledgement == (state == .completed), "\(row)")
        #expect(machine.isLingering == (state == .confirmed || state == .accepted), "\(row)")
        #expect(machine.isTerminated == (state == .terminated), "\(row)")
    }

    static func apply(_ event: Event, to machine: inout ServerInviteTransaction) -> String {
        switch event {
        case .requestAgain: return "\(machine.receiveRequestAgain())"
        case .respond(let status): return "\(machine.respond(status: status, now: 1100, timers: timers))"
        case .acknowledgement: return "\(machine.receiveAcknowledgement(now: 1100, timers: timers))"
        case .fire(let tick): return "\(machine.fire(now: tick, timers: timers))"
        case .transportFailed: return "\(machine.transportFailed())"
        case .abandon:
            machine.abandon()
            return ""
        }
    }

    // Events come at 1100; the last response was sent, or the ACK came, at 1000.
    static let unreliable: [Row] = [
        Row(.unused, .requestAgain, "absorb", .unused),
        Row(.unused, .respond(200), "refuse", .unused),
        Row(.unused, .acknowledgement, "absorb", .unused),
        Row(.unused, .fire(90_000), "nothing", .unused),
        Row(.unused, .transportFailed, "absorb", .unused),

        Row(.silent, .requestAgain, "absorb", .silent),
        Row(.silent, .respond(100), "send", .proceeding),
        Row(.silent, .respond(200), "send", .accepted, 33_100),
        Row(.silent, .respond(404), "send", .completed, 1600),
        Row(.silent, .acknowledgement, "absorb", .silent),
        Row(.silent, .fire(90_000), "nothing", .silent),
        Row(.silent, .transportFailed, "inform", .silent),
        Row(.silent, .abandon, "", .terminated),

        Row(.proceeding, .requestAgain, "sendResponseAgain", .proceeding),
        Row(.proceeding, .respond(183), "send", .proceeding),
        Row(.proceeding, .respond(299), "send", .accepted, 33_100),
        Row(.proceeding, .respond(300), "send", .completed, 1600),
        Row(.proceeding, .respond(699), "send", .completed, 1600),
        Row(.proceeding, .acknowledgement, "absorb", .proceeding),
        Row(.proceeding, .fire(90_000), "nothing", .proceeding),
        Row(.proceeding, .transportFailed, "inform", .proceeding),
        Row(.proceeding, .abandon, "", .terminated),

        Row(.completed, .requestAgain, "sendResponseAgain", .completed, 1500),
        Row(.completed, .respond(180), "refuse", .completed, 1500),
        Row(.completed, .respond(200), "refuse", .completed, 1500),
        Row(.completed, .respond(486), "refuse", .completed, 1500),
        Row(.completed, .acknowledgement, "confirm", .confirmed, 6100),
        Row(.completed, .fire(1499), "nothing", .completed, 1500),
        Row(.completed, .fire(1500), "sendResponseAgain", .completed, 2500),
        Row(.completed, .fire(33_000), "timeOut", .terminated),
        Row(.completed, .transportFailed, "inform", .completed, 1500),
        Row(.completed, .abandon, "", .terminated),

        Row(.confirmed, .requestAgain, "absorb", .confirmed, 6000),
        Row(.confirmed, .respond(200), "refuse", .confirmed, 6000),
        Row(.confirmed, .respond(486), "refuse", .confirmed, 6000),
        Row(.confirmed, .acknowledgement, "absorb", .confirmed, 6000),
        Row(.confirmed, .fire(5999), "nothing", .confirmed, 6000),
        Row(.confirmed, .fire(6000), "terminate", .terminated),
        Row(.confirmed, .transportFailed, "absorb", .confirmed, 6000),
        Row(.confirmed, .abandon, "", .terminated),

        Row(.accepted, .requestAgain, "absorb", .accepted, 33_000),
        Row(.accepted, .respond(180), "refuse", .accepted, 33_000),
        Row(.accepted, .respond(200), "send", .accepted, 33_000),
        Row(.accepted, .respond(500), "refuse", .accepted, 33_000),
        Row(.accepted, .acknowledgement, "deliver", .accepted, 33_000),
        Row(.accepted, .fire(32_999), "nothing", .accepted, 33_000),
        Row(.accepted, .fire(33_000), "terminate", .terminated),
        Row(.accepted, .transportFailed, "inform", .accepted, 33_000),
        Row(.accepted, .abandon, "", .terminated),

        Row(.terminated, .requestAgain, "absorb", .terminated),
        Row(.terminated, .respond(180), "refuse", .terminated),
        Row(.terminated, .respond(200), "refuse", .terminated),
        Row(.terminated, .respond(486), "refuse", .terminated),
        Row(.terminated, .acknowledgement, "absorb", .terminated),
        Row(.terminated, .fire(90_000), "nothing", .terminated),
        Row(.terminated, .transportFailed, "absorb", .terminated),
        Row(.terminated, .abandon, "", .terminated),
    ]

    // Over TCP there is no Timer G and Timer I is zero; Timers H and L stay.
    static let reliable: [Row] = [
        Row(.silent, .respond(404), "send", .completed, 33_100),
        Row(.completed, .fire(1500), "nothing", .completed, 33_000),
        Row(.completed, .requestAgain, "sendResponseAgain", .completed, 33_000),
        Row(.completed, .acknowledgement, "confirm", .terminated),
        Row(.completed, .fire(33_000), "timeOut", .terminated),
        Row(.silent, .respond(200), "send", .accepted, 33_100),
        Row(.accepted, .fire(33_000), "terminate", .terminated),
    ]

    @Test(arguments: unreliable) func `over UDP`(row: Row) {
        var machine = Self.machine(in: row.state)
        Self.expect(machine, is: row.state, row)
        #expect(Self.apply(row.event, to: &machine) == row.effect)
        Self.expect(machine, is: row.then, row)
        #expect(machine.deadline == row.deadline)
        // Whether a retransmitted INVITE is answered tells the two kinds of proceeding apart.
        if row.then == .silent || row.then == .proceeding {
            #expect(machine.receiveRequestAgain() == (row.then == .silent ? .absorb : .sendResponseAgain))
        }
    }

    @Test(arguments: reliable) func `over TCP`(row: Row) {
        var machine = Self.machine(in: row.state, reliable: true)
        #expect(Self.apply(row.event, to: &machine) == row.effect)
        Self.expect(machine, is: row.then, row)
        #expect(machine.deadline == row.deadline)
    }

    @Test func `a final response is sent after T1, doubling to T2, until 64 T1`() {
        let timers = TransactionTimers()
        var machine = ServerInviteTransaction()
        machine.start(reliable: false)
        #expect(machine.respond(status: 486, now: 10, timers: timers) == .send)
        var times: [Tick] = [0]
        while !machine.isTerminated {
            let now = machine.deadline
            let effect = machine.fire(now: now, timers: timers)
            #expect(effect == (machine.isTerminated ? .timeOut : .sendResponseAgain))
            times.append(now - 10)
        }
        #expect(times == [0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500, 32_000])
    }

    @Test func `how long it lingers`() {
        let none = TransactionTimers(linger: 0)
        #expect(Self.machine(in: .confirmed).lingerDuration(TransactionTimers(t4: 700)) == 700)
        #expect(Self.machine(in: .accepted).lingerDuration(TransactionTimers(t1: 10)) == 640)
        #expect(Self.machine(in: .accepted).lingerDuration(TransactionTimers(linger: 9)) == 9)
        #expect(Self.machine(in: .completed).lingerDuration(TransactionTimers()) == 0)
        var accepted = Self.machine(in: .proceeding)
        #expect(accepted.respond(status: 200, now: 1100, timers: none) == .send)
        #expect(accepted.isTerminated)
        var confirmed = Self.machine(in: .completed)
        #expect(confirmed.receiveAcknowledgement(now: 1100, timers: none) == .confirm)
        #expect(confirmed.isTerminated)
    }

    @Test(arguments: UInt64(1)...20) func `one final response at most, and silence after the end`(seed: UInt64) {
        var random = SplitMix(state: seed)
        let statuses: [UInt16] = [100, 180, 183, 200, 302, 404, 486, 503, 603]
        for _ in 0..<200 {
            let timers = TransactionTimers(linger: [nil, 0, 700].randomElement(using: &random)!)
            var machine = ServerInviteTransaction()
            var now: Tick = 0
            var final: UInt16 = 0
            var ended = 0
            var confirmed = 0
            machine.start(reliable: Bool.random(using: &random))
            for _ in 0..<40 {
                let wasOver = machine.isTerminated
                now += .random(in: 0...3000, using: &random)
                switch Int.random(in: 0..<12, using: &random) {
                case 0...3:
                    let effect = machine.fire(now: now, timers: timers)
                    if effect == .timeOut || effect == .terminate { ended += 1 }
                    if effect == .sendResponseAgain { #expect(final >= 300 && confirmed == 0) }
                    if wasOver { #expect(effect == .nothing) }
                    #expect(machine.deadline > now)
                case 4:
                    let effect = machine.transportFailed()
                    if wasOver { #expect(effect == .absorb) }
                case 5...6:
                    let effect = machine.receiveRequestAgain()
                    if wasOver || final >= 200 && final < 300 || confirmed > 0 { #expect(effect == .absorb) }
                case 7 where final != 0:
                    let effect = machine.receiveAcknowledgement(now: now, timers: timers)
                    if effect == .confirm { confirmed += 1 }
                    if wasOver { #expect(effect == .absorb) }
                    if final >= 300 { #expect(effect != .deliver) }
                default:
                    let status = statuses.randomElement(using: &random)!
                    let effect = machine.respond(status: status, now: now, timers: timers)
                    if wasOver { #expect(effect == .refuse) }
                    if effect == .send && status >= 200 {
                        // A second one can only be the core's repetition of a 2xx.
                        #expect(final == 0 || final < 300 && status < 300, "seed \(seed)")
                        final = status
                    }
                }
                #expect(ended <= 1 && confirmed <= 1, "seed \(seed)")
            }
        }
    }
}
