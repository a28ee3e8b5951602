import ElementServers
import SIPWire
import Testing

/// RFC 3261 §16.7 to §16.10, rule by rule, on the wire: what comes back.
@Suite struct ResponseRules {
    /// A proxy with these bindings of bob, to which alice's INVITE has gone.
    private func inviting(
        _ contacts: [String], method: String = "INVITE", _ more: (inout ElementSettings) -> Void = { _ in }
    ) throws -> (wire: Wire, requests: [Wire.Sent]) {
        let wire = Wire(.proxy, more)
        for contact in contacts { try wire.register("bob", contact) }
        let sent = wire.receive(request(method, "sip:bob@127.0.0.1"))
        return (wire, sent.filter { $0.status == nil })
    }

    private let two = ["<sip:bob@127.0.0.1:7001>", "<sip:bob@127.0.0.1:7002>"]

    @Test("Provisional and final responses go back without our Via; 100 does not (§16.7)")
    func back() throws {
        let (wire, requests) = try inviting([two[0]])
        #expect(requests.count == 1)
        #expect(wire.receive(requests[0].response(100), from: 7001).isEmpty)
        for status in [180, 183, 200] {
            let sent = wire.receive(requests[0].response(status, more: "X: \(status)\r\n"), from: 7001)
            try #require(sent.count == 1)
            #expect(sent[0].status == status && sent[0].port == 6000)
            #expect(sent[0].values("Via") == ["SIP/2.0/UDP 127.0.0.1:6000;branch=z9hG4bKone"])
            #expect(sent[0].values("Record-Route") == ["<sip:127.0.0.1:5060;lr>"])
            #expect(sent[0].values("X") == ["\(status)"])
        }
        // The callee sends it again until its ACK comes, and each goes back (RFC 6026).
        #expect(wire.receive(requests[0].response(200), from: 7001).map(\.status) == [200])
        #expect(wire.receive(requests[0].response(180), from: 7001).isEmpty)
    }

    @Test("Our Via and the caller's in one line")
    func oneLine() throws {
        let (wire, requests) = try inviting([two[0]])
        let vias = requests[0].values("Via")
        let folded = requests[0].response(180).replacingFirst(
            "Via: \(vias[0])\r\nVia: \(vias[1])\r\n", "v: \(vias[0]) ,\r\n \(vias[1])\r\n")
        let sent = wire.receive(folded, from: 7001)
        try #require(sent.count == 1)
        #expect(sent[0].text.contains("SIP/2.0/UDP 127.0.0.1:6000;branch=z9hG4bKone"))
        #expect(!sent[0].text.contains("127.0.0.1:5060;branch"))
    }

    @Test("A response that is not ours, or too late, goes nowhere (RFC 6026 §7.2)")
    func stray() throws {
        let (wire, requests) = try inviting([two[0]])
        let right = requests[0].response(200)
        #expect(wire.receive(right.replacingFirst("127.0.0.1:5060;branch", "127.0.0.9:5060;branch")).isEmpty)
        #expect(wire.receive(right.replacingFirst("branch=z9hG4bK", "branch=z9hG4bKx")).isEmpty)
        #expect(wire.receive(right.replacingFirst("1 INVITE", "1 BYE")).isEmpty)
        #expect(wire.element.counts.drops == [.foreignResponse: 1, .strayResponse: 2])
    }

    @Test("A request goes to all bindings of the best q at once, then to the next ones; a Route keeps them")
    func byPreference() throws {
        let (wire, first) = try inviting([
            "<sip:bob@127.0.0.1:7001>;q=0.2", "<sip:bob@127.0.0.1:7002>", "<sip:bob@127.0.0.1:7003>;q=1.0",
        ])
        #expect(Set(first.map(\.port)) == [7002, 7003])
        #expect(Set(first.map(\.viaBranch)).count == 2)
        #expect(wire.element.counts.forks == 1)
        #expect(wire.receive(first[0].response(486), from: first[0].port).map(\.startLine.first) == ["A"])
        let next = wire.receive(first[1].response(404), from: first[1].port)
        #expect(next.map(\.port) == [first[1].port, 7001])
        #expect(next[0].startLine.hasPrefix("ACK ") && next[1].startLine.hasPrefix("INVITE sip:bob@127.0.0.1:7001 "))
        let last = wire.receive(next[1].response(480), from: 7001)
        #expect(last.map(\.port) == [7001, 6000])
        // The best of all that came, the latest too.
        #expect([404, 480, 486].contains(last[1].status))
    }

    struct Choice: CustomTestStringConvertible {
        var given: [Int]
        var chosen: Int
        var testDescription: String { "\(given) → \(chosen)" }
    }

