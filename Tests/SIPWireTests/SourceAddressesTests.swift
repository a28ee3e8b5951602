import Testing

@testable import SIPWire

@Suite("Ranges of source addresses")
struct SourceAddressesTests {
    private static func made(_ texts: String...) throws -> SourceAddresses {
        var sources = SourceAddresses()
        for text in texts { try sources.add(text) }
        return sources
    }

    @Test(
        "are written as an address, a prefix or two ends",
        arguments: [
            ("10.0.0.5", ["10.0.0.5"]), ("10.0.0.4/30", ["10.0.0.4", "10.0.0.5", "10.0.0.6", "10.0.0.7"]),
            ("10.0.0.255-10.0.1.1", ["10.0.0.255", "10.0.1.0", "10.0.1.1"]), ("10.0.0.9/32", ["10.0.0.9"]),
            ("2001:db8::/127", ["2001:db8::", "2001:db8::1"]),
            ("2001:db8::ffff-2001:db8::1:0", ["2001:db8::ffff", "2001:db8::1:0"]),
            (
                "2001:db8:0:1:ffff:ffff:ffff:ffff-2001:db8:0:2::",
                ["2001:db8:0:1:ffff:ffff:ffff:ffff", "2001:db8:0:2::"]
            ),
        ])
    func written(text: String, addresses: [String]) throws {
        let sources = try Self.made(text)
        #expect((0..<sources.count).map { sources[$0].bareText } == addresses)
        for number in 0..<sources.count { #expect(sources.number(of: sources[number]) == number) }
    }

    @Test("follow one another, and numbers wrap")
    func several() throws {
        let sources = try Self.made("127.9.0.0/24", "127.1.0.1", "127.8.0.1-127.8.0.3")
        #expect(sources.count == 260)
        #expect(sources[256].bareText == "127.1.0.1" && sources[257].bareText == "127.8.0.1")
        #expect(sources[260] == sources[0])
        #expect(sources.number(of: sources[259]) == 259)
        for other in [0x7F09_0100, 0x7F01_0000, 0x7F08_0004, 0x7F08_0000] as [UInt32] {
            #expect(sources.number(of: TransportAddress(ipv4: other, port: 0)) == nil)
        }
        #expect(sources.text == "260 addresses, 127.9.0.0-127.9.0.255, 127.1.0.1, 127.8.0.1-127.8.0.3")
    }

    @Test(
        "that are none say why",
        arguments: [
            ("10.0.0.1/24", "write 10.0.0.0/24"), ("10.0.0.0/-1", "from 0 to 32"), ("2001:db8::/129", "from 0 to 128"),
            ("10.0.0.0/15", "more than 65536"), ("2001:db8::/64", "more than 65536"),
            ("2001:db8::-2001:db9::", "more than 65536"),
            ("example.com", "no IP address"), ("", "no IP address"), ("10.0.0.1-::1", "make no range"),
            ("10.0.0.2-10.0.0.1", "comes before"), ("0.0.0.0", "any address"),
        ])
    func wrong(text: String, says: String) {
        var sources = SourceAddresses()
        #expect { try sources.add(text) } throws: { ($0 as? SourceAddresses.Problem)?.text.contains(says) == true }
        #expect(sources.isEmpty)
    }

    @Test("are not more than a number has room for, and of one family")
    func bounds() throws {
        var sources = try Self.made("10.0.0.0/16")
        #expect(throws: SourceAddresses.Problem.self) { try sources.add("10.1.0.0") }
        #expect(sources.count == 65_536)
        var mixed = try Self.made("10.0.0.1")
        #expect(throws: SourceAddresses.Problem.self) { try mixed.add("::1") }
    }

    @Test("are taken in turn, in blocks or by the seed, whatever worker asks")
    func order() {
        #expect((0..<5).map { SourceOrder.sequential.source(ofRun: $0, of: 3, seed: 1) } == [0, 1, 2, 0, 1])
        #expect((0..<7).map { SourceOrder.blocks(2).source(ofRun: $0, of: 3, seed: 1) } == [0, 0, 1, 1, 2, 2, 0])
        let drawn = (0..<3000).map { SourceOrder.random.source(ofRun: $0, of: 3, seed: 1) }
        #expect(drawn == (0..<3000).map { SourceOrder.random.source(ofRun: $0, of: 3, seed: 1) })
        #expect(drawn != (0..<3000).map { SourceOrder.random.source(ofRun: $0, of: 3, seed: 2) })
        for source in 0..<3 { #expect(drawn.count { $0 == source } > 900) }
    }
}
