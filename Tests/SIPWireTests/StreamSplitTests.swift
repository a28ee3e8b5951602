import COctetSearch
import SIPWire
import Testing

/// However a stream is cut, broken or flooded: the same events, no crash, bounded memory, no more work than octets.
@Suite("Cut, mutated and hostile streams")
struct StreamSplitTests {
    private static let bodies = ["", "hello", "\r\n\r\n", "l: 5\r\n\r\n", String(repeating: "x", count: 300)]

    /// A stream of messages and keep-alives, most of them right.
    private func stream(_ random: inout SeededRandom) -> [UInt8] {
        func pick(_ count: Int) -> Int { Int(random.next() % UInt64(count)) }
        var text = ""
        for _ in 0...pick(6) {
            let body = Self.bodies[pick(Self.bodies.count)]
            let length = body.utf8.count
            switch pick(12) {
            case 0: text += "\r\n\r\n"
            case 1: text += "\r\n"
            case 2: text += request("l: \(length)", body: body)
            case 3: text += request("Content-Length :\r\n \(length)\nSubject: c\n content-length: 7", body: body)
            case 4: text += request("Content-Length: \(length)\nX: y\nL: \(length)", body: body)
            case 5: text += request("Call-Info: x\nLink: y\nContent-Language: l\nl:\(length)", body: body)
            case 6: text += answer
            case 7: text += request("", method: "ACK")
            case 8: text += "A b SIP/2.0\nc:\nl:\(length)\n\n" + body
            case 9: text += request("Content-Length: \(length + pick(3))", body: body)
            case 10: text += request("Content-Length: 900\nX: " + String(repeating: "y", count: pick(900)))
            default: text += request("Content-Length: \(length)", body: body)
            }
        }
        return Array(text.utf8)
    }

    @Test func anyStreamCutAnyhowGivesTheSameEvents() throws {
        var pool = try StreamBufferPool(capacity: 1 << 20, limits: StreamFramerTests.limits)
        var scanner = MessageScanner()
        for seed in 1...300 as ClosedRange<UInt64> {
            var random = SeededRandom(seed: seed)
            let octets = stream(&random)
            let wrong = exerciseStream(octets, &pool, &scanner, pongs: Int(seed % 3)) { random.next() }
            #expect(wrong == nil, "seed \(seed): \(String(decoding: octets, as: UTF8.self).debugDescription)")
        }
        #expect(pool.copiedMessages > 1000)
    }

    @Test func mutatedStreamsAreCutAlikeAndNeverCrash() throws {
        var pool = try StreamBufferPool(capacity: 1 << 20, limits: StreamFramerTests.limits)
        var scanner = MessageScanner(mostHeaders: 64)
        let telling = Array("\r\n \t:cClL0159-/\0S".utf8)
        for seed in 1...600 as ClosedRange<UInt64> {
            var random = SeededRandom(seed: seed)
            var octets = seed % 4 == 0 ? streamCases[Int(seed) % streamCases.count].octets : stream(&random)
            for _ in 0...Int(random.next() % 4) where !octets.isEmpty {
                let place = Int(random.next() % UInt64(octets.count))
                let end = min(octets.count, place + Int(random.next() % 40))
                switch random.next() % 5 {
                case 0: octets[place] ^= 1 << UInt8(random.next() % 8)
                case 1: octets[place] = telling[Int(random.next() % UInt64(telling.count))]
                case 2: octets.insert(telling[Int(random.next() % UInt64(telling.count))], at: place)
                case 3: octets.insert(contentsOf: octets[place..<end], at: place)
                default: octets.removeSubrange(place..<end)
                }
            }
            let wrong = exerciseStream(octets, &pool, &scanner) { random.next() }
            #expect(wrong == nil, "seed \(seed): \(String(decoding: octets, as: UTF8.self).debugDescription)")
        }
    }

    /// The torture messages behind each other, each on a connection of its own, with the scanner's view of them.
    @Test(arguments: tortureCases)
    func tortureMessages(_ torture: TortureCase) throws {
        var pool = try StreamBufferPool(capacity: 1 << 20)
        var scanner = MessageScanner()
        var random = SeededRandom(seed: 4475)
        let wrong = exerciseStream(torture.octets, &pool, &scanner) { random.next() }
        #expect(wrong == nil)
    }

    // MARK: Memory

    /// A message of that length and its first `count` octets.
    private func large(_ body: Int) -> [UInt8] {
        Array(request("Content-Length: \(body)", body: String(repeating: "b", count: body)).utf8)
    }

    @Test func aLongMessageGrowsFromBlockToBlock() throws {
        var pool = try StreamBufferPool(capacity: 1 << 20)
        var random = SeededRandom(seed: 1)
        let octets = large(200_000)
        let events = framed(pieces(octets + octets, longest: 3000) { random.next() }, &pool)
        #expect(events == [.message(octets), .message(octets), .end(nil)])
        #expect(pool.used == 0)
        #expect(pool.mostUsed <= 1 << 19)
    }

    /// A head that fills the largest block but for a few octets, then all the rest in one read.
    @Test func theLargestBlockTakesWhatIsCopiedInVain() throws {
        var pool = try StreamBufferPool(capacity: 1 << 16, limits: StreamLimits(head: 4096, body: 0, passedOver: 0))
        let head = Array(request("X: " + String(repeating: "y", count: 3800) + "\nl: 0").utf8)
        let small = Array(answer.utf8)
        let cut = head.count - 3
        let events = framed([head[..<cut], head[cut...] + Array(repeatElement(small, count: 20).joined())], &pool)
        #expect(events == [.message(head)] + Array(repeating: .message(small), count: 20) + [.end(nil)])
    }