    @Test(
        "The best response (§16.7 step 6)",
        arguments: [
            Choice(given: [486, 302], chosen: 302), Choice(given: [500, 404], chosen: 404),
            Choice(given: [486, 407], chosen: 407), Choice(given: [486, 401], chosen: 401),
            Choice(given: [404, 484], chosen: 484), Choice(given: [486, 603], chosen: 603),
            Choice(given: [302, 600], chosen: 600), Choice(given: [503, 500], chosen: 500),
            Choice(given: [503, 486], chosen: 486), Choice(given: [503, 503], chosen: 500),
            Choice(given: [580, 302], chosen: 302),
        ])
    func choice(_ rule: Choice) throws {
        for given in [rule.given, rule.given.reversed()] {
            let (wire, requests) = try inviting(two)
            var back: [Wire.Sent] = []
            for (status, request) in zip(given, requests) {
                let sent = wire.receive(request.response(status), from: request.port)
                // The ACK for it is ours (§17.1.1.3): its To is the response's, all else the request's.
                let ack = try #require(sent.first { $0.startLine.hasPrefix("ACK ") })
                #expect(ack.port == request.port && ack.requestURI == request.requestURI)
                #expect(ack.values("Via") == [request.values("Via")[0]])
                #expect(ack.values("To")[0].hasSuffix(";tag=callee") && ack.values("CSeq") == ["1 ACK"])
                #expect(ack.values("From") == request.values("From"))
                back += sent.filter { $0.port == 6000 }
            }
            #expect(back.map(\.status) == [rule.chosen])
        }
    }

    @Test("Challenges of several branches go back together (§16.7 step 7)")
    func challenges() throws {
        let (wire, requests) = try inviting(two)
        let one = requests[0].response(401, more: "WWW-Authenticate: Digest realm=\"a\", nonce=\"1\"\r\n")
        let other = requests[1].response(407, more: "Proxy-Authenticate: Digest realm=\"b\", nonce=\"2\"\r\n")
        _ = wire.receive(one, from: 7001)
        let back = wire.receive(other, from: 7002).filter { $0.port == 6000 }
        try #require(back.count == 1)
        #expect(back[0].values("WWW-Authenticate").count == 1 && back[0].values("Proxy-Authenticate").count == 1)
    }

    @Test("A 2xx goes back at once, and what else rings is cancelled; every 2xx goes back (§16.7 steps 5 and 10)")
    func answered() throws {
        let (wire, requests) = try inviting(two)
        _ = wire.receive(requests[0].response(180), from: 7001)
        _ = wire.receive(requests[1].response(180), from: 7002)
        let sent = wire.receive(requests[0].response(200, tag: "one"), from: 7001)
        #expect(Set(sent.map(\.port)) == [6000, 7002])
        let cancel = try #require(sent.first { $0.port == 7002 })
        #expect(cancel.startLine == "CANCEL \(requests[1].requestURI) SIP/2.0")
        #expect(cancel.values("Via") == [requests[1].values("Via")[0]] && cancel.values("CSeq") == ["1 CANCEL"])
        #expect(cancel.values("To") == ["<sip:bob@127.0.0.1>"])
        #expect(wire.receive(cancel.response(200), from: 7002).isEmpty)
        // It had answered already.
        let second = wire.receive(requests[1].response(200, tag: "two"), from: 7002)
        #expect(second.map(\.status) == [200] && second[0].values("To")[0].hasSuffix("tag=two"))
        #expect(wire.pass(40_000).isEmpty, "nothing is left to be sent again")
    }

    @Test("CANCEL is answered by us, and stops all branches: at once those that have said something (§16.10, §9.1)")
    func cancelled() throws {
        let (wire, requests) = try inviting(two + ["<sip:bob@127.0.0.1:7003>;q=0.1"])
        _ = wire.receive(requests[0].response(180), from: requests[0].port)
        let sent = wire.receive(request("CANCEL", "sip:bob@127.0.0.1"))
        #expect(sent.map(\.port) == [6000, requests[0].port])
        #expect(sent[0].status == 200 && sent[0].values("CSeq") == ["1 CANCEL"])
        #expect(sent[1].startLine.hasPrefix("CANCEL "))
        // CANCEL again: the same answer, and no second one to the branch.
        #expect(wire.receive(request("CANCEL", "sip:bob@127.0.0.1")).map(\.status) == [200])
        let late = wire.receive(requests[1].response(183), from: requests[1].port)
        #expect(Set(late.map(\.port)) == [6000, requests[1].port])
        #expect(wire.receive(requests[0].response(487), from: requests[0].port).map(\.port) == [requests[0].port])
        let last = wire.receive(requests[1].response(487), from: requests[1].port)
        // The binding of less q is not tried.
        #expect(last.map(\.port) == [requests[1].port, 6000])
        #expect(last[1].status == 487)
    }

    @Test("Nobody answers: the INVITE is sent again by Timer A, and its 408 until an ACK comes (§17.1.1.2, §17.2.1)")
    func silence() throws {
        let (wire, requests) = try inviting([two[0]])
        let sent = wire.pass(32_500)
        let again = sent.filter { $0.port == 7001 }
        #expect(again.count == 6 && again.allSatisfy { $0.text == requests[0].text })
        let refusals = sent.filter { $0.port == 6000 }
        #expect(!refusals.isEmpty && refusals.allSatisfy { $0.status == 408 })
        let tag = refusals[0].values("To")[0].components("tag=")[1]
        #expect(wire.receive(request("ACK", "sip:bob@127.0.0.1", toTag: tag)).isEmpty)
        #expect(wire.pass(60_000).isEmpty)
        #expect(wire.element.counts.drops.isEmpty)
    }

