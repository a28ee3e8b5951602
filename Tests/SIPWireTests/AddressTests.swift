import SIPWire
import Testing

@Suite("Name-addr, Via and the parameters every message is matched by")
struct AddressTests {
    struct Expected: Sendable {
        var display = ""
        var uri: String
        var tag: String?
        var isRight = true
    }

    @Test(arguments: [
        ("<sip:a@b>", Expected(uri: "sip:a@b")),
        ("sip:a@b", Expected(uri: "sip:a@b")),
        ("sip:a@b;tag=1", Expected(uri: "sip:a@b", tag: "1")),
        ("<sip:a@b;tag=no>;tag=1", Expected(uri: "sip:a@b;tag=no", tag: "1")),
        ("<sip:a@b;tag=no>", Expected(uri: "sip:a@b;tag=no")),
        ("\"tag=no;tag=<no>\" <sip:a@b>;x=y;tag=1", Expected(display: "tag=no;tag=<no>", uri: "sip:a@b", tag: "1")),
        (
            "\"a\\\"b;tag=no\" <sip:a@b>;tag=1;x=\";tag=no\"",
            Expected(display: "a\\\"b;tag=no", uri: "sip:a@b", tag: "1")
        ),
        ("<sip:a@b>;x=\";tag=no\"", Expected(uri: "sip:a@b")),
        ("<sip:a@b>;x=\";tag=no\" ; TAG = 1", Expected(uri: "sip:a@b", tag: "1")),
        ("A Name<sip:a@b>;tag=1", Expected(display: "A Name", uri: "sip:a@b", tag: "1")),
        ("\"\" <sip:a@b>\r\n ;\r\n tag\t=\r\n 1", Expected(uri: "sip:a@b", tag: "1")),
        ("<tel:+1;ext=2>;tag=1", Expected(uri: "tel:+1;ext=2", tag: "1")),
        ("<sip:a@b>;tagx=1", Expected(uri: "sip:a@b")),
        ("<sip:a@b>;xtag=1;tag", Expected(uri: "sip:a@b")),
        ("<sip:a@b>;tag=", Expected(uri: "sip:a@b", isRight: false)),
        ("<sip:a@b>;;tag=1", Expected(uri: "sip:a@b", tag: "1", isRight: false)),
        ("<sip:a@b", Expected(uri: "sip:a@b", isRight: false)),
        ("< sip:a@b >;tag=1", Expected(uri: "sip:a@b", tag: "1", isRight: false)),
        ("\"open <sip:a@b>;tag=1", Expected(display: "\"open", uri: "sip:a@b", tag: "1", isRight: false)),
        ("N, M <sip:a@b>;tag=1", Expected(display: "N, M", uri: "sip:a@b", tag: "1", isRight: false)),
        ("nothing", Expected(uri: "nothing", isRight: false)),
        ("", Expected(uri: "", isRight: false)),
        (";tag=1", Expected(uri: "", tag: "1", isRight: false)),
    ])
    func nameAddresses(_ text: String, _ expected: Expected) {
        let octets = Octets(text)
        let address = NameAddress(octets.base, octets.whole)
        #expect(octets.text(address.display) == expected.display)
        #expect(octets.text(address.uri) == expected.uri)
        #expect(address.tag.map(octets.text) == expected.tag)
        #expect(octets.text(tagParameter(octets.base, octets.whole)) == expected.tag ?? "")
        #expect(address.isWellFormed == expected.isRight)
    }

    @Test func contactLists() {
        let octets = Octets(
            "\"A, B\" <sip:a@b,c>;q=0.5;x=\"1,2\" ,sip:d@e;expires=60,, \"never <sip:f@g>, <sip:h@i>")
        var list = NameAddressList(octets.base, octets.whole)
        var found: [String] = []
        while let address = list.next() { found.append(octets.text(address.uri)) }
        #expect(found == ["sip:a@b,c", "sip:d@e", "sip:f@g", "sip:h@i"])
        let first = NameAddress(octets.base, octets.whole, inList: true)
        #expect(first.parameter("x").map(octets.text) == "\"1,2\"")
        #expect(first.parameter("q").map(octets.text) == "0.5")
        #expect(octets.text(first.parameters) == ";q=0.5;x=\"1,2\"")
    }

    /// Time grows with the value's length, not with its square: 200,000 octets of the worst kinds take milliseconds.
    @Test(
        .timeLimit(.minutes(1)), arguments: ["\"\\", "\"", ",", ";", "<", "\\\"", "\r\n ", ";a=\"", "SIP/2.0/UDP a,"])
    func hostileValuesAreReadInLinearTime(_ piece: String) {
        let value = Octets("\"" + String(repeating: piece, count: 200_000 / piece.utf8.count))
        let message = Octets(request("Contact: \"\(String(repeating: piece, count: 200_000 / piece.utf8.count))"))
        var scanner = MessageScanner()
        _ = scanner.scan(message.raw)
        #expect(scanner.index.headerCount >= 5)
        _ = NameAddress(value.base, value.whole)
        _ = tagParameter(value.base, value.whole)
        _ = topmostBranch(value.base, value.whole)
        _ = ViaValue(value.base, value.whole)
    }

    @Test func star() {
        let octets = Octets("*")
        let address = NameAddress(octets.base, octets.whole)
        #expect(address.isStar && address.isWellFormed)
        let quoted = Octets("<*>")
        #expect(!NameAddress(quoted.base, quoted.whole).isStar)
    }

