import SIPWire
import Testing

/// Whatever the octets are: nothing crashes, and every range lies inside the message.
@Suite("Mutated messages")
struct MutationTests {
    static let seeds: [[UInt8]] =
        tortureCases.map(\.octets) + [Array(answer.utf8), Array(request("Contact: *\nRoute: <sip:a;lr>,<sip:b>").utf8)]

    @Test(arguments: seeds.indices)
    func truncatedAtEveryLength(_ number: Int) {
        let message = Self.seeds[number]
        var scanner = MessageScanner()
        for length in 0...message.count {
            let octets = Octets(Array(message[0..<length]))
            let wrong = exercise(&scanner, octets.raw)
            #expect(wrong == nil, "cut to \(length) octets")
        }
    }

    @Test(arguments: seeds.indices)
    func flippedInsertedRemovedAndRepeated(_ number: Int) {
        var random = SeededRandom(seed: UInt64(number) &+ 1)
        var scanner = MessageScanner(mostHeaders: 24)
        for _ in 0..<200 {
            var message = Self.seeds[number]
            for _ in 0...Int(random.next() % 4) { Self.mutate(&message, &random) }
            let octets = Octets(message)
            if let wrong = exercise(&scanner, octets.raw) {
                Issue.record(
                    "\(wrong): seed \(number + 1), \(String(decoding: message, as: UTF8.self).debugDescription)")
                return
            }
        }
    }

    @Test func nothingButNoise() {
        var random = SeededRandom(seed: 99)
        var scanner = MessageScanner(mostHeaders: 8)
        let alphabet = Array("\r\n \t:;,<>\"\\=@?[].:/vift0129SIP/2.0".utf8)
        for _ in 0..<4000 {
            let count = Int(random.next() % 120)
            let message = (0..<count).map { _ in alphabet[Int(random.next() % UInt64(alphabet.count))] }
            let octets = Octets(message)
            var findings = Findings()
            exerciseValue(octets.raw, octets.whole, &findings)
            if let wrong = exercise(&scanner, octets.raw) ?? findings.first {
                Issue.record("\(wrong): \(String(decoding: message, as: UTF8.self).debugDescription)")
                return
            }
        }
    }

    /// Both quick functions agree with the full grammar wherever the value is well-formed.
    @Test func quickParametersAgreeWithTheGrammar() {
        var random = SeededRandom(seed: 7)
        let pieces = [
            ";tag=a1", ";x", ";x=y", ";x=\"q;tag=no\"", ";x=\"\\\";branch=no\"", ";branch=z9hG4bK1", ";rport",
            " ; tag = b2", ";Branch = z",
            ";received=1.2.3.4", ";tagged=no", ";branches=no",
        ]
        var compared = 0
        for _ in 0..<5000 {
            var tail = ""
            for _ in 0..<Int(random.next() % 5) { tail += pieces[Int(random.next() % UInt64(pieces.count))] }
            let from = Octets(random.next() % 2 == 0 ? "\"a;tag=no\" <sip:a;tag=no@b;tag=no>" + tail : "sip:a@b" + tail)
            let address = NameAddress(from.base, from.whole)
            let tags = tail.lowercased().replacing(" ", with: "").components(";tag=")
            if address.isWellFormed, tags < 2 {
                compared += 1
                #expect(tagParameter(from.base, from.whole) == address.tag ?? .none)
            }
            let via = Octets("SIP/2.0/UDP a:1" + tail)
            let value = ViaValue(via.base, via.whole)
            #expect(topmostBranch(via.base, via.whole) == value.branch ?? .none, "\(tail)")
        }
        #expect(compared > 1000)
    }

    static func mutate(_ message: inout [UInt8], _ random: inout SeededRandom) {
        guard !message.isEmpty else { return }
        let telling = Array("\r\n \t:;,<>\"\\=@\0/".utf8)
        let place = Int(random.next() % UInt64(message.count))
        switch random.next() % 6 {
        case 0: message[place] ^= 1 << UInt8(random.next() % 8)
        case 1: message[place] = telling[Int(random.next() % UInt64(telling.count))]
        case 2: message.insert(telling[Int(random.next() % UInt64(telling.count))], at: place)
        case 3: message.remove(at: place)
        case 4:
            let end = min(message.count, place + Int(random.next() % 80))
            message.insert(contentsOf: message[place..<end], at: place)
        default:
            let end = min(message.count, place + Int(random.next() % 40))
            message.removeSubrange(place..<end)
        }
    }
}

extension String {
    /// How often the text occurs.
    fileprivate func components(_ text: String) -> Int {
        split(separator: text, omittingEmptySubsequences: false).count - 1
    }
}