    @Test("A request other than INVITE that nobody answers gets no 408 (RFC 4320 §4.2), and is forgotten")
    func silentMessage() throws {
        let (wire, requests) = try inviting([two[0]], method: "MESSAGE")
        #expect(requests.count == 1)
        let sent = wire.pass(40_000)
        #expect(sent.count == 10 && sent.allSatisfy { $0.port == 7001 })
        // Were it still known, it would be taken for the same.
        #expect(wire.receive(request("MESSAGE", "sip:bob@127.0.0.1")).map(\.port) == [7001])
    }

    @Test("Timer C: who rings for three minutes is cancelled, each provisional response begins them anew (§16.8)")
    func timerC() throws {
        let (wire, requests) = try inviting([two[0]])
        _ = wire.receive(requests[0].response(180), from: 7001)
        #expect(wire.pass(170_000).isEmpty)
        _ = wire.receive(requests[0].response(180), from: 7001)
        #expect(wire.pass(170_000).isEmpty)
        let sent = wire.pass(12_000)
        try #require(!sent.isEmpty)
        #expect(sent[0].startLine.hasPrefix("CANCEL ") && sent[0].port == 7001)
        _ = wire.receive(sent[0].response(200), from: 7001)
        let end = wire.receive(requests[0].response(487), from: 7001)
        #expect(end.map(\.port) == [7001, 6000])
        #expect(end[1].status == 487)
    }

    @Test("Who does not answer the INVITE after its CANCEL is given up after 64 × T1 (§9.1)")
    func deafToCancel() throws {
        let (wire, requests) = try inviting([two[0]])
        _ = wire.receive(requests[0].response(180), from: 7001)
        _ = wire.receive(request("CANCEL", "sip:bob@127.0.0.1"))
        let back = wire.pass(33_000).filter { $0.port == 6000 }
        #expect(!back.isEmpty && back.allSatisfy { $0.status == 487 })
    }

    @Test(
        "Where nobody listens a branch fails at once: 500 from one, and the other decides where there are two (§16.9)")
    func unreachable() throws {
        let (wire, requests) = try inviting([two[0]])
        // The network gives back only so much of what it could not deliver.
        let head = Array(requests[0].text.utf8.prefix(200))
        head.withUnsafeBytes { wire.element.refused(datagram: $0, now: wire.now) }
        #expect(wire.take().map(\.status) == [500])
        let (other, both) = try inviting(two)
        other.element.failed(branch: try #require(both[0].branch), now: other.now)
        #expect(other.take().isEmpty)
        #expect(other.receive(both[1].response(486), from: both[1].port).map(\.status) == [nil, 486])
    }

    @Test("What came for a final response that was lost: it comes again with the INVITE, and is ACKed again")
    func lost() throws {
        let (wire, requests) = try inviting([two[0]])
        let first = wire.receive(requests[0].response(486), from: 7001)
        try #require(first.map(\.status) == [nil, 486])
        #expect(wire.receive(requests[0].response(486), from: 7001).map(\.text) == [first[0].text])
        #expect(wire.receive(request("INVITE", "sip:bob@127.0.0.1")).map(\.text) == [first[1].text])
        #expect(wire.pass(500).map(\.text) == [first[1].text], "Timer G")
        #expect(wire.receive(request("ACK", "sip:bob@127.0.0.1", toTag: "callee")).isEmpty)
        #expect(wire.pass(32_000).isEmpty)
    }

    @Test("Everything ends: no transaction is left after its timers")
    func end() throws {
        let (wire, requests) = try inviting(two) { $0.mostTransactions = 4 }
        _ = wire.receive(requests[0].response(200), from: 7001)
        wire.pass(70_000)
        // Had any of them stayed, one would have to be forgotten for these.
        for number in 1...4 { _ = wire.receive(request("OPTIONS", "sip:127.0.0.1", branch: "z9hG4bK\(number)")) }
        #expect(wire.element.counts.transactionsForgotten == 0)
        #expect(wire.receive(request("OPTIONS", "sip:127.0.0.1", branch: "z9hG4bK5")).map(\.status) == [200])
        #expect(wire.element.counts.transactionsForgotten == 1)
    }

    @Test("Where nothing answered can be forgotten, a new request gets 503")
    func full() throws {
        let (wire, _) = try inviting([]) { $0.mostTransactions = 2 }
        #expect(wire.receive(request("INVITE", "sip:a@127.0.0.1:7001", branch: "z9hG4bK2")).count == 2)
        #expect(wire.receive(request("INVITE", "sip:a@127.0.0.1:7001", branch: "z9hG4bK3")).count == 2)
        let sent = wire.receive(request("INVITE", "sip:a@127.0.0.1:7001", branch: "z9hG4bK4"))
        #expect(sent.map(\.status) == [503])
        #expect(wire.element.counts.requestsBeyondLimit == 1)
    }
}
