import Measurement
import SIPWire
import Testing

@testable import CallTraces

@Suite struct TraceArenaTests {
    @Test func aCallComesBackAsItWasRecorded() throws {
        var arena = TraceArena(octets: 1 << 20, policy: .failed)
        var chain = TraceChain.none
        arena.appendBasicCall(&chain, run: 1234)
        arena.append(
            &chain, run: 1234, Array("CANCEL".utf8), isSent: true, at: 2_000_000_000, party: 1, isRetransmission: true)
        let taken = arena.take(&chain, verdict: verdict180)
        let transcript = try #require(taken)
        #expect(transcript.run == 1234)
        #expect(transcript.verdict == verdict180)
        #expect(transcript.startNanoseconds == 1_000_000_000)
        #expect(transcript.messages.map(\.octets) == basicCall(number: 1234).map(\.octets) + [Array("CANCEL".utf8)])
        #expect(transcript.messages.map { $0.direction == .sent } == [true, false, false, true, true, false, true])
        #expect(transcript.messages.map(\.nanoseconds) == (0..<6).map { $0 * 1_000_000 } + [1_000_000_000])
        #expect(transcript.messages.map(\.isRetransmission) == Array(repeating: false, count: 6) + [true])
        #expect(transcript.messages.map(\.party) == [0, 0, 0, 0, 0, 0, 1])
        #expect(transcript.messages.allSatisfy { $0.local == caller && $0.remote == callee })
        #expect(transcript.messagesCut == 0)
        #expect(transcript.messages[0].firstLine == "INVITE sip:bob@127.0.0.2 SIP/2.0")
        #expect(
            transcript.messages.map(\.arrowLabel)
                == ["INVITE", "180 Ringing", "200 OK", "ACK", "BYE", "200 OK", "6 octets"])
        #expect(arena.octetsInUse == 0)
        #expect(chain.head == 0 && chain.tail == 0)
    }

    @Test func blocksOfCallsThatEndedWellAreUsedAgain() {
        var arena = TraceArena(octets: 1 << 20, policy: .failed)
        for run in 0..<2000 as Range<UInt64> {
            var chain = TraceChain.none
            arena.appendBasicCall(&chain, run: run)
            arena.endWell(&chain)
        }
        #expect(arena.octetsInUse == 0)
        #expect(arena.octetsTouched <= 2 * 2048)
        #expect(arena.counts == TraceCounts())
    }

    @Test func theHandleIsEightOctetsAndTheRecordsAreAsLongAsTheyClaim() {
        #expect(MemoryLayout<TraceChain>.size == 8)
        #expect(MemoryLayout<ChainState>.size == ChainState.octets)
        #expect(MemoryLayout<RecordHead>.size == RecordHead.octets)
    }

    @Test func whereTheRunFailedIsMarkedOnce() throws {
        var arena = TraceArena(octets: 1 << 20, policy: .failed)
        var chain = TraceChain.none
        arena.markFailure(chain)
        let call = basicCall(number: 1)
        arena.append(&chain, run: 1, call[0].octets, isSent: true, at: 1)
        arena.append(&chain, run: 1, call[1].octets, isSent: false, at: 2)
        arena.markFailure(chain)
        arena.append(&chain, run: 1, call[3].octets, isSent: true, at: 3)
        arena.markFailure(chain)
        let taken = arena.take(&chain)
        let transcript = try #require(taken)
        #expect(transcript.messages.map(\.isWhereItFailed) == [false, true, false])
        #expect(transcript.verdict == nil)
    }

    /// For n messages, those kept are the first 16 and the last 48, and the gap stands at the right message.
    @Test(arguments: [1, 15, 16, 17, 48, 63, 64, 65, 66, 80, 111, 112, 113, 160, 161, 1000, 3000])
    func aLongRunKeepsItsBeginningAndItsEnd(messages: Int) throws {
        var arena = TraceArena(octets: 1 << 20, policy: .failed)
        var chain = TraceChain.none
        var generator = SeededGenerator(seed: UInt64(messages))
        var all: [[UInt8]] = []
        for index in 0..<messages {
            let octets = Array("\(index) ".utf8) + generator.octets(Int.random(in: 0...700, using: &generator))
            all.append(octets)
            arena.append(&chain, run: 7, octets, isSent: index % 2 == 0, at: Int64(index))
        }
        let taken = arena.take(&chain)
        let transcript = try #require(taken)
        let expected = messages <= 64 ? all : Array(all[..<16] + all[(messages - 48)...])
        #expect(transcript.messages.map(\.octets) == expected)
        #expect(transcript.messagesSeen == messages)
        #expect(transcript.messagesCut == max(0, messages - 64))
        #expect(transcript.messages.map(\.messagesCutBefore).reduce(0, +) == max(0, messages - 64))
        if messages > 64 { #expect(transcript.messages[16].messagesCutBefore == messages - 64) }
        #expect(arena.octetsInUse == 0)
        #expect(arena.octetsTouched <= (16 + 2 * 48 + 3) * 1024)
    }

    @Test func longMessagesBoundAChainByOctets() throws {
        var arena = TraceArena(octets: 4 << 20, policy: .failed)
        var chain = TraceChain.none
        let octets = [UInt8](repeating: 0x41, count: 65_507)
        for index in 0..<200 { arena.append(&chain, run: 7, octets, isSent: false, at: Int64(index)) }
        #expect(arena.octetsInUse < 3 * (256 + 66) << 10)
        #expect(arena.counts.messagesCutByFullArena == 0)
        let taken = arena.take(&chain)
        let transcript = try #require(taken)
        #expect(transcript.messages.count >= 8)
        #expect(transcript.messages.last?.nanoseconds == 199)
        #expect(transcript.messages.allSatisfy { $0.octets == octets })
        #expect(transcript.messagesSeen == 200)
    }

    @Test func aMessageLongerThanAnyIsCutAndSaysSo() throws {
        var arena = TraceArena(octets: 4 << 20, policy: .failed)
        var chain = TraceChain.none
        arena.append(&chain, run: 0, [UInt8](repeating: 1, count: TraceArena.longestMessage + 1), isSent: true, at: 0)
        arena.append(&chain, run: 0, [UInt8](repeating: 2, count: TraceArena.longestMessage), isSent: true, at: 0)
        let taken = arena.take(&chain)
        let transcript = try #require(taken)
        #expect(transcript.messages.map(\.octets.count) == [TraceArena.longestMessage, TraceArena.longestMessage])
        #expect(transcript.messages.map(\.isDamaged) == [true, false])
    }

    @Test func aFullArenaCutsAndCountsAndRecovers() throws {
        // Room for 7 blocks, and two calls take two.
        var arena = TraceArena(octets: 8 * 2048, policy: .failed)
        var chains = [TraceChain](repeating: .none, count: 8)
        for index in chains.indices {
            arena.appendBasicCall(&chains[index], run: UInt64(index))
            arena.appendBasicCall(&chains[index], run: UInt64(index))
        }
        #expect(arena.octetsInUse <= 7 * 2048)
        #expect(arena.counts.runsCutByFullArena > 0)
        var kept = 0
        var cut = 0
        var lost = 0
        for index in chains.indices {
            guard let transcript = arena.take(&chains[index]) else {
                lost += 1
                continue
            }
            kept += transcript.messages.count
            cut += transcript.messagesCutByFullArena
            #expect(transcript.messagesCut == transcript.messagesCutByFullArena)
            // What is kept is right all the same.
            let call = basicCall(number: index).map(\.octets)
            #expect(transcript.messages.allSatisfy { call.contains($0.octets) })
        }
        #expect(lost > 0 && cut > 0)
        #expect(kept + cut + 12 * lost == 96)
        #expect(UInt64(cut + 12 * lost) == arena.counts.messagesCutByFullArena)
        #expect(arena.octetsInUse == 0)
        var chain = TraceChain.none
        arena.appendBasicCall(&chain, run: 99)
        let whole = arena.take(&chain)
        #expect(whole?.messages.count == 6)
    }

    @Test func theSizeForAPlanKeepsThatManyRunsWhole() {
        let octets = TraceArena.octets(forRuns: 500, octetsPerRun: 2200)
        #expect(TraceArena.wholeRuns(inOctets: octets, octetsPerRun: 2200) == 500)
        #expect(TraceArena.wholeRuns(inOctets: octets - 2048, octetsPerRun: 2200) == 499)
        var arena = TraceArena(octets: octets, policy: .failed)
        var chains = [TraceChain](repeating: .none, count: 500)
        for index in chains.indices { arena.appendBasicCall(&chains[index], run: UInt64(index)) }
        #expect(arena.counts.messagesCutByFullArena == 0)
        for index in chains.indices {
            let transcript = arena.take(&chains[index])
            #expect(transcript?.messages.count == 6)
        }
    }

    @Test func moreAddressesThanTheTableHoldsStayRight() throws {
        var arena = TraceArena(octets: 16 << 20, policy: .failed)
        var chains = [TraceChain](repeating: .none, count: 6000)
        func peer(_ index: Int) -> TransportAddress {
            index % 3 == 0
                ? TransportAddress(ipv6High: 0x2001_0DB8 << 32, ipv6Low: UInt64(index), port: 5060)
                : TransportAddress(ipv4: 0x0A00_0000 + UInt32(index), port: UInt16(1024 + index))
        }
        for index in chains.indices {
            arena.append(&chains[index], run: 1, [1, 2, 3], isSent: true, at: 0, remote: peer(index))
            arena.append(&chains[index], run: 1, [4], isSent: false, at: 0, remote: peer(index))
        }
        for index in chains.indices {
            let taken = arena.take(&chains[index])
            let transcript = try #require(taken)
            #expect(transcript.messages.map(\.octets) == [[1, 2, 3], [4]])
            #expect(transcript.messages.allSatisfy { $0.remote == peer(index) && $0.local == caller })
        }
    }

    /// Many chains at once, messages of every size, random ends; a model of plain arrays says what must come back.
    @Test(arguments: 1...4 as ClosedRange<UInt64>)
    func randomTrafficComesBackAsAModelSays(seed: UInt64) throws {
        struct Model {
            var chain = TraceChain.none
            var messages: [[UInt8]] = []
        }
        var generator = SeededGenerator(seed: seed)
        var arena = TraceArena(octets: 24 << 20, policy: .failed)
        var models = [Model](repeating: Model(), count: 40)
        for step in 0..<3000 as Range<Int64> {
            let index = Int.random(in: models.indices, using: &generator)
            switch Int.random(in: 0..<100, using: &generator) {
            case 0..<4:
                arena.endWell(&models[index].chain)
                models[index].messages = []
            case 4..<8:
                let transcript = arena.take(&models[index].chain)
                let all = models[index].messages
                let kept = all.count <= 64 ? all : Array(all[..<16] + all[(all.count - 48)...])
                #expect((transcript?.messages.map(\.octets) ?? []) == kept, "seed \(seed), step \(step)")
                models[index].messages = []
            default:
                let most = [0, 8, 461, 1500, 1995, 1997, 2044, 9000].randomElement(using: &generator)!
                let octets = generator.octets(Int.random(in: max(0, most - 60)...most, using: &generator))
                models[index].messages.append(octets)
                arena.append(
                    &models[index].chain, run: UInt64(index), octets, isSent: Bool.random(using: &generator), at: step,
                    remote: TransportAddress(ipv4: UInt32.random(in: 0..<5000, using: &generator), port: 5060))
            }
        }
        #expect(arena.counts.messagesCutByFullArena == 0, "the arena of the test is too small for its traffic")
        for index in models.indices { arena.release(&models[index].chain) }
        #expect(arena.octetsInUse == 0)
    }

    /// As above in an arena that is nearly always full: nothing that comes back is wrong, and blocks are never lost.
    @Test(arguments: 1...4 as ClosedRange<UInt64>)
    func aFullArenaNeverMixesChains(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        var arena = TraceArena(octets: 30 * 2048, policy: .failed, limits: shortLimits)
        var chains = [TraceChain](repeating: .none, count: 24)
        for _ in 0..<6000 {
            let index = Int.random(in: chains.indices, using: &generator)
            if Int.random(in: 0..<30, using: &generator) == 0 {
                if let transcript = arena.take(&chains[index]) {
                    #expect(transcript.run == UInt64(index))
                    #expect(
                        transcript.messages.allSatisfy {
                            $0.octets == [UInt8](repeating: UInt8(index), count: $0.octets.count)
                        })
                    let times = transcript.messages.map(\.nanoseconds)
                    #expect(times == times.sorted())
                }
            } else {
                let octets = [UInt8](repeating: UInt8(index), count: Int.random(in: 0...3000, using: &generator))
                arena.append(&chains[index], run: UInt64(index), octets, isSent: false, at: 0)
            }
        }
        #expect(arena.counts.messagesCutByFullArena > 0)
        for index in chains.indices { arena.release(&chains[index]) }
        #expect(arena.octetsInUse == 0)
    }

    private var shortLimits: TraceLimits {
        var limits = TraceLimits()
        limits.firstMessages = 2
        limits.lastMessages = 3
        return limits
    }
}
