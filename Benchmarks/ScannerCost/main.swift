// Reads one message again and again, so that callgrind can say what one reading costs: see ../scanner-cost.sh.
//
//     ScannerCost WHAT COUNT      WHAT: ok, long, invite (scan that message), branch, tag (find it in the 200),
//                                 stream, streamlong, streaminvite (cut that message out of a stream of them)
import Glibc
import SIPWire

/// What a callee answers: eight header fields and a session description.
let okResponse = """
    SIP/2.0 200 OK\r
    Via: SIP/2.0/UDP 127.0.0.1:15061;branch=z9hG4bK-42-1-0\r
    From: "caller" <sip:caller@127.0.0.1:15061>;tag=c4200010\r
    To: <sip:callee@127.0.0.1:15060>;tag=s42000100001\r
    Call-ID: 42-000001@127.0.0.1\r
    CSeq: 1 INVITE\r
    Contact: <sip:callee@127.0.0.1:15060;transport=UDP>\r
    Content-Type: application/sdp\r
    Content-Length: 126\r
    \r
    v=0\r
    o=callee 1 1 IN IP4 127.0.0.1\r
    s=-\r
    c=IN IP4 127.0.0.1\r
    t=0 0\r
    m=audio 6000 RTP/AVP 0\r
    a=rtpmap:0 PCMU/8000\r
    a=ptime:20\r

    """

/// Header fields only, nine of them, longer values.
let longResponse = """
    SIP/2.0 200 OK\r
    Via: SIP/2.0/UDP 127.0.0.1:15061;branch=z9hG4bK-00000042-0000000000000001-1;received=127.0.0.1\r
    From: "caller" <sip:caller@127.0.0.1:15061>;tag=c0000004200000001\r
    To: "callee" <sip:callee@127.0.0.1:15060>;tag=s0000004200000001\r
    Call-ID: 00000042-0000000000000001@127.0.0.1\r
    CSeq: 1 INVITE\r
    Contact: <sip:callee@127.0.0.1:15060;transport=UDP>\r
    User-Agent: somebody/1.0.17 (Linux x86)\r
    Content-Type: application/sdp\r
    Content-Length: 5\r
    \r
    v=0\r

    """

let invite = """
    INVITE sip:callee@127.0.0.1:15060 SIP/2.0\r
    Via: SIP/2.0/UDP 127.0.0.1:15061;rport;branch=z9hG4bK-00000042-0000000000000001-1\r
    Max-Forwards: 70\r
    From: "caller" <sip:caller@127.0.0.1:15061>;tag=c0000004200000001\r
    To: <sip:callee@127.0.0.1:15060>\r
    Call-ID: 00000042-0000000000000001@127.0.0.1\r
    CSeq: 1 INVITE\r
    Contact: <sip:caller@127.0.0.1:15061;transport=UDP>\r
    Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, PRACK, UPDATE\r
    Supported: 100rel, timer\r
    Content-Type: application/sdp\r
    Content-Length: 128\r
    \r
    v=0\r
    o=caller 1 1 IN IP4 127.0.0.1\r
    s=-\r
    c=IN IP4 127.0.0.1\r
    t=0 0\r
    m=audio 6000 RTP/AVP 0 8\r
    a=rtpmap:0 PCMU/8000\r
    a=sendrecv\r

    """

func text(_ what: String) -> String {
    switch what {
    case "invite", "streaminvite": return invite
    case "long", "streamlong": return longResponse
    default: return okResponse
    }
}

/// Reads the message `count` times; -1 where it could not be read.
func measure(_ what: String, _ count: Int) -> Int {
    var message = text(what)
    return message.withUTF8 { bytes in
        let octets = UnsafeRawBufferPointer(bytes)
        var scanner = MessageScanner()
        guard scanner.scan(octets) == .message else { return -1 }
        let base = octets.baseAddress!
        var sum = 0
        switch what {
        case "ok", "long", "invite":
            for _ in 0..<count {
                guard scanner.scan(octets) == .message else { return -1 }
                sum &+= Int(scanner.index.statusCode)
            }
        case "branch":
            // Two places by turns, else the optimiser reads once for all.
            let vias = [scanner.index.topmostVia, scanner.index.topmostVia]
            for turn in 0..<count { sum &+= Int(topmostBranch(base, vias[turn & 1]).length) }
        case "tag":
            let values = [scanner.index.from, scanner.index.to]
            for turn in 0..<count { sum &+= Int(tagParameter(base, values[turn & 1]).length) }
        default: return -1
        }
        return sum
    }
}

/// Cuts `count` of the message out of reads of 100 of them; -1 where another number comes out.
func measureStream(_ what: String, _ count: Int) -> Int {
    let octets = Array(String(repeating: text(what), count: 100).utf8)
    guard var pool = try? StreamBufferPool() else { return -1 }
    var framer = StreamFramer()
    var sum = 0
    return octets.withUnsafeBytes { octets in
        var left = count
        while left > 0 {
            let length = octets.count / 100 * min(left, 100)
            var input = StreamInput(UnsafeRawBufferPointer(rebasing: octets[..<length]))
            while let event = framer.next(&input, &pool) {
                guard case .message(let message) = event else { return -1 }
                sum &+= message.count
                left -= 1
            }
        }
        return sum == count * octets.count / 100 ? sum : -1
    }
}

let arguments = CommandLine.arguments
guard arguments.count == 3, let count = Int(arguments[2]) else {
    print("usage: ScannerCost ok|long|invite|branch|tag|stream|streamlong|streaminvite COUNT")
    exit(64)
}
let what = arguments[1]
let sum = what.hasPrefix("stream") ? measureStream(what, count) : measure(what, count)
guard sum >= 0 else {
    print("the message could not be read")
    exit(70)
}
// The sum is printed so that no reading can be left out as useless.
print(text(arguments[1]).utf8.count, sum)
