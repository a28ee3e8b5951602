import Measurement
import SIPTransactions
import SIPWire
import ScenarioDSL
import Scenarios
import Testing

@testable import CallEngine

/// Several places for calls to go to, and what happens when one fails (RFC 3263 §4.3, RFC 3261 §8.1.3.1, §21.5.4).
@Suite("Calls to several addresses")
struct TargetTests {
    private static let first = Exchange.peer
    private static let next = TransportAddress(ipv4: 0x0A00_0003, port: 5070)

    /// alice, whose calls go to the first address as long as it is not avoided.
    private func caller(
        _ failover: TargetPlan.Failover, _ scenario: Scenario = Scenarios.basicCall,
        _ change: (inout EngineSettings) -> Void = { _ in }
    ) throws -> Exchange {
        try Exchange(scenario, plays: ["alice", "client"]) {
            $0.targets = TargetPlan(targets: [
                .init(
                    name: "example.test",
                    hops: [.init(address: Self.first, priority: 1), .init(address: Self.next, priority: 2)])
            ])
            $0.targets.failover = failover
            $0.targetText = "example.test"
            change(&$0)
        }
    }

    private let options = Scenario("options", "one request") {
        Party("alice") {
            Send(.options)
            Expect(200)
        }
    }

    private func counts(_ exchange: Exchange, _ hop: Int) -> TargetCounts { exchange.engine.targetCounts[hop] }

    private func complete(_ invite: SentMessage, _ exchange: Exchange) throws {
        exchange.hear(
            invite.response("200 OK", "Contact: <sip:bob@\(invite.to.text)>"), from: invite.to)
        let sent = exchange.take()
        #expect(sent.map(\.start) == ["ACK", "BYE"])
        #expect(sent.allSatisfy { $0.to == invite.to })
        exchange.hear(sent[1].response("200 OK"), from: invite.to)
        #expect(exchange.liveRuns == 0)
    }

    @Test("a call goes on to an address that others avoid, when that is all that is left, and to each address once")
    func lastResort() throws {
        let exchange = try caller(.call)
        try exchange.start(0)
        let first = try exchange.takeOne()
        exchange.tell(first.flow, .refused(errno: 111))
        try complete(try exchange.takeOne(), exchange)
        // The first is avoided now: the second fails, and the first is there again.
        try exchange.start(1)
        let second = try exchange.takeOne()
        #expect(second.to == Self.next)
        exchange.tell(second.flow, .refused(errno: 111))
        let last = try exchange.takeOne()
        #expect(last.to == Self.first)
        exchange.tell(last.flow, .refused(errno: 111))
        #expect(exchange.take().isEmpty && exchange.count(.runsFailed) == 1 && exchange.liveRuns == 0)
    }

    @Test("a transport error makes the next calls avoid the address; the call itself has failed")
    func nextCalls() throws {
        let exchange = try caller(.next)
        try exchange.start(0)
        let invite = try exchange.takeOne()
        #expect(invite.to == Self.first && invite.requestURI == "sip:bob@example.test")
        exchange.tell(invite.flow, .refused(errno: 111))
        #expect(exchange.take().isEmpty && exchange.count(.runsFailed) == 1)
        try exchange.start(1)
        let second = try exchange.takeOne()
        #expect(second.to == Self.next)
        try complete(second, exchange)
        let (one, other) = (counts(exchange, 0), counts(exchange, 1))
        #expect(one.runsStarted == 1 && one.runsFailed == 1 && one.transportErrors == 1 && one.timesAvoided == 1)
        #expect(other.runsStarted == 1 && other.runsSucceeded == 1 && other.runsRefused == 0)
        exchange.pass(.seconds(30))
        try exchange.start(2)
        #expect(exchange.take().last?.to == Self.first)
    }

