import Glibc

extension Method {
    /// The method as it stands in a start line; empty for `other`.
    public var token: StaticString {
        switch self {
        case .invite: return "INVITE"
        case .ack: return "ACK"
        case .bye: return "BYE"
        case .cancel: return "CANCEL"
        case .register: return "REGISTER"
        case .options: return "OPTIONS"
        case .refer: return "REFER"
        case .notify: return "NOTIFY"
        case .subscribe: return "SUBSCRIBE"
        case .message: return "MESSAGE"
        case .info: return "INFO"
        case .prack: return "PRACK"
        case .update: return "UPDATE"
        case .publish: return "PUBLISH"
        case .other: return ""
        }
    }

    /// The method that `token` is. Methods are case-sensitive (RFC 3261 §7.1), so `invite` is `other`.
    public init(_ token: UnsafeRawBufferPointer) {
        guard let start = token.baseAddress else {
            self = .other
            return
        }
        self.init(token: start, length: token.count)
    }

    /// As above, for `length` readable octets.
    @inline(always)
    init(token: UnsafeRawPointer, length: Int) {
        guard length >= 4, length <= 8 else {
            self.init(oddToken: token, length: length)
            return
        }
        switch gathered(token, length) {
        case packed("I", "N", "V", "I", "T", "E"): self = .invite
        case packed("C", "A", "N", "C", "E", "L"): self = .cancel
        case packed("R", "E", "G", "I", "S", "T", "E", "R"): self = .register
        case packed("O", "P", "T", "I", "O", "N", "S"): self = .options
        case packed("P", "R", "A", "C", "K"): self = .prack
        case packed("U", "P", "D", "A", "T", "E"): self = .update
        case packed("I", "N", "F", "O"): self = .info
        case packed("R", "E", "F", "E", "R"): self = .refer
        case packed("N", "O", "T", "I", "F", "Y"): self = .notify
        case packed("M", "E", "S", "S", "A", "G", "E"): self = .message
        case packed("P", "U", "B", "L", "I", "S", "H"): self = .publish
        default: self = .other
        }
    }

    /// Of three octets, nine, or any other number.
    @inline(never)
    private init(oddToken token: UnsafeRawPointer, length: Int) {
        self = .other
        if length == 3 {
            if gathered(token, 3) == packed("A", "C", "K") { self = .ack }
            if gathered(token, 3) == packed("B", "Y", "E") { self = .bye }
        } else if length == 9, memcmp(token, Method.subscribe.token.utf8Start, 9) == 0 {
            self = .subscribe
        }
    }
}
