import Glibc
import Measurement
import SIPWire
import Testing

@testable import CallTraces

/// Messages of streams in a capture file, by the word of tshark.
@Suite(.enabled(if: Tshark.path != nil, Comment(rawValue: Tshark.missing)))
struct StreamCaptureTests {
    private func written(
        _ scratch: ScratchDirectory, _ body: (inout TraceArena, inout TraceChain) -> Void
    ) throws -> CaptureFileReport {
        let outlet = TraceOutlet()
        let writer = try CaptureFileWriter(
            outlet: outlet,
            options: CaptureFileOptions(
                destination: .file(path: scratch.file("streams.pcapng")), scenario: "s", commandLine: "c", seed: 1,
                wallClockOffsetNanoseconds: 1_735_689_600_000_000_000, describe: { _, _ in "" }))
        var arena = TraceArena(octets: 4 << 20, policy: .all, outlet: outlet)
        var chain = TraceChain.none
        body(&arena, &chain)
        arena.endWell(&chain)
        arena.close()
        return writer.finish()
    }

    private static let six = (
        TransportAddress(ipv6High: 0x2001_0DB8_0000_0000, ipv6Low: 1, port: 15_060),
        TransportAddress(ipv6High: 0x2001_0DB8_0000_0000, ipv6Low: 2, port: 5060)
    )

    @Test("are TCP that is SIP, with right checksums and no gap between segments", arguments: [false, true])
    func areTCP(isIPv6: Bool) throws {
        let (here, there) = isIPv6 ? Self.six : (caller, callee)
        let scratch = try ScratchDirectory()
        let report = try written(scratch) { arena, chain in
            for (index, message) in basicCall(number: 1).enumerated() {
                message.octets.withUnsafeBytes { octets in
                    let at = MonotonicInstant(nanoseconds: Int64(index) * 1_000_000)
                    if message.isSent {
                        arena.appendSentOctets(
                            &chain, run: 0, party: 0, octets: octets, from: here, to: there, at: at,
                            isRetransmission: false, isStream: true)
                    } else {
                        arena.appendReceived(
                            &chain, run: 0, party: 0, octets: octets, from: there, to: here, at: at, isStream: true)
                    }
                }
            }
        }
        #expect(report.error == nil && report.packets == 6)
        let path = try #require(report.path)
        let rows = try Tshark.rows(
            path, ["tcp.srcport", "sip.Method", "sip.Status-Code", "tcp.checksum.status", "sip.Call-ID"])
        #expect(
            rows == [
                ["15060", "INVITE", "", "1", "1@127.0.0.1"], ["5060", "", "180", "1", "1@127.0.0.1"],
                ["5060", "", "200", "1", "1@127.0.0.1"], ["15060", "ACK", "", "1", "1@127.0.0.1"],
                ["15060", "BYE", "", "1", "1@127.0.0.1"], ["5060", "", "200", "1", "1@127.0.0.1"],
            ])
        #expect(try Tshark.rows(path, ["frame.number", "_ws.expert.message"], filter: Self.wrong) == [])
    }

    private static let wrong =
        "_ws.malformed || ip.checksum.status == \"Bad\" || tcp.analysis.lost_segment || tcp.analysis.retransmission "
        + "|| tcp.analysis.ack_lost_segment || _ws.expert.severity >= \"Error\" || _ws.short || !tcp"

    @Test("of more than a packet's length are put together by their Content-Length")
    func longMessage() throws {
        let scratch = try ScratchDirectory()
        let body = String(repeating: "x", count: 100_000)
        let message = Array(
            """
            MESSAGE sip:bob@127.0.0.2 SIP/2.0\r
            Via: SIP/2.0/TCP 127.0.0.1:15060;branch=z9hG4bKlong\r
            From: <sip:alice@127.0.0.1>;tag=a\r
            To: <sip:bob@127.0.0.2>\r
            Call-ID: long@127.0.0.1\r
            CSeq: 1 MESSAGE\r
            Max-Forwards: 70\r
            Content-Type: text/plain\r
            Content-Length: \(body.utf8.count)\r
            \r
            \(body)
            """.utf8)
        let report = try written(scratch) { arena, chain in
            message.withUnsafeBytes {
                arena.appendSentOctets(
                    &chain, run: 0, party: 0, octets: $0, from: caller, to: callee, at: .zero, isRetransmission: false,
                    isStream: true)
            }
        }
        #expect(report.packets == 2 && report.messagesCut == 0)
        let path = try #require(report.path)
        #expect(
            try Tshark.rows(path, ["sip.Method", "sip.Content-Length"], filter: "sip") == [["MESSAGE", "100000"]])
        #expect(try Tshark.rows(path, ["frame.number"], filter: Self.wrong) == [])
    }
}
