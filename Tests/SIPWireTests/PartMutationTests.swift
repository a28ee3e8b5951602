import SIPWire
import Testing

/// Session descriptions, values, URIs and addresses, whatever their octets are: no crash, nothing read outside, the same among other
/// octets and written anew. The short form of what Fuzz/ does for minutes.
@Suite("Mutated descriptions and values")
struct PartMutationTests {
    private static let descriptions = [
        crlf(
            """
            v=0
            o=ada 7 42 IN IP4 192.0.2.1
            s=-
            c=IN IP4 192.0.2.1/127
            t=0 0
            a=recvonly
            a=group:BUNDLE a
            m=audio 6000/2 RTP/AVP 0 8  101
            a=rtpmap:0 PCMU/8000
            a=fmtp:101 0-15
            m=video 0 RTP/AVP 31
            c=IN IP6 2001:db8::1
            a=sendonly
            nonsense
            m=audio 7000 RTP/SAVP 0
            a=inactive

            """),
        "v=0\nc=IN IP4 127.0.0.1\nm=audio 9 RTP/AVP 0\na=inactive", "m=", "m=\r\n m=\n=\nm= \r\r\na=", "",
    ]
    private static let values = [
        "SIP/2.0/UDP 127.0.0.1:5061;rport;branch=z9hG4bK-1, SIP / 2.0 / TCP [::1] : 5060 ; branch = z9hG4bK2;x=\"q;,\\\"\"",
        "\"a, \\\"b\\\"\" <sip:a@b;lr>;q=0.5;expires=60 , sip:other@[2001:db8::1];tag=t, c d <tel:+1-201;ext=2>, <urn:a:b>",
        "sip:%61lice;x=1:pw@Example.com:5060;transport=tcp;lr;maddr=127.0.0.1?to=a%20b&x=y\nsips:alice@example.com",
        "sip:a@b:05060;transport=TCP;lr?X=y\nSIP:%61@B:5060;lr;x=y;Transport=tcp?x=y", "*", "[::ffff:192.0.2.1]:5060",
        "tel:+1-(201).555;ext=2\ntel:+1201555;EXT=2", "<sip:a>;tag=a, <>, , <sip:b>;tag=b\r\n ;x=\"",
        "SIP/2.0/UDP [::1:5 ;x=\"a ", "", ",", " ; ,",
    ]

    @Test(arguments: descriptions.indices)
    func descriptionsCutAndSpoilt(_ number: Int) {
        spoil(Self.descriptions[number], seed: UInt64(number) + 1, times: 600, exerciseDescription)
    }

    @Test(arguments: values.indices)
    func valuesCutAndSpoilt(_ number: Int) {
        spoil(Self.values[number], seed: UInt64(number) + 101, times: 300, exerciseParts)
    }

    @Test func nothingButPieces() {
        var random = SeededRandom(seed: 8866)
        let alphabet = Array("\r\n \t:;,<>\"\\=@?[].%/maovct019SIP2lr&".utf8)
        for _ in 0..<4000 {
            let count = Int(random.next() % 60)
            let octets = (0..<count).map { _ in alphabet[Int(random.next() % UInt64(alphabet.count))] }
            expectRight(octets, exerciseDescription)
            expectRight(octets, exerciseParts)
        }
    }

    private func spoil(_ text: String, seed: UInt64, times: Int, _ exercise: ([UInt8]) -> String?) {
        let octets = Array(text.utf8)
        for length in 0...octets.count { expectRight(Array(octets[..<length]), exercise) }
        var random = SeededRandom(seed: seed)
        for _ in 0..<times {
            var spoilt = octets
            for _ in 0...Int(random.next() % 4) { MutationTests.mutate(&spoilt, &random) }
            expectRight(spoilt, exercise)
        }
    }

    private func expectRight(_ octets: [UInt8], _ exercise: ([UInt8]) -> String?) {
        if let wrong = exercise(octets) {
            Issue.record("\(wrong): \(String(decoding: octets, as: UTF8.self).debugDescription)")
        }
    }
}