    struct ExpectedVia: Sendable {
        var transport: TransportProtocol?
        var host: String
        var port: UInt16 = 0
        var branch: String?
        var isRight = true
    }

    @Test(arguments: [
        (
            "SIP/2.0/UDP 192.0.2.1:5062;branch=z9hG4bK1",
            ExpectedVia(transport: .udp, host: "192.0.2.1", port: 5062, branch: "z9hG4bK1")
        ),
        ("SIP/2.0/tcp a.example;rport;BRANCH=x", ExpectedVia(transport: .tcp, host: "a.example", branch: "x")),
        (
            "SIP/2.0/TLS [2001:db8::1]:5061;branch=x;received=[::1]",
            ExpectedVia(transport: .tls, host: "[2001:db8::1]", port: 5061, branch: "x")
        ),
        ("SIP/2.0/SCTP a", ExpectedVia(host: "a")),
        (
            "SIP / 2.0\r\n / UDP a : 5070 ; branch = x ; rport",
            ExpectedVia(transport: .udp, host: "a", port: 5070, branch: "x")
        ),
        ("SIP/2.0/UDP a;x=\";branch=no\";branch=yes", ExpectedVia(transport: .udp, host: "a", branch: "yes")),
        ("SIP/2.0/UDP a;x=\"\\\";branch=no\"", ExpectedVia(transport: .udp, host: "a")),
        ("SIP/2.0/UDP a;branchy=no;branch=yes;rport=9", ExpectedVia(transport: .udp, host: "a", branch: "yes")),
        ("SIP/2.0/UDP a;branch=\"q\"", ExpectedVia(transport: .udp, host: "a", branch: "\"q\"")),
        ("SIP/2.0/UDP a;branch=", ExpectedVia(transport: .udp, host: "a", isRight: false)),
        ("SIP/2.0/UDP a;branch", ExpectedVia(transport: .udp, host: "a")),
        ("SIP/2.0/UDP a;;branch=x", ExpectedVia(transport: .udp, host: "a", branch: "x", isRight: false)),
        ("SIP/2.0/UDP a:99999;branch=x", ExpectedVia(transport: .udp, host: "a", branch: "x", isRight: false)),
        ("SIP/2.0/UDP ;branch=x", ExpectedVia(transport: .udp, host: "", branch: "x", isRight: false)),
        ("SIP/2.0 UDP a", ExpectedVia(host: "UDP", isRight: false)),
        ("UDP a;branch=x", ExpectedVia(host: "a", branch: "x", isRight: false)),
        ("", ExpectedVia(host: "", isRight: false)),
    ])
    func vias(_ text: String, _ expected: ExpectedVia) {
        let octets = Octets(text)
        let via = ViaValue(octets.base, octets.whole)
        #expect(via.isWellFormed == expected.isRight)
        #expect(via.branch.map(octets.text) == expected.branch)
        #expect(octets.text(topmostBranch(octets.base, octets.whole)) == expected.branch ?? "")
        guard expected.isRight || expected.transport != nil else { return }
        #expect(via.transport == expected.transport)
        #expect(octets.text(via.host) == expected.host)
        #expect(via.port == expected.port)
    }

    @Test func viaLists() {
        let octets = Octets("SIP/2.0/UDP a;x=\"1,2\" , SIP/2.0/TCP b:5070;branch=z9hG4bK2,SIP/2.0/UDP c")
        var hosts: [String] = []
        var via: ViaValue? = ViaValue(octets.base, octets.whole)
        while let one = via {
            hosts.append(octets.text(one.host))
            via = one.next()
        }
        #expect(hosts == ["a", "b", "c"])
    }

    @Test(
        arguments: [
            ("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1", TransportAddress(ipv4: 0xC000_0201, port: 5060)),
            ("SIP/2.0/TLS 192.0.2.1;branch=z9hG4bK1", TransportAddress(ipv4: 0xC000_0201, port: 5061)),
            ("SIP/2.0/UDP 192.0.2.1:5070;rport;branch=x", TransportAddress(ipv4: 0xC000_0201, port: 5070)),
            ("SIP/2.0/UDP host:5070;rport=4000;received=127.0.0.1", TransportAddress(ipv4: 0x7F00_0001, port: 4000)),
            (
                "SIP/2.0/UDP host;received=[2001:db8::1]",
                TransportAddress(ipv6High: 0x2001_0DB8_0000_0000, ipv6Low: 1, port: 5060)
            ),
            (
                "SIP/2.0/UDP host;received=2001:db8::1",
                TransportAddress(ipv6High: 0x2001_0DB8_0000_0000, ipv6Low: 1, port: 5060)
            ),
            ("SIP/2.0/UDP host", nil),
        ] as [(String, TransportAddress?)])
    func responsesGoTo(_ text: String, _ expected: TransportAddress?) {
        let octets = Octets(text)
        #expect(ViaValue(octets.base, octets.whole).responseAddress == expected)
    }

    @Test(arguments: [("z9hG4bKx", true), ("Z9HG4BKx", true), ("z9hG4bK", false), ("abc", false)])
    func cookies(_ branch: String, _ isUnique: Bool) {
        let octets = Octets("SIP/2.0/UDP a;branch=\(branch)")
        #expect(ViaValue(octets.base, octets.whole).hasUniqueBranch == isUnique)
    }
}
