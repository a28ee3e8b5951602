import SIPWire

/// A nonce of ours: when it was made and what makes it unique, with a signature over both and the realm. So a server
/// keeps nothing for those it challenged (RFC 7616 §3.3, RFC 3261 §26.1.5).
public struct ServerNonce: Sendable, Hashable, BitwiseCopyable {
    /// Of the server's clock; 48 bits of it are kept.
    public var issuedMilliseconds: UInt64
    public var salt: UInt64

    /// Hexadecimal digits of time, salt and signature.
    public static var length: Int { 12 + 16 + 24 }

    init(issuedMilliseconds: UInt64, salt: UInt64) {
        self.issuedMilliseconds = issuedMilliseconds & 0xFFFF_FFFF_FFFF
        self.salt = salt
    }

    /// A text of `length` octets.
    typealias Text = (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64)

    static func octets(in text: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: text.baseAddress, count: length)
    }

    /// The first 28 digits.
    private var claim: Text {
        let time = UInt32(truncatingIfNeeded: issuedMilliseconds &>> 16).byteSwapped
        let rest = UInt32(truncatingIfNeeded: issuedMilliseconds &<< 16).byteSwapped
        let high = hexadecimalDigits(UInt32(truncatingIfNeeded: salt &>> 32).byteSwapped)
        let low = hexadecimalDigits(UInt32(truncatingIfNeeded: salt).byteSwapped)
        let tail = hexadecimalDigits(rest) & 0xFFFF_FFFF
        return (hexadecimalDigits(time), tail | high &<< 32, high &>> 32 | low &<< 32, low &>> 32, 0, 0, 0)
    }

    static var claimLength: Int { 28 }

    /// The text without its signature.
    func writeClaim(to text: inout Text) { text = claim }

    /// What a nonce of ours says; its signature is not looked at. nil where the text has another form.
    public init?(_ text: UnsafeRawBufferPointer) {
        guard text.count == Self.length else { return nil }
        func number(_ digits: Range<Int>) -> UInt64? {
            var number: UInt64 = 0
            for place in digits {
                let digit = hexadecimalValue(text[place])
                guard digit < 16 else { return nil }
                number = number &<< 4 | UInt64(digit)
            }
            return number
        }
        guard let time = number(0..<12), let salt = number(12..<28) else { return nil }
        self.init(issuedMilliseconds: time, salt: salt)
    }
}

extension DigestHasher {
    /// The nonce with its signature: the first 96 bits of HMAC-SHA-256 (RFC 2104) over claim and realm.
    mutating func signed(_ nonce: ServerNonce, _ policy: ServerPolicy) -> ServerNonce.Text {
        var text: ServerNonce.Text = (0, 0, 0, 0, 0, 0, 0)
        nonce.writeClaim(to: &text)
        beginPad(policy.secret, 0x3636_3636_3636_3636)
        withUnsafeBytes(of: text) { append(UnsafeRawBufferPointer(rebasing: $0[..<ServerNonce.claimLength])) }
        append(policy.realm)
        let inner = end()
        beginPad(policy.secret, 0x5C5C_5C5C_5C5C_5C5C)
        withUnsafeBytes(of: inner.words) { append($0) }
        let signature = end()
        let digits = (
            hexadecimalDigits(UInt32(truncatingIfNeeded: signature.words.0)),
            hexadecimalDigits(UInt32(truncatingIfNeeded: signature.words.0 &>> 32)),
            hexadecimalDigits(UInt32(truncatingIfNeeded: signature.words.1))
        )
        withUnsafeMutableBytes(of: &text) { text in
            withUnsafeBytes(of: digits) { digits in
                UnsafeMutableRawBufferPointer(rebasing: text[ServerNonce.claimLength..<ServerNonce.length])
                    .copyMemory(from: digits)
            }
        }
        return text
    }

    private mutating func beginPad(_ secret: NonceSecret, _ pad: UInt64) {
        begin(.sha256)
        let words = secret.words
        let block = (words.0 ^ pad, words.1 ^ pad, words.2 ^ pad, words.3 ^ pad, pad, pad, pad, pad)
        withUnsafeBytes(of: block) { append($0) }
    }

    /// The nonce that a text is; nil where it is none of ours, or one of another realm or secret.
    mutating func recognise(_ text: UnsafeRawBufferPointer, _ policy: ServerPolicy) -> ServerNonce? {
        guard let nonce = ServerNonce(text) else { return nil }
        let ours = signed(nonce, policy)
        let isOurs = withUnsafeBytes(of: ours) { ours in
            // Every octet is looked at, so the time says nothing about where they differ.
            var difference: UInt8 = 0
            for place in 0..<ServerNonce.length { difference |= ours[place] ^ text[place] }
            return difference == 0
        }
        return isOurs ? nonce : nil
    }
}
