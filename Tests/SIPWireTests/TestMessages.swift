import SIPWire

/// Octets that outlive the test: the scanner and the views keep addresses.
final class Octets {
    let buffer: UnsafeMutableRawBufferPointer

    /// Exactly as large as the message, so that a sanitizer sees every octet read too far.
    init(_ bytes: [UInt8]) {
        buffer = .allocate(byteCount: bytes.count, alignment: 1)
        buffer.copyBytes(from: bytes)
    }

    convenience init(_ text: String) { self.init(Array(text.utf8)) }

    deinit { buffer.deallocate() }

    var raw: UnsafeRawBufferPointer { UnsafeRawBufferPointer(buffer) }
    /// Of an empty message an address that nobody may read.
    var base: UnsafeRawPointer { raw.baseAddress ?? UnsafeRawPointer(bitPattern: 64)! }
    var whole: OctetRange { OctetRange(offset: 0, length: UInt32(buffer.count)) }

    func text(_ range: OctetRange) -> String {
        String(decoding: raw[Int(range.offset)..<Int(range.end)], as: UTF8.self)
    }
}

func crlf(_ text: String) -> String {
    text.split(separator: "\n", omittingEmptySubsequences: false).joined(separator: "\r\n")
}

/// A request with everything it must have, and `extra` header lines (LF line ends).
func request(_ extra: String = "", method: String = "INVITE", cseq: String? = nil, body: String = "") -> String {
    crlf(
        """
        \(method) sip:callee@127.0.0.1 SIP/2.0
        Via: SIP/2.0/UDP 127.0.0.1:5061;branch=z9hG4bK-1
        From: <sip:caller@127.0.0.1>;tag=a1
        To: <sip:callee@127.0.0.1>
        Call-ID: one@127.0.0.1
        CSeq: \(cseq ?? "1 \(method)")
        \(extra.isEmpty ? "" : extra + "\n")
        """) + "\r\n" + body
}

let answer = crlf(
    """
    SIP/2.0 180 Ringing
    Via: SIP/2.0/UDP 127.0.0.1:5061;branch=z9hG4bK-1;received=127.0.0.1
    From: "caller" <sip:caller@127.0.0.1>;tag=a1
    To: <sip:callee@127.0.0.1>;tag=b2
    Call-ID: one@127.0.0.1
    CSeq: 17 INVITE
    Contact: <sip:callee@127.0.0.1:5062>
    Content-Length: 0


    """)
