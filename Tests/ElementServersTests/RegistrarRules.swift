import ElementServers
import Testing

/// RFC 3261 §10.3, rule by rule, on the wire.
@Suite struct RegistrarRules {
    private func register(
        _ wire: Wire, contacts: [String], expires: String? = nil, callID: String = "r", cseq: Int = 1,
        to: String = "sip:bob@127.0.0.1", more: String = ""
    ) throws -> Wire.Sent {
        let lines = contacts.map { "Contact: \($0)\r\n" }.joined() + (expires.map { "Expires: \($0)\r\n" } ?? "") + more
        let sent = wire.receive(
            request(
                "REGISTER", "sip:127.0.0.1", to: to, branch: "z9hG4bK\(callID)\(cseq)", callID: callID, cseq: cseq,
                more: lines))
        try #require(sent.count == 1)
        return sent[0]
    }

    @Test("A binding is made, told with what is left of it, and queried without a Contact")
    func query() throws {
        let wire = Wire(.registrar)
        let made = try register(wire, contacts: ["<sip:bob@127.0.0.1:7000>;expires=120"])
        #expect(made.status == 200)
        #expect(made.values("Contact") == ["<sip:bob@127.0.0.1:7000>;expires=120"])
        #expect(made.values("To")[0].contains(";tag="))
        #expect(made.values("Date").count == 1)
        wire.pass(20_500)
        let asked = try register(wire, contacts: [], cseq: 2)
        #expect(asked.values("Contact") == ["<sip:bob@127.0.0.1:7000>;expires=100"])
        wire.pass(100_000)
        #expect(try register(wire, contacts: [], cseq: 3).values("Contact") == [])
    }

