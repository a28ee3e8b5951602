import SIPWire
import Testing

@Suite("URIs and numeric addresses")
struct URITests {
    @Test func parts() {
        let octets = Octets("sip:user;x=1?:pa:ss@host.example:5070;transport=tcp;lr?subject=a%20b&to=c")
        let uri = URIView(octets.base, octets.whole)
        #expect(uri.scheme == .sip && uri.isWellFormed)
        #expect(octets.text(uri.user) == "user;x=1?")
        #expect(octets.text(uri.password) == "pa:ss")
        #expect(octets.text(uri.host) == "host.example")
        #expect(uri.port == 5070)
        #expect(octets.text(uri.parameters) == ";transport=tcp;lr")
        #expect(octets.text(uri.headers) == "subject=a%20b&to=c")
        #expect(uri.parameter("transport").map(octets.text) == "tcp")
        #expect(uri.isLooseRouter)
        #expect(uri.parameter("maddr") == nil)
    }

    /// RFC 3261 §19.1.1, §19.1.2.
    @Test(arguments: [
        ("sip:u@192.0.2.1", "192.0.2.1:5060"), ("sips:u@192.0.2.1", "192.0.2.1:5061"),
        ("sip:u@192.0.2.1;transport=tls", "192.0.2.1:5061"), ("sip:u@192.0.2.1:5070;maddr=192.0.2.9", "192.0.2.9:5070"),
        ("sip:u@host.test;maddr=192.0.2.9;transport=tls", "192.0.2.9:5061"),
        ("sip:u@192.0.2.1;maddr=group.test", "192.0.2.1:5060"),
    ])
    func addresses(_ text: String, _ address: String) {
        let octets = Octets(text)
        #expect(URIView(octets.base, octets.whole).address()?.text == address)
    }

    @Test(arguments: [
        ("sips:[2001:db8::1]:5061;lr", "[2001:db8::1]", 5061, true), ("SIP:h", "h", 0, true),
        ("sip:u@h:0", "h", 0, false), ("sip:u@h:65536", "h", 0, false), ("sip:u@h:", "h", 0, false),
        ("sip:", "", 0, false), ("sip:u@", "", 0, false), ("sip:@h", "h", 0, false), ("sip:h h", "h h", 0, false),
        ("sip:[::1", "[::1", 0, false), ("sip:h:50x;lr", "h", 50, false), ("sip", "", 0, false), ("", "", 0, false),
        ("tel:+1-201;ext=2", "", 0, true), ("urn:x:y", "", 0, true), ("a b:c", "", 0, false),
    ])
    func hosts(_ text: String, _ host: String, _ port: UInt16, _ isRight: Bool) {
        let octets = Octets(text)
        let uri = URIView(octets.base, octets.whole)
        #expect(octets.text(uri.host) == host)
        #expect(uri.port == port)
        #expect(uri.isWellFormed == isRight)
    }

    /// RFC 3261 §19.1.4, with pairs of our own for each of its rules.
    @Test(arguments: [
        ("sip:%61da@Garden.Example;transport=TCP", "sip:ada@gARDEN.example;Transport=tcp", true),
        ("sip:ada@h", "sip:ADA@h", false), ("sip:ada:x@h", "sip:ada:X@h", false), ("sip:ada@h", "sip:ada:@h", false),
        ("sip:ada@h", "sips:ada@h", false), ("sip:h", "sip:ada@h", false), ("sip:ada@h", "sip:ada@h:5060", false),
        ("sip:ada@h;transport=udp", "sip:ada@h", false), ("sip:ada@h;user=ip", "sip:ada@h", false),
        ("sip:ada@h;ttl=1", "sip:ada@h", false), ("sip:ada@h;method=INVITE", "sip:ada@h", false),
        ("sip:ada@h;maddr=1", "sip:ada@h", false), ("sip:ada@h;new=1", "sip:ada@h", true),
        ("sip:ada@h;new=1", "sip:ada@h;other", true), ("sip:ada@h;new=1", "sip:ada@h;NEW=2", false),
        ("sip:ada@h;new=%61", "sip:ada@h;n%65w=A", true), ("sip:ada@h;a=1;b=2", "sip:ada@h;b=2;a=1", true),
        ("sip:h?to=a&Subject=x", "sip:h?subject=x&to=a", true), ("sip:h?to=a", "sip:h", false),
        ("sip:h?to=a", "sip:h?to=A", false), ("sip:a%3Bb@h", "sip:a;b@h", false), ("sip:a%2fb@h", "sip:a%2Fb@h", true),
        ("sip:a%zz@h", "sip:a%zz@h", true), ("sip:192.0.2.1", "sip:h", false),
        ("tel:+1-201-555", "tel:+1201.555", true), ("tel:+1;ext=1", "tel:+1;EXT=1", true),
        ("tel:+1;ext=1", "tel:+1", false),
        ("urn:a:B", "URN:a:B", true), ("urn:a:b", "urn:a:B", false), ("urn:a", "uri:a", false),
    ])
    func equality(_ one: String, _ other: String, _ expected: Bool) {
        let first = Octets(one)
        let second = Octets(other)
        let a = URIView(first.base, first.whole)
        let b = URIView(second.base, second.whole)
        #expect(a.isEquivalent(to: b) == expected)
        #expect(b.isEquivalent(to: a) == expected)
        #expect(a.isEquivalent(to: a))
    }

    static func v6(_ high: UInt64, _ low: UInt64) -> TransportAddress {
        TransportAddress(ipv6High: high, ipv6Low: low, port: 9)
    }