    @Test func tenThousandConnectionsOfWhichHalfWait() throws {
        let count = 10_000
        let small = Array(request("Content-Length: 5", body: "hello").utf8)
        var pool = try StreamBufferPool(capacity: 1 << 26, reserve: count * StreamBufferPool.smallestBlock)
        let framers = UnsafeMutablePointer<StreamFramer>.allocate(capacity: count)
        for number in 0..<count { (framers + number).initialize(to: StreamFramer()) }
        defer {
            framers.deinitialize(count: count)
            framers.deallocate()
        }
        func feed(_ number: Int, _ octets: ArraySlice<UInt8>) -> (messages: Int, faults: [StreamRule]) {
            octets.withUnsafeBytes {
                var input = StreamInput($0)
                var found: (messages: Int, faults: [StreamRule]) = (0, [])
                while let event = framers[number].next(&input, &pool) {
                    if case .message(let message) = event, message.elementsEqual(small) { found.messages += 1 }
                    if case .fault(let fault) = event { found.faults.append(fault.rule) }
                }
                return found
            }
        }
        // All have had a message; every second one has the beginning of another.
        for number in 0..<count {
            let beginning = number % 2 == 0 ? [] : small[..<(1 + number % (small.count - 1))]
            #expect(feed(number, small + beginning) == (1, []))
        }
        #expect(pool.used == count / 2 * StreamBufferPool.smallestBlock)
        // The others send 1 MB each of a head without end, of a body that never ends, and of a body announced as 1 GB.
        let hostile = [
            Array((request() + "C: d\r\n").utf8.dropLast(8)) + Array(String(repeating: "C: d\r\n", count: 10_000).utf8),
            large(262_144).dropLast(), Array(request("Content-Length: 1073741824").utf8), large(500_000).dropLast(),
        ]
        var closed = 0
        for number in stride(from: 0, to: 2_000, by: 2) {
            let octets = hostile[number / 2 % hostile.count]
            let result = feed(number, octets[...])
            closed += framers[number].isClosed ? 1 : 0
            #expect(result.messages == 0)
        }
        #expect(pool.used <= pool.capacity)
        #expect(pool.count(.bodyFarTooLong) == 250)
        #expect(pool.count(.bodyTooLong) == 250)
        #expect(pool.count(.messageNotKept) > 0)
        #expect(UInt64(closed) == pool.count(.bodyFarTooLong) + pool.count(.headNotKept) + pool.count(.headTooLong))
        // Not one message is lost on the connections that did nothing wrong.
        for number in stride(from: 1, to: count, by: 2) {
            #expect(feed(number, small[(1 + number % (small.count - 1))...]) == (1, []))
        }
        for number in 0..<count { framers[number].close(&pool) }
        #expect(pool.used == 0)
    }

    @Test func withoutMemoryTheMessageIsPassedOverAndTheStreamGoesOn() throws {
        var pool = try StreamBufferPool(capacity: 1 << 19, reserve: 1 << 19)
        let octets = large(5000)
        let small = Array(answer.utf8)
        // The first block takes 4096 octets of it; a larger one is not to be had.
        let events = framed([octets[..<3000], octets[3000..<4500], octets[4500...] + small], &pool)
        guard events.count == 3, case .fault(let lost) = events[0] else {
            Issue.record("\(events.count) events")
            return
        }
        #expect(lost.rule == .messageNotKept && lost.goesOn)
        #expect(events[1] == .message(small))
        #expect(pool.count(.messageNotKept) == 1)
        #expect(pool.passedOverOctets == UInt64(octets.count))
        let head = Array(request("X: " + String(repeating: "y", count: 6000)).utf8)
        guard case .fault(let fault) = framed([head[..<3000], head[3000...]], &pool)[0] else {
            Issue.record("no fault")
            return
        }
        #expect(fault.rule == .headNotKept && !fault.goesOn)
        #expect(pool.used == 0)
    }

    /// Octet by octet, the search for the end of the head looks at no more than its look ahead again; and it finds the same
    /// lines as in one piece.
    @Test func octetByOctetIsNotQuadratic() {
        var random = SeededRandom(seed: 5)
        let parts = ["\r\n", "\n", "C", "c", "l", ":", "Content-Length", "Content-Language", " ", "\r", "some text"]
        for _ in 0..<300 {
            var text = "x"
            for _ in 0..<60 { text += parts[Int(random.next() % UInt64(parts.count))] }
            let octets = Octets(text)
            var whole = cos_head()
            let end = cos_head_end(octets.base, octets.buffer.count, &whole)
            var narrow = cos_head()
            #expect(cos_head_end_narrow(octets.base, octets.buffer.count, &narrow) == end, "with and without AVX2")
            #expect(narrow.length_line == whole.length_line && narrow.length_lines == whole.length_lines)
            #expect(end > 0 || narrow.searched == whole.searched)
            if end > 0 {
                // What lies behind the end may make a line of less than nine octets look like Content-Length.
                whole = cos_head()
                _ = cos_head_end(octets.base, end, &whole)
            }
            var head = cos_head()
            for count in 1...octets.buffer.count {
                let found = cos_head_end(octets.base, count, &head)
                guard found == 0 else {
                    #expect(found == end && found == count, "\(text.debugDescription)")
                    break
                }
                #expect(Int(head.searched) + 9 >= count, "\(text.debugDescription)")
            }
            #expect(head.length_lines == whole.length_lines, "\(text.debugDescription)")
            #expect(head.length_line == whole.length_line, "\(text.debugDescription)")
        }
    }
}
