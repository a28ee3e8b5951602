import Measurement
import SIPWire
import Testing

@testable import CallTraces

@Suite struct TraceTemplateTests {
    private let invite: [TraceTemplateSegment] = [
        .literal(Array("INVITE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK".utf8)),
        .fixed(16),
        .literal(Array("\r\nTo: ".utf8)), .variable, .literal([]), .literal(Array("\r\n\r\n".utf8)), .variable,
    ]

    @Test func aSentMessageIsRebuiltOctetForOctet() throws {
        var arena = TraceArena(octets: 1 << 20, policy: .failed)
        arena.registerTemplate(id: 3, segments: invite)
        var chain = TraceChain.none
        let remoteTarget = Array("<sip:bob@10.0.0.1>".utf8)
        let values = Array("0123456789abcdef".utf8) + [18, 0] + remoteTarget + [0, 0]
        #expect(remoteTarget.count == 18)
        values.withUnsafeBytes {
            arena.appendSent(
                &chain, run: 5, party: 2, template: 3, values: $0, from: caller, to: callee,
                at: MonotonicInstant(nanoseconds: 9), isRetransmission: true)
        }
        let taken = arena.take(&chain)
        let message = try #require(taken?.messages.first)
        #expect(
            String(decoding: message.octets, as: UTF8.self)
                == "INVITE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK0123456789abcdef"
                + "\r\nTo: <sip:bob@10.0.0.1>\r\n\r\n")
        #expect(message.direction == .sent && message.isRetransmission && message.party == 2 && !message.isDamaged)
    }

    @Test(
        arguments: [
            [], Array("0123456789abcde".utf8), Array("0123456789abcdef".utf8), Array("0123456789abcdef".utf8) + [1],
            Array("0123456789abcdef".utf8) + [0xFF, 0xFF], Array("0123456789abcdef".utf8) + [0, 0, 0, 0, 0],
        ] as [[UInt8]])
    func valuesThatDoNotFitAreReportedAndNeverReadBeyond(values: [UInt8]) throws {
        var arena = TraceArena(octets: 1 << 20, policy: .failed)
        arena.registerTemplate(id: 0, segments: invite)
        var chain = TraceChain.none
        for template in [0, 1] as [UInt16] {
            values.withUnsafeBytes {
                arena.appendSent(
                    &chain, run: 5, party: 0, template: template, values: $0, from: caller, to: callee, at: .zero,
                    isRetransmission: false)
            }
        }
        let taken = arena.take(&chain)
        let messages = try #require(taken).messages
        #expect(messages.map(\.isDamaged) == [true, true])
        #expect(messages.allSatisfy { $0.octets.isEmpty })
    }

    @Test(arguments: 1...8 as ClosedRange<UInt64>)
    func randomTemplatesRebuildWhatTheyWereRenderedTo(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        var arena = TraceArena(octets: 8 << 20, policy: .failed)
        for template in 0..<10 as Range<UInt16> {
            var chain = TraceChain.none
            var segments: [TraceTemplateSegment] = []
            var values: [UInt8] = []
            var rendered: [UInt8] = []
            for _ in 0..<Int.random(in: 0...12, using: &generator) {
                let most = Int.random(in: 0..<6, using: &generator) == 0 ? 9000 : 60
                let octets = generator.octets(Int.random(in: 0...most, using: &generator))
                rendered += octets
                switch Int.random(in: 0..<3, using: &generator) {
                case 0: segments.append(.literal(octets))
                case 1:
                    segments.append(.fixed(octets.count))
                    values += octets
                default:
                    segments.append(.variable)
                    values += [UInt8(octets.count & 0xFF), UInt8(octets.count >> 8)] + octets
                }
            }
            arena.registerTemplate(id: template, segments: segments)
            values.withUnsafeBytes {
                arena.appendSent(
                    &chain, run: 5, party: 0, template: template, values: $0, from: caller, to: callee, at: .zero,
                    isRetransmission: false)
            }
            let taken = arena.take(&chain)
            let message = try #require(taken?.messages.first)
            #expect(message.octets == rendered, "seed \(seed), template \(template)")
            #expect(!message.isDamaged)
        }
    }
}