    @Test(
        arguments: [
            ("127.0.0.1", TransportAddress(ipv4: 0x7F00_0001, port: 9)),
            ("255.255.255.255", TransportAddress(ipv4: .max, port: 9)),
            ("001.2.3.4", TransportAddress(ipv4: 0x0102_0304, port: 9)),
            ("0.0.0.0", TransportAddress(ipv4: 0, port: 9)),
            ("256.1.1.1", nil), ("1.2.3", nil), ("1.2.3.4.5", nil), ("1.2.3.", nil), ("1..2.3", nil), ("1.2.3.4x", nil),
            ("0001.2.3.4", nil), ("host", nil), ("", nil), ("[", nil), ("[]", nil), (":", nil),
            ("::", v6(0, 0)), ("[::]", v6(0, 0)), ("::1", v6(0, 1)), ("1::", v6(0x1_0000_0000_0000, 0)),
            ("[2001:DB8::ff00:42:8329]", v6(0x2001_0DB8_0000_0000, 0x0000_FF00_0042_8329)),
            ("1:2:3:4:5:6:7:8", v6(0x0001_0002_0003_0004, 0x0005_0006_0007_0008)),
            ("::ffff:192.0.2.1", v6(0, 0xFFFF_C000_0201)),
            ("1:2:3:4:5:6:1.2.3.4", v6(0x0001_0002_0003_0004, 0x0005_0006_0102_0304)),
            ("1:2:3:4:5:6:7", nil), ("1:2:3:4:5:6:7:8:9", nil), ("1::2::3", nil), (":::", nil), ("1:2:3:4:5:6:7:", nil),
            (":1::", nil), ("12345::", nil), ("::1.2.3", nil), ("::g", nil), ("[::1", nil), ("::1]", nil),
            ("1:2:3:4:5:6:7:1.2.3.4", nil),
            ("1::3:4:5:6:7:8", v6(0x0001_0000_0003_0004, 0x0005_0006_0007_0008)), ("1:2:3:4::5:6:7:8", nil),
        ] as [(String, TransportAddress?)])
    func numericHosts(_ text: String, _ expected: TransportAddress?) {
        let octets = Octets(text)
        #expect(TransportAddress(octets.base, host: octets.whole, port: 9) == expected)
    }

    @Test(
        arguments: [
            ("127.0.0.1:5061", "127.0.0.1:5061"), ("127.0.0.1", "127.0.0.1:5060"), ("[::1]:5061", "[::1]:5061"),
            ("[::1]", "[::1]:5060"), ("::1", "[::1]:5060"), ("2001:db8::1:5061", "[2001:db8::1:5061]:5060"),
            ("127.0.0.1:", nil), ("127.0.0.1:65536", nil), ("host:5060", nil), ("[::1]x:5060", nil),
        ] as [(String, String?)])
    func hostports(_ text: String, _ expected: String?) {
        let octets = Octets(text)
        let address = TransportAddress(octets.base, hostport: octets.whole, defaultPort: 5060)
        #expect(address.map { written($0) } == expected)
    }

    private func written(_ address: TransportAddress, withPort: Bool = true) -> String {
        withUnsafeTemporaryAllocation(byteCount: TransportAddress.longestText, alignment: 1) { room in
            let count = address.write(to: room.baseAddress!, withPort: withPort)
            #expect(count <= TransportAddress.longestText)
            return String(decoding: room[0..<count], as: UTF8.self)
        }
    }

    /// RFC 5952.
    @Test(arguments: [
        ("::", "[::]:9"), ("::1", "[::1]:9"), ("1::", "[1::]:9"), ("1:0:0:2:0:0:0:3", "[1:0:0:2::3]:9"),
        ("1:0:0:2:3:0:0:4", "[1::2:3:0:0:4]:9"), ("1:0:2:3:4:5:6:7", "[1:0:2:3:4:5:6:7]:9"),
        ("0:0:1:2:3:4:5:6", "[::1:2:3:4:5:6]:9"), ("1:2:3:4:5:6:0:0", "[1:2:3:4:5:6::]:9"),
        ("00ab:CD::", "[ab:cd::]:9"),
        ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:9"),
        ("10.20.30.240", "10.20.30.240:9"),
    ])
    func texts(_ text: String, _ expected: String) throws {
        let octets = Octets(text)
        let address = try #require(TransportAddress(octets.base, host: octets.whole, port: 9))
        #expect(written(address) == expected)
        #expect(written(address, withPort: false) == String(expected.dropLast(2)))
    }

    @Test func textsReadBackAsTheSameAddress() {
        var random = SeededRandom(seed: 5952)
        for _ in 0..<2000 {
            // Zero groups often, or nothing is ever shortened.
            var words: (UInt64, UInt64) = (0, 0)
            for _ in 0..<4 {
                words.0 = words.0 << 16 | (random.next() % 3 == 0 ? random.next() & 0xFFFF : 0)
                words.1 = words.1 << 16 | (random.next() % 3 == 0 ? random.next() & 0xFFFF : 0)
            }
            let port = UInt16(truncatingIfNeeded: random.next())
            let address =
                random.next() % 2 == 0
                ? TransportAddress(ipv6High: words.0, ipv6Low: words.1, port: port)
                : TransportAddress(ipv4: UInt32(truncatingIfNeeded: random.next()), port: port)
            let octets = Octets(written(address))
            #expect(TransportAddress(octets.base, hostport: octets.whole, defaultPort: 0) == address)
        }
    }
}

/// SplitMix64: the same numbers for the same seed everywhere.
struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
