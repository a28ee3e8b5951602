import ElementServers
import SIPWire
import Testing

/// RFC 3261 §16, rule by rule, on the wire: how requests go.
@Suite struct ProxyRules {
    struct Refusal: CustomTestStringConvertible {
        var what: String
        var text: String
        var status: Int
        var header = ""
        var testDescription: String { "\(what) → \(status)" }
    }

    @Test(
        "What is not forwarded (§16.3, §16.5)",
        arguments: [
            Refusal(what: "no hop left", text: request("INVITE", "sip:bob@10.0.0.9", maxForwards: "0"), status: 483),
            Refusal(
                what: "no hop left for OPTIONS", text: request("OPTIONS", "sip:bob@10.0.0.9", maxForwards: "0"),
                status: 483),
            Refusal(
                what: "too many hops", text: request("INVITE", "sip:bob@10.0.0.9", maxForwards: "256"), status: 400),
            Refusal(
                what: "Max-Forwards is no number", text: request("INVITE", "sip:bob@10.0.0.9", maxForwards: "x"),
                status: 400),
            Refusal(
                what: "an extension asked of proxies",
                text: request("INVITE", "sip:bob@10.0.0.9", more: "Proxy-Require: foo, bar\r\n"),
                status: 420, header: "Unsupported: foo, bar"),
            Refusal(what: "another scheme", text: request("INVITE", "tel:+1201"), status: 416),
            Refusal(what: "sips", text: request("INVITE", "sips:bob@10.0.0.9"), status: 416),
            Refusal(
                what: "a user of ours whom nobody knows", text: request("INVITE", "sip:ann@127.0.0.1"), status: 404),
            Refusal(what: "a user without a binding", text: request("INVITE", "sip:gone@127.0.0.1"), status: 480),
            Refusal(what: "ourselves", text: request("INVITE", "sip:127.0.0.1"), status: 404),
            Refusal(what: "OPTIONS to ourselves", text: request("OPTIONS", "sip:127.0.0.1:5060"), status: 200),
            Refusal(what: "CANCEL of nothing", text: request("CANCEL", "sip:bob@127.0.0.1"), status: 481),
        ])
    func refusals(_ rule: Refusal) throws {
        let wire = Wire(.proxy)
        try wire.register("gone", "<sip:gone@127.0.0.1:7000>;expires=60")
        wire.pass(60_000)
        let sent = wire.receive(rule.text)
        try #require(sent.count == 1, "\(sent)")
        #expect(sent[0].status == rule.status)
        #expect(rule.header.isEmpty || sent[0].text.contains("\r\n\(rule.header)\r\n"), "\(sent[0])")
    }

    @Test("A request is forwarded with our Via above, a hop less, our Record-Route, and all else as it was (§16.6)")
    func forwarded() throws {
        let wire = Wire(.proxy)
        try wire.register("bob", "<sip:bob@127.0.0.1:7000;x=y>")
        let sent = wire.receive(
            request(
                "INVITE", "sip:bob@example.com", vias: "v: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKzero\r\n",
                more: "X-Odd :  a,\r\n b\r\nRecord-Route: <sip:10.0.0.1;lr>\r\nContact: <sip:alice@127.0.0.1:6000>\r\n",
                body: "v=0\r\n"))
        try #require(sent.count == 2)
        #expect(sent[0].status == 100 && sent[0].port == 6000 && !sent[0].values("To")[0].contains("tag="))
        let invite = sent[1]
        #expect(invite.port == 7000)
        #expect(invite.startLine == "INVITE sip:bob@127.0.0.1:7000;x=y SIP/2.0")
        #expect(invite.values("Via").count == 2 && invite.values("v").count == 1)
        #expect(invite.values("Via")[0].hasPrefix("SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK"))
        #expect(invite.values("Via")[1] == "SIP/2.0/UDP 127.0.0.1:6000;branch=z9hG4bKone")
        #expect(invite.values("Max-Forwards") == ["69"])
        #expect(invite.values("Record-Route") == ["<sip:127.0.0.1:5060;lr>", "<sip:10.0.0.1;lr>"])
        #expect(invite.text.contains("\r\nX-Odd :  a,\r\n b\r\n"))
        #expect(invite.body == "v=0\r\n")
        #expect(wire.receive(request("INVITE", "sip:bob@example.com")).isEmpty == false)
        #expect(wire.element.counts.retransmissionsReceived == 1, "the INVITE came again and got its 100 again")
    }