    @Test("the same call goes on with the same request in another transaction")
    func sameCall() throws {
        let exchange = try caller(.call)
        try exchange.start(0)
        let invite = try exchange.takeOne()
        exchange.tell(invite.flow, .refused(errno: 111))
        let again = try exchange.takeOne()
        #expect(again.to == Self.next)
        #expect(again.header("Via") != invite.header("Via"))
        #expect(
            again.text.replacing(again.header("Via"), with: "") == invite.text.replacing(invite.header("Via"), with: "")
        )
        // Repeats go there too, octet for octet.
        exchange.pass(.milliseconds(600))
        let repeated = try exchange.takeOne()
        #expect(repeated.text == again.text && repeated.to == Self.next)
        try complete(again, exchange)
        #expect(exchange.count(.runsSucceeded) == 1 && exchange.count(.sessionAttempts) == 1)
        let (one, other) = (counts(exchange, 0), counts(exchange, 1))
        #expect(one.runsStarted == 1 && one.runsMoved == 1 && one.runsSucceeded == 0 && one.runsFailed == 0)
        #expect(other.runsTakenOver == 1 && other.runsSucceeded == 1)
        exchange.pass(.seconds(70))
        #expect(exchange.take().isEmpty && exchange.engine.residue == EngineResidue())
    }

    @Test("what the network says late of the address before does not end the call")
    func lateRefusal() throws {
        let exchange = try caller(.call)
        try exchange.start(0)
        let invite = try exchange.takeOne()
        exchange.tell(invite.flow, .refused(errno: 111))
        let again = try exchange.takeOne()
        for message in [invite, again] {
            let now = exchange.now
            Array(message.text.utf8).withUnsafeBytes {
                exchange.engine.sendFailed(to: Self.first, quoted: $0, errno: 111, now: now)
            }
        }
        #expect(exchange.liveRuns == 1)
        try complete(again, exchange)
    }

    @Test("where all addresses fail the call fails with the last one's word")
    func allFail() throws {
        let exchange = try caller(.call)
        try exchange.start(0)
        exchange.tell(try exchange.takeOne().flow, .refused(errno: 111))
        exchange.tell(try exchange.takeOne().flow, .refused(errno: 113))
        #expect(exchange.take().isEmpty && exchange.count(.runsFailed) == 1 && exchange.liveRuns == 0)
        #expect(counts(exchange, 0).runsMoved == 1)
        #expect(counts(exchange, 1).runsTakenOver == 1 && counts(exchange, 1).runsFailed == 1)
        // None is avoided now.
        try exchange.start(1)
        #expect(try exchange.takeOne().to == Self.first)
    }

    @Test("Timer B sends the call on, and its step waits as long again")
    func silence() throws {
        let exchange = try caller(.call)
        try exchange.start(0)
        let invite = try exchange.takeOne()
        exchange.pass(.seconds(31))
        #expect(exchange.take().allSatisfy { $0.to == Self.first })
        exchange.pass(.seconds(2))
        let again = try #require(exchange.take().last)
        #expect(again.to == Self.next && again.header("Call-ID") == invite.header("Call-ID"))
        exchange.pass(.seconds(20))
        _ = exchange.take()
        try complete(again, exchange)
        #expect(exchange.count(.runsSucceeded) == 1 && counts(exchange, 0).timeouts == 1)
    }

    @Test("a step that waits for less makes the next calls avoid an address that says nothing")
    func shorterWait() throws {
        let impatient = Scenario("impatient", "waits two seconds") {
            Party("alice") {
                Send(.invite)
                Expect(200, within: .seconds(2))
                Send(.ack)
            }
        }
        let exchange = try caller(.call, impatient)
        try exchange.start(0)
        exchange.pass(.seconds(3))
        #expect(exchange.take().allSatisfy { $0.to == Self.first })
        #expect(counts(exchange, 0).timeouts == 1)
        // Its transaction ends after the call has failed: that is no second one.
        try exchange.start(1)
        #expect(exchange.take().last?.to == Self.next)
        exchange.pass(.seconds(40))
        #expect(exchange.count(.runsFailed) == 2)
        #expect(counts(exchange, 0).timeouts == 1 && counts(exchange, 1).timeouts == 1)
    }

    @Test("whoever has rung is not silent: nothing is avoided")
    func rung() throws {
        let exchange = try caller(.call)
        try exchange.start(0)
        let invite = try exchange.takeOne()
        exchange.hear(invite.response("180 Ringing"))
        exchange.pass(.seconds(200))
        _ = exchange.take()
        #expect(exchange.count(.runsFailed) == 1)
        #expect(counts(exchange, 0).runsRefused == 0 && counts(exchange, 1).runsTakenOver == 0)
    }

    @Test("a 503 is acknowledged where it came from, and the call goes on; its repeats too are acknowledged there")
    func unavailable() throws {
        let exchange = try caller(.call)
        try exchange.start(0)
        let invite = try exchange.takeOne()
        exchange.hear(invite.response("100 Trying"))
        let refusal = invite.response("503 Service Unavailable", "Retry-After: 60")
        exchange.hear(refusal)
        let sent = exchange.take()
        #expect(sent.map(\.start) == ["ACK", "INVITE"])
        #expect(sent.map(\.to) == [Self.first, Self.next])
        #expect(sent[0].header("Via") == invite.header("Via") && sent[1].header("Via") != invite.header("Via"))
        exchange.hear(refusal)
        let ack = try exchange.takeOne()
        #expect(ack.start == "ACK" && ack.to == Self.first && ack.header("Via") == invite.header("Via"))
        try complete(sent[1], exchange)
        #expect(exchange.count(.runsSucceeded) == 1)
        #expect(counts(exchange, 0).unavailable == 1 && counts(exchange, 0).timesHeldBack == 0)
    }

    @Test("a refusal that comes again is acknowledged where it comes from, also by the second address")
    func repeatedRefusal() throws {
        let exchange = try caller(.next)
        try exchange.start(0)
        exchange.tell(try exchange.takeOne().flow, .refused(errno: 111))
        try exchange.start(1)
        let invite = try exchange.takeOne()
        #expect(invite.to == Self.next)
        let refusal = invite.response("486 Busy Here")
        for _ in 0..<2 {
            exchange.hear(refusal, from: Self.next)
            let ack = try exchange.takeOne()
            #expect(ack.start == "ACK" && ack.to == Self.next && ack.header("Via") == invite.header("Via"))
            exchange.pass(.seconds(1))
        }
    }

    @Test("what becomes of a Contact that was followed is no word on the target")
    func redirected() throws {
        let redirected = Scenario("redirected", "follows a Contact") {
            Party("alice") {
                Send(.invite)
                Expect(302)
                Send(.invite, redirectedTo: .header("Contact"))
                Expect(200)
                Send(.ack)
            }
        }
        let exchange = try caller(.call, redirected)
        try exchange.start(0)
        exchange.hear(
            try exchange.takeOne().response("302 Moved Temporarily", "Contact: <sip:bob@10.0.0.9:5060>"))
        let again = try #require(exchange.take().last)
        #expect(again.start == "INVITE" && again.to == TransportAddress(ipv4: 0x0A00_0009, port: 5060))
        exchange.hear(again.response("503 Service Unavailable"), from: again.to)
        #expect(exchange.take().map(\.start) == ["ACK"])
        #expect(counts(exchange, 0).runsRefused == 0 && counts(exchange, 1).runsTakenOver == 0)
        #expect(exchange.count(.runsFailed) == 1)
    }

    @Test("a request that is no INVITE goes on too")
    func otherRequests() throws {
        let exchange = try caller(.call, options)
        try exchange.start(0)
        let request = try exchange.takeOne()
        exchange.hear(request.response("503 Service Unavailable"))
        let again = try exchange.takeOne()
        #expect(again.to == Self.next && again.header("CSeq") == request.header("CSeq"))
        exchange.hear(again.response("200 OK"), from: Self.next)
        #expect(exchange.count(.runsSucceeded) == 1)
    }

    @Test("the last address's 503 is the script's to judge, with one ACK")
    func lastUnavailable() throws {
        let exchange = try caller(.call)
        try exchange.start(0)
        exchange.hear(try exchange.takeOne().response("503 Service Unavailable"))
        let again = try #require(exchange.take().last)
        exchange.hear(again.response("503 Service Unavailable"), from: Self.next)
        #expect(exchange.take().map(\.start) == ["ACK"])
        #expect(exchange.count(.runsFailed) == 1)
        #expect(counts(exchange, 0).unavailable == 1 && counts(exchange, 1).unavailable == 1)
    }

    @Test("a 503 inside the dialog is no word on the target")
    func insideTheDialog() throws {
        let exchange = try caller(.call)
        try exchange.start(0)
        let invite = try exchange.takeOne()
        exchange.hear(invite.response("200 OK", "Contact: <sip:bob@10.0.0.2:5060>"))
        let bye = try #require(exchange.take().last)
        #expect(bye.start == "BYE")
        exchange.hear(bye.response("503 Service Unavailable"))
        #expect(counts(exchange, 0).runsRefused == 0)
    }

    @Test("Retry-After that is obeyed keeps arrivals from being started, and they are counted")
    func heldBack() throws {
        let exchange = try caller(.next, options) {
            $0.targets.targets[0].hops.removeLast()
            $0.targets.obeysRetryAfter = true
        }
        try exchange.start(0)
        exchange.hear(
            try exchange.takeOne().response("503 Service Unavailable", "Retry-After: 3 (in maintenance);duration=60"))
        #expect(!exchange.mayStart(1))
        let now = exchange.now
        let hasStarted = exchange.engine.startRun(number: 1, due: now, now: now)
        #expect(!hasStarted && exchange.count(.runsHeldBack) == 1 && exchange.count(.arrivalsDue) == 2)
        // A closed loop without a call in progress waits for nothing else.
        #expect(exchange.engine.nextDeadline <= now.advanced(byNanoseconds: 3_000_000_000))
        exchange.pass(.seconds(4))
        #expect(exchange.mayStart(2))
        try exchange.start(2)
        let record = exchange.record()
        #expect(!record.verdict.reasons.contains { $0.kind == .notStarted })
    }

    @Test("over connections each address has lanes of its own")
    func lanes() throws {
        let exchange = try caller(.call) {
            $0.transports = .tcp
            $0.connections = .shared(2)
        }
        try exchange.start(0)
        let invite = try exchange.takeOne()
        #expect(invite.flow.isLane && invite.to == Self.first)
        exchange.tell(invite.flow, .refused(errno: 111))
        let again = try exchange.takeOne()
        #expect(again.flow.isLane && again.flow != invite.flow && again.to == Self.next)
        #expect(again.header("Via").hasPrefix("SIP/2.0/TCP"))
        // A queue that is full belongs to one lane of one address.
        exchange.tell(again.flow, .queueFull)
        #expect(!exchange.mayStart(2) && exchange.mayStart(3))
    }

    @Test("a call's own connection leads to its own target")
    func ownConnections() throws {
        let exchange = try caller(.next) {
            $0.transports = .tcp
            $0.connections = .perCall
        }
        try exchange.start(0)
        let invite = try exchange.takeOne()
        #expect(invite.flow.isOfCall && invite.to == Self.first)
        exchange.tell(invite.flow, .refused(errno: 111))
        _ = exchange.take()
        try exchange.start(1)
        let second = try exchange.takeOne()
        #expect(second.flow.isOfCall && second.to == Self.next)
    }

    @Test("each of several targets is named in the URIs of its own calls, and the dialog keeps the name")
    func names() throws {
        let exchange = try caller(.call) {
            $0.targets.targets = [
                .init(name: "one.test", hops: [.init(address: Self.first)]),
                .init(name: "two.test:5070", hops: [.init(address: Self.next)]),
            ]
            $0.targetText = "one.test"
        }
        var invites: [SentMessage] = []
        for number in 0..<20 as Range<UInt64> {
            try exchange.start(number)
            invites.append(try exchange.takeOne())
        }
        #expect(Set(invites.map(\.to)) == [Self.first, Self.next])
        for invite in invites {
            let name = invite.to == Self.first ? "one.test" : "two.test:5070"
            #expect(invite.requestURI == "sip:bob@\(name)")
            #expect(invite.header("To") == "<sip:bob@\(name)>")
            #expect(invite.header("From").hasPrefix("<sip:alice@\(name)>"))
        }
        let moved = try #require(invites.first { $0.to == Self.first })
        exchange.hear(moved.response("503 Service Unavailable"))
        let again = try #require(exchange.take().last)
        #expect(again.to == Self.next && again.requestURI == "sip:bob@one.test")
        exchange.hear(again.response("200 OK", "Contact: <sip:bob@10.0.0.3:5070>"), from: Self.next)
        let bye = try #require(exchange.take().last)
        #expect(bye.header("From") == moved.header("From"))
    }
}
