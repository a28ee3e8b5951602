import Measurement
import SIPWire

@testable import CallTraces

/// SplitMix64: the same sequence on every machine, so that a failing case can be repeated by its seed.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// Eight octets a draw: the tests are built without optimisation.
    mutating func octets(_ count: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: count + 8) { buffer, initialized in
            let base = UnsafeMutableRawPointer(buffer.baseAddress!)
            for offset in stride(from: 0, to: count, by: 8) {
                base.storeBytes(of: next(), toByteOffset: offset, as: UInt64.self)
            }
            initialized = count
        }
    }
}

let caller = TransportAddress(ipv4: 0x7F00_0001, port: 15_060)
let callee = TransportAddress(ipv4: 0x7F00_0002, port: 5060)

let verdict180 = TraceVerdict(step: 3, expected: 180, got: 486, afterNanoseconds: 12_000_000)

/// A basic call as its caller sees it: octets and whether the caller sent them.
func basicCall(number: Int) -> [(octets: [UInt8], isSent: Bool)] {
    func request(_ method: String, cseq: Int, body: String = "") -> [UInt8] {
        Array(
            """
            \(method) sip:bob@127.0.0.2 SIP/2.0\r
            Via: SIP/2.0/UDP 127.0.0.1:15060;branch=z9hG4bK-\(number)-\(cseq)-\(method)\r
            From: <sip:alice@127.0.0.1>;tag=a\(number)\r
            To: <sip:bob@127.0.0.2>\(method == "INVITE" ? "" : ";tag=b\(number)")\r
            Call-ID: \(number)@127.0.0.1\r
            CSeq: \(cseq) \(method)\r
            Contact: <sip:alice@127.0.0.1:15060>\r
            Max-Forwards: 70\r
            Content-Length: \(body.utf8.count)\r
            \r
            \(body)
            """.utf8)
    }
    func response(_ line: String, cseq: Int, method: String) -> [UInt8] {
        Array(
            """
            SIP/2.0 \(line)\r
            Via: SIP/2.0/UDP 127.0.0.1:15060;branch=z9hG4bK-\(number)-\(cseq)-\(method)\r
            From: <sip:alice@127.0.0.1>;tag=a\(number)\r
            To: <sip:bob@127.0.0.2>;tag=b\(number)\r
            Call-ID: \(number)@127.0.0.1\r
            CSeq: \(cseq) \(method)\r
            Content-Length: 0\r
            \r

            """.utf8)
    }
    return [
        (request("INVITE", cseq: 1), true), (response("180 Ringing", cseq: 1, method: "INVITE"), false),
        (response("200 OK", cseq: 1, method: "INVITE"), false), (request("ACK", cseq: 1), true),
        (request("BYE", cseq: 2), true), (response("200 OK", cseq: 2, method: "BYE"), false),
    ]
}

extension TraceArena {
    /// Appends one message of octets, sent or received, at a time in nanoseconds.
    mutating func append(
        _ chain: inout TraceChain, run: UInt64, _ octets: [UInt8], isSent: Bool, at: Int64, party: UInt8 = 0,
        local: TransportAddress = caller, remote: TransportAddress = callee, isRetransmission: Bool = false
    ) {
        octets.withUnsafeBytes {
            if isSent {
                appendSentOctets(
                    &chain, run: run, party: party, octets: $0, from: local, to: remote,
                    at: MonotonicInstant(nanoseconds: at), isRetransmission: isRetransmission)
            } else {
                appendReceived(
                    &chain, run: run, party: party, octets: $0, from: remote, to: local,
                    at: MonotonicInstant(nanoseconds: at))
            }
        }
    }

    /// Appends a whole basic call, a millisecond between messages.
    mutating func appendBasicCall(_ chain: inout TraceChain, run: UInt64, at start: Int64 = 1_000_000_000) {
        for (index, message) in basicCall(number: Int(run)).enumerated() {
            append(&chain, run: run, message.octets, isSent: message.isSent, at: start + Int64(index) * 1_000_000)
        }
    }
}