    @Test(
        "Max-Forwards is 70 where there was none; MESSAGE and OPTIONS get no Record-Route",
        arguments: ["MESSAGE", "OPTIONS", "BYE"])
    func withoutRecordRoute(method: String) throws {
        let sent = Wire(.proxy).receive(request(method, "sip:bob@127.0.0.1:7000", maxForwards: nil))
        try #require(sent.count == 1)
        #expect(sent[0].values("Max-Forwards") == ["70"])
        #expect(sent[0].values("Record-Route").isEmpty)
    }

    struct Routing: CustomTestStringConvertible {
        var what: String
        var uri: String
        var routes: [String]
        var port: UInt16
        var uriSent: String
        var routesSent: [String]
        var testDescription: String { what }
    }

    @Test(
        "Routes (§16.4, §16.6 steps 6 and 7, §16.12.1)",
        arguments: [
            Routing(
                what: "our own is taken off", uri: "sip:bob@127.0.0.1:7000", routes: ["<sip:127.0.0.1:5060;lr>"],
                port: 7000,
                uriSent: "sip:bob@127.0.0.1:7000", routesSent: []),
            Routing(
                what: "two of ours, for two transports", uri: "sip:bob@127.0.0.1:7000",
                routes: ["<sip:127.0.0.1:5060;transport=tcp;lr>, <sip:127.0.0.1;lr>"], port: 7000,
                uriSent: "sip:bob@127.0.0.1:7000", routesSent: []),
            Routing(
                what: "the next loose router", uri: "sip:bob@10.9.9.9",
                routes: ["<sip:127.0.0.1:5060;lr>,\"P\" <sip:127.0.0.1:7001;lr>;x=1", "<sip:127.0.0.1:7002;lr>"],
                port: 7001,
                uriSent: "sip:bob@10.9.9.9", routesSent: ["<sip:127.0.0.1:7001;lr>;x=1", "<sip:127.0.0.1:7002;lr>"]),
            Routing(
                what: "not ours at all", uri: "sip:bob@10.9.9.9", routes: ["<sip:127.0.0.1:7001;lr>"], port: 7001,
                uriSent: "sip:bob@10.9.9.9", routesSent: ["<sip:127.0.0.1:7001;lr>"]),
            Routing(
                what: "the next router is strict: it becomes the Request-URI, the target goes last",
                uri: "sip:bob@10.9.9.9",
                routes: ["<sip:127.0.0.1:5060;lr>", "<sip:127.0.0.1:7001>", "<sip:127.0.0.1:7002;lr>"], port: 7001,
                uriSent: "sip:127.0.0.1:7001", routesSent: ["<sip:127.0.0.1:7002;lr>", "<sip:bob@10.9.9.9>"]),
            Routing(
                what: "the last router was strict: our Record-Route is the Request-URI, the target is last",
                uri: "sip:127.0.0.1:5060;lr", routes: ["<sip:127.0.0.1:7002;lr>", "<sip:bob@10.9.9.9>"], port: 7002,
                uriSent: "sip:bob@10.9.9.9", routesSent: ["<sip:127.0.0.1:7002;lr>"]),
            Routing(
                what: "the last router was strict, and the target is all that is left", uri: "sip:127.0.0.1:5060;lr",
                routes: ["<sip:bob@127.0.0.1:7000>"], port: 7000, uriSent: "sip:bob@127.0.0.1:7000", routesSent: []),
        ])
    func routes(_ rule: Routing) throws {
        let wire = Wire(.proxy)
        let lines = rule.routes.map { "Route: \($0)\r\n" }.joined()
        for text in [
            request("BYE", rule.uri, toTag: "b", branch: "z9hG4bKbye", more: lines),
            request("ACK", rule.uri, toTag: "b", branch: "z9hG4bKack", more: lines),
        ] {
            let sent = wire.receive(text)
            try #require(sent.count == 1, "\(sent)")
            #expect(sent[0].port == rule.port)
            #expect(sent[0].requestURI == rule.uriSent)
            #expect(sent[0].values("Route") == rule.routesSent)
        }
    }

    @Test("The same request again is a loop, with another Request-URI it is a spiral (§16.3 step 4, RFC 5393)")
    func loop() throws {
        let wire = Wire(.proxy)
        let first = wire.receive(request("INVITE", "sip:bob@127.0.0.1:7000"))
        try #require(first.count == 2)
        // Some other proxy sends it back as it was.
        let looped = first[1].text.replacingFirst(
            "Via: ", "Via: SIP/2.0/UDP 127.0.0.1:7000;branch=z9hG4bKother\r\nVia: ")
        let refused = wire.receive(looped, from: 7000)
        try #require(refused.count == 1)
        #expect(refused[0].status == 482 && refused[0].port == 7000)
        let spiral = first[1].text
            .replacingFirst("Via: ", "Via: SIP/2.0/UDP 127.0.0.1:7000;branch=z9hG4bKmore\r\nVia: ")
            .replacingFirst("INVITE sip:bob@", "INVITE sip:carol@")
        let passed = wire.receive(spiral, from: 7000)
        #expect(passed.map(\.status) == [100, nil])
    }

