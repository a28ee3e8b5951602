import ElementServers
import SIPWire
import Testing

/// Messages of others with octets changed, left out, doubled and cut, thousands of them: nothing ends the process, and whatever leaves is
/// a whole message.
@Suite struct MutationTests {
    private struct Generator: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var value = state
            value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
            value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
            return value ^ (value >> 31)
        }
    }

    private static let credentials =
        "Digest username=\"bob\", realm=\"127.0.0.1\", nonce=\"0123\", uri=\"sip:x\", response=\"00112233445566778899aabbccddeeff\", qop=auth, nc=00000001, cnonce=\"c\""

    private static let seeds = [
        request(
            "REGISTER", "sip:127.0.0.1", to: "sip:b%6fb@127.0.0.1",
            more:
                "Contact: \"B\" <sip:bob@127.0.0.1:7000;x=1>;q=0.5;expires=90, <sip:bob@[::1]:7001>\r\nExpires: 70\r\n"),
        request(
            "REGISTER", "sip:127.0.0.1", cseq: 2, more: "Contact: *\r\nExpires: 0\r\nAuthorization: \(credentials)\r\n"),
        request(
            "INVITE", "sip:bob@127.0.0.1",
            vias: "v: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKx.1, SIP/2.0/TCP h;rport\r\n",
            more: "Route: <sip:127.0.0.1;lr>, <sip:127.0.0.1:7001>\r\nProxy-Require: a\r\nl : 3\r\n", body: "v=0"),
        request(
            "INVITE", "sip:bob@127.0.0.1", more: "Contact: <sip:a@127.0.0.1>\r\nProxy-Authorization: \(credentials)\r\n"
        ),
        request("ACK", "sip:127.0.0.1:5060;lr", more: "Route: <sip:127.0.0.1:7002;lr>\r\n"),
        request("CANCEL", "sip:bob@127.0.0.1"), request("BYE", "sip:a@127.0.0.1:7000;maddr=127.0.0.2", toTag: "b"),
        "SIP/2.0 486 Busy\r\nVia: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKx.1,SIP/2.0/UDP h\r\nFrom: <sip:a@b>;tag=a\r\n"
            + "To: <sip:b@b>;tag=b\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n",
    ]

    private func mutated(_ text: [UInt8], _ random: inout Generator) -> [UInt8] {
        var text = text
        for _ in 0..<Int.random(in: 0...4, using: &random) where !text.isEmpty {
            let place = Int.random(in: 0..<text.count, using: &random)
            let length = min(Int.random(in: 1...20, using: &random), text.count - place)
            switch Int.random(in: 0..<5, using: &random) {
            case 0: text[place] = UInt8.random(in: .min ... .max, using: &random)
            case 1: text[place] = Array(" ,;:<>\"@=\r\n%*".utf8).randomElement(using: &random)!
            case 2: text.removeSubrange(place..<(place + length))
            case 3:
                text.insert(
                    contentsOf: text[place..<(place + length)], at: Int.random(in: 0...text.count, using: &random))
            default: if Int.random(in: 0..<8, using: &random) == 0 { text.removeSubrange(place...) }
            }
        }
        return text
    }

    @Test(arguments: [ElementSettings.Role.registrar, .proxy], [false, true])
    func garbage(role: ElementSettings.Role, asks: Bool) {
        let wire = Wire(role) {
            $0.mostTransactions = 50
            if asks { $0.credentials = .password("secret") }
        }
        var random = Generator(state: asks ? 1 : 2)
        var scanner = MessageScanner()
        var kinds: Set<String> = []
        var sentBefore: [[UInt8]] = []
        for number in 0..<20_000 {
            var source = Array(Self.seeds.randomElement(using: &random)!.utf8)
            // What left comes back, answered or as it was: that reaches the branches.
            if number % 3 == 0, let sent = sentBefore.randomElement(using: &random) { source = sent }
            let text = mutated(source, &random)
            let hop = Hop(
                address: TransportAddress(ipv4: 0x7F00_0001, port: 6000), isStream: number % 5 == 0,
                connection: number % 5 == 0 ? 1 : 0)
            if number % 10 == 0 {
                wire.now += UInt32.random(in: 0...2000, using: &random)
                _ = wire.element.advance(to: wire.now)
            }
            var left: [Outgoing] = []
            let wrong = text.withUnsafeBytes {
                exercise(wire.element, $0, from: hop, now: wire.now, &scanner) { left.append($0) }
            }
            if let wrong {
                Issue.record("\(wrong)")
                return
            }
            for sent in left {
                let sent = Wire.Sent(
                    text: String(decoding: sent.octets, as: UTF8.self), hop: sent.hop, branch: sent.branch)
                sentBefore.append(Array(sent.text.utf8))
                kinds.insert(sent.status.map { "\($0)" } ?? sent.startLine.components(" ")[0])
                guard sent.status == nil else { continue }
                let status = [180, 200, 302, 401, 486, 603].randomElement(using: &random)!
                sentBefore.append(Array(sent.response(status).utf8))
            }
            if sentBefore.count > 200 { sentBefore.removeFirst(100) }
        }
        // It got somewhere: what is left of the seeds is understood.
        #expect(kinds.contains(asks ? "401" : "200") && kinds.contains("400"), "\(kinds)")
        if role == .proxy { #expect(kinds.isSuperset(of: ["BYE", "ACK", "420"]), "\(kinds)") }
        if role == .proxy, !asks { #expect(kinds.isSuperset(of: ["INVITE", "180", "CANCEL"]), "\(kinds)") }
    }
}