    @Test("Several Contacts in one request and one line, each with its expiry and q; all are told")
    func several() throws {
        let wire = Wire(.registrar)
        let made = try register(
            wire, contacts: ["<sip:a@127.0.0.1:1>;q=0.5, \"B\" <sip:b@127.0.0.1:2>;expires=90", "<sip:c@127.0.0.1:3>"],
            expires: "600")
        #expect(
            made.values("Contact") == [
                "<sip:a@127.0.0.1:1>;q=0.5;expires=600", "<sip:b@127.0.0.1:2>;expires=90",
                "<sip:c@127.0.0.1:3>;expires=600",
            ])
        #expect(wire.element.counts.bindingsMade == 3)
    }

    struct Expiry: CustomTestStringConvertible {
        var contact: String
        var header: String?
        var status: Int
        var granted: String?
        var testDescription: String { "\(contact), Expires \(header ?? "absent") → \(status) \(granted ?? "")" }
    }

    @Test(
        "What is granted",
        arguments: [
            Expiry(contact: "", header: nil, status: 200, granted: "3600"),
            Expiry(contact: ";expires=61", header: "300", status: 200, granted: "61"),
            Expiry(contact: "", header: "300", status: 200, granted: "300"),
            // Malformed: as if it were not there (§10.2.1.1, §20.19).
            Expiry(contact: ";expires=soon", header: nil, status: 200, granted: "3600"),
            Expiry(contact: ";expires=4294967295", header: nil, status: 200, granted: "86400"),
            Expiry(contact: ";expires=59", header: nil, status: 423, granted: nil),
            Expiry(contact: "", header: "1", status: 423, granted: nil),
            Expiry(contact: ";expires=0", header: nil, status: 200, granted: nil),
        ])
    func expiry(_ rule: Expiry) throws {
        let wire = Wire(.registrar)
        let sent = try register(wire, contacts: ["<sip:bob@127.0.0.1:7000>\(rule.contact)"], expires: rule.header)
        #expect(sent.status == rule.status)
        #expect(sent.values("Contact") == (rule.granted.map { ["<sip:bob@127.0.0.1:7000>;expires=\($0)"] } ?? []))
        #expect(sent.values("Min-Expires") == (rule.status == 423 ? ["60"] : []))
    }

    @Test("A Contact that is the same URI by RFC 3261 §19.1.4 is refreshed, another is added")
    func equality() throws {
        let wire = Wire(.registrar)
        _ = try register(wire, contacts: ["<sip:bob@Example.com:7000;x=1>"])
        let again = try register(wire, contacts: ["<sip:%62ob@example.com:7000>"], cseq: 2)
        #expect(again.values("Contact") == ["<sip:%62ob@example.com:7000>;expires=3600"])
        #expect(wire.element.counts.bindingsRefreshed == 1)
        let other = try register(wire, contacts: ["<sip:bob@example.com:7000;transport=tcp>"], cseq: 3)
        #expect(other.values("Contact").count == 2)
    }

    @Test("* removes all, only with Expires 0 and alone")
    func star() throws {
        let wire = Wire(.registrar)
        _ = try register(wire, contacts: ["<sip:a@127.0.0.1:1>", "<sip:b@127.0.0.1:2>"])
        #expect(try register(wire, contacts: ["*"], cseq: 2).status == 400)
        #expect(try register(wire, contacts: ["*"], expires: "60", cseq: 3).status == 400)
        #expect(try register(wire, contacts: ["*", "<sip:c@127.0.0.1:3>"], expires: "0", cseq: 4).status == 400)
        #expect(try register(wire, contacts: [], cseq: 5).values("Contact").count == 2)
        let gone = try register(wire, contacts: ["*"], expires: "0", cseq: 6)
        #expect(gone.status == 200 && gone.values("Contact").isEmpty)
        #expect(wire.element.counts.bindingsRemoved == 2)
    }

    @Test("An older request of the same Call-ID changes nothing, of its Contacts none")
    func order() throws {
        let wire = Wire(.registrar)
        _ = try register(wire, contacts: ["<sip:a@127.0.0.1:1>"], cseq: 7)
        let late = try register(
            wire, contacts: ["<sip:b@127.0.0.1:2>", "<sip:a@127.0.0.1:1>;expires=0"], cseq: 6)
        #expect(late.status == 500)
        #expect(try register(wire, contacts: ["*"], expires: "0", cseq: 5).status == 500)
        #expect(try register(wire, contacts: [], cseq: 8).values("Contact") == ["<sip:a@127.0.0.1:1>;expires=3600"])
        // Another Call-ID: a phone that began anew.
        let other = try register(wire, contacts: ["<sip:a@127.0.0.1:1>;expires=0"], callID: "s", cseq: 1)
        #expect(other.status == 200 && other.values("Contact").isEmpty)
    }

    @Test("One address of record, whatever its escapes and parameters; another user is another")
    func record() throws {
        let wire = Wire(.registrar)
        _ = try register(wire, contacts: ["<sip:a@127.0.0.1:1>"], to: "sip:b%6fb@Example.com;x=y")
        #expect(
            try register(wire, contacts: [], callID: "s", to: "sip:bob@example.com").values("Contact").count == 1)
        #expect(
            try register(wire, contacts: [], callID: "t", to: "sip:BOB@example.com").values("Contact").isEmpty)
        #expect(
            try register(wire, contacts: [], callID: "u", to: "sip:bob@example.org").values("Contact").isEmpty)
    }

    struct Refusal: CustomTestStringConvertible {
        var what: String
        var text: String
        var status: Int
        var header = ""
        var testDescription: String { "\(what) → \(status)" }
    }

    @Test(
        "Refusals",
        arguments: [
            Refusal(
                what: "a domain of somebody else (step 5)",
                text: request("REGISTER", "sip:example.com", to: "sip:bob@example.org"), status: 404),
            Refusal(what: "no user", text: request("REGISTER", "sip:example.com", to: "sip:example.com"), status: 404),
            Refusal(
                what: "an extension that we lack (step 2)",
                text: request(
                    "REGISTER", "sip:example.com", to: "sip:b@example.com", more: "Require: outbound, gruu\r\n"),
                status: 420, header: "Unsupported: outbound, gruu"),
            Refusal(
                what: "a To that is no SIP URI",
                text: request("REGISTER", "sip:example.com", to: "tel:+1201"), status: 416),
            Refusal(
                what: "a Contact that is no URI",
                text: request("REGISTER", "sip:example.com", to: "sip:b@example.com", more: "Contact: <sip:>\r\n"),
                status: 400),
            Refusal(
                what: "a method of others", text: request("MESSAGE", "sip:bob@example.com"), status: 405,
                header: "Allow: REGISTER, OPTIONS, CANCEL"),
            Refusal(what: "CANCEL of nothing", text: request("CANCEL", "sip:bob@example.com"), status: 481),
            Refusal(
                what: "another version",
                text: request("REGISTER", "sip:example.com").replacingFirst(" SIP/2.0", " SIP/3.0"), status: 505),
            Refusal(
                what: "CSeq without a number",
                text: request("REGISTER", "sip:example.com").replacingFirst("CSeq: 1", "CSeq: x"), status: 400),
        ])
    func refusal(_ rule: Refusal) throws {
        let wire = Wire(.registrar) { $0.domains = ["example.com"] }
        let sent = wire.receive(rule.text)
        try #require(sent.count == 1)
        #expect(sent[0].status == rule.status)
        #expect(rule.header.isEmpty || sent[0].text.contains("\r\n\(rule.header)\r\n"))
        #expect(sent[0].values("Via") == ["SIP/2.0/UDP 127.0.0.1:6000;branch=z9hG4bKone"])
    }

    @Test("A request that comes again gets the same response, and changes nothing")
    func again() throws {
        let wire = Wire(.registrar)
        let text = request("REGISTER", "sip:127.0.0.1", more: "Contact: <sip:a@127.0.0.1:1>\r\n")
        let first = wire.receive(text)
        wire.pass(1000)
        let second = wire.receive(text)
        #expect(first.map(\.text) == second.map(\.text))
        #expect(wire.element.counts.bindingsMade == 1 && wire.element.counts.retransmissionsReceived == 1)
        // Timer J.
        wire.pass(32_000)
        #expect(wire.receive(text)[0].status == 500)
    }

    struct Returning: CustomTestStringConvertible {
        var via: String
        var answered: String
        var port: UInt16
        var testDescription: String { via }
    }

    @Test(
        "Where the response goes, and what stands in its Via (RFC 3261 §18.2, RFC 3581)",
        arguments: [
            Returning(via: "127.0.0.1:6001;branch=z9hG4bKa", answered: "", port: 6001),
            Returning(via: "127.0.0.1;branch=z9hG4bKa", answered: "", port: 5060),
            Returning(
                via: "phone.example.com:6001;branch=z9hG4bKa", answered: ";received=127.0.0.1", port: 6001),
            Returning(
                via: "10.9.9.9:6001;rport;branch=z9hG4bKa", answered: "rport=6000;branch=z9hG4bKa;received=127.0.0.1",
                port: 6000),
            Returning(
                via: "10.9.9.9:6001;rport=;branch=z9hG4bKa", answered: "rport=6000;branch=z9hG4bKa;received=127.0.0.1",
                port: 6000),
            // Nobody says where it was received from but who received it.
            Returning(
                via: "10.9.9.9:6001;received=10.8.8.8;branch=z9hG4bKa", answered: "received=127.0.0.1;branch=z9hG4bKa",
                port: 6001),
            Returning(via: "10.9.9.9:6001;branch=z9hG4bKa;maddr=127.0.0.1", answered: "received=127.0.0.1", port: 6001),
        ])
    func response(_ rule: Returning) throws {
        let text = request("REGISTER", "sip:127.0.0.1").replacingFirst(
            "127.0.0.1:6000;branch=z9hG4bKone", rule.via + ", SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKb")
        let sent = Wire(.registrar).receive(text)
        try #require(sent.count == 1)
        #expect(sent[0].port == rule.port)
        let via = sent[0].values("Via")[0]
        #expect(via.contains(rule.answered) && via.hasSuffix(", SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKb"), "\(via)")
    }

    @Test("Limits: Contacts of one address of record, and addresses of record; expired ones make room")
    func limits() throws {
        let wire = Wire(.registrar) {
            $0.mostBindings = 2
            $0.mostRecords = 2
        }
        _ = try register(wire, contacts: ["<sip:a@127.0.0.1:1>", "<sip:a@127.0.0.1:2>"], expires: "60", to: "sip:a@h")
        #expect(try register(wire, contacts: ["<sip:a@127.0.0.1:3>"], cseq: 2, to: "sip:a@h").status == 503)
        #expect(try register(wire, contacts: ["<sip:b@127.0.0.1:1>"], callID: "s", to: "sip:b@h").status == 200)
        #expect(try register(wire, contacts: ["<sip:c@127.0.0.1:1>"], callID: "t", to: "sip:c@h").status == 503)
        #expect(wire.element.counts.bindingsBeyondLimit == 2)
        wire.pass(60_000)
        #expect(
            try register(wire, contacts: ["<sip:c@127.0.0.1:1>"], callID: "t", cseq: 2, to: "sip:c@h").status == 200)
        #expect(wire.element.bindingCount(now: wire.now) == (2, 2))
    }

    @Test("Beyond the limit of transactions the oldest that is answered is forgotten")
    func transactions() throws {
        let wire = Wire(.registrar) { $0.mostTransactions = 2 }
        for number in 1...3 { _ = try register(wire, contacts: [], callID: "c\(number)") }
        #expect(wire.element.counts.transactionsForgotten == 1)
        _ = try register(wire, contacts: [], callID: "c3")
        #expect(wire.element.counts.retransmissionsReceived == 1)
        _ = try register(wire, contacts: [], callID: "c1")
        #expect(wire.element.counts.retransmissionsReceived == 1)
    }
}

extension String {
    func replacingFirst(_ text: String, _ other: String) -> String {
        guard let range = firstRange(of: text) else { return self }
        return replacingCharacters(in: range, with: other)
    }

    private func replacingCharacters(in range: Range<Index>, with other: String) -> String {
        String(self[..<range.lowerBound]) + other + String(self[range.upperBound...])
    }
}