    @Test("An address of record whose binding is itself ends in 482, not in 70 rounds")
    func ownLoop() throws {
        let wire = Wire(.proxy)
        try wire.register("bob", "<sip:bob@127.0.0.1:5060>")
        var sent = wire.receive(request("INVITE", "sip:bob@127.0.0.1"))
        var rounds = 0
        var statuses: [Int] = []
        while !sent.isEmpty, rounds < 20 {
            rounds += 1
            var next: [Wire.Sent] = []
            for one in sent {
                if one.port == 5060 { next += wire.receive(one.text, from: 5060) }
                if one.port == 6000, let status = one.status { statuses.append(status) }
            }
            sent = next
        }
        #expect(rounds < 20 && statuses == [100, 482], "\(rounds) \(statuses)")
    }

    @Test("A name is no address, and we look none up: 502")
    func name() throws {
        let wire = Wire(.proxy) { $0.domains = ["example.com"] }
        let sent = wire.receive(request("INVITE", "sip:bob@example.org"))
        #expect(sent.map(\.status) == [100, 502])
    }

    @Test("Where the transports differ, each side has its own Record-Route (RFC 5658)")
    func transports() throws {
        let wire = Wire(.proxy)
        let sent = wire.receive(
            request("INVITE", "sip:bob@127.0.0.1:7000;transport=tcp").replacingFirst("", ""), from: 6000)
        try #require(sent.count == 2)
        #expect(sent[1].hop.isStream)
        #expect(sent[1].values("Via")[0].hasPrefix("SIP/2.0/TCP "))
        #expect(sent[1].values("Record-Route") == ["<sip:127.0.0.1:5060;transport=tcp;lr>", "<sip:127.0.0.1:5060;lr>"])
        // Nothing is sent again where the transport does that.
        #expect(wire.pass(31_000).isEmpty)
    }

    @Test("The ACK for a 2xx goes the same way by the same branch each time it comes")
    func acknowledgement() throws {
        let wire = Wire(.proxy)
        let text = request("ACK", "sip:bob@127.0.0.1:7000", toTag: "b", branch: "z9hG4bKack")
        let first = wire.receive(text), second = wire.receive(text)
        try #require(first.count == 1 && second.count == 1)
        #expect(first[0].text == second[0].text)
        #expect(first[0].values("Max-Forwards") == ["69"])
        #expect(wire.receive(request("ACK", "sip:bob@127.0.0.1:7000", toTag: "b", maxForwards: "0")).isEmpty)
        #expect(wire.receive(request("ACK", "sip:nobody@127.0.0.1", toTag: "b")).isEmpty)
        #expect(wire.element.counts.drops == [.tooManyHops: 1, .strayAcknowledgement: 1])
    }

    @Test("Who is asked for credentials: whoever begins something, not who goes on with it (§22.3)")
    func credentials() throws {
        let wire = Wire(.proxy) {
            $0.credentials = .password("secret")
            $0.challenges = .both
        }
        let asked = wire.receive(request("INVITE", "sip:bob@127.0.0.1:7000"))
        #expect(asked.map(\.status) == [407])
        #expect(asked[0].values("Proxy-Authenticate").count == 2)
        #expect(asked[0].values("Proxy-Authenticate")[0].contains("SHA-256"))
        #expect(asked[0].values("Proxy-Authenticate")[1].contains("algorithm=MD5"))
        // The ACK for it is ours.
        let tag = asked[0].values("To")[0].components("tag=")[1]
        #expect(wire.receive(request("ACK", "sip:bob@127.0.0.1:7000", toTag: tag)).isEmpty)
        #expect(wire.pass(10_000).isEmpty)
        let registering = wire.receive(request("REGISTER", "sip:127.0.0.1", branch: "z9hG4bKreg"))
        #expect(registering.map(\.status) == [401])
        #expect(registering[0].values("WWW-Authenticate").count == 2)
        let within = wire.receive(request("BYE", "sip:bob@127.0.0.1:7000", toTag: "b", branch: "z9hG4bKbye"))
        #expect(within.map(\.status) == [nil])
    }
}
