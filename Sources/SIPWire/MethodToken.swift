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
    @inline(__always)
    init(token: UnsafeRawPointer, length: Int) {
        self = .other
        switch length {
        case 3:
            if isExactly(token, "ACK") { self = .ack }
            if isExactly(token, "BYE") { self = .bye }
        case 4:
            if isExactly(token, "INFO") { self = .info }
        case 5:
            if isExactly(token, "REFER") { self = .refer }
            if isExactly(token, "PRACK") { self = .prack }
        case 6:
            if isExactly(token, "INVITE") { self = .invite }
            if isExactly(token, "CANCEL") { self = .cancel }
            if isExactly(token, "NOTIFY") { self = .notify }
            if isExactly(token, "UPDATE") { self = .update }
        case 7:
            if isExactly(token, "OPTIONS") { self = .options }
            if isExactly(token, "MESSAGE") { self = .message }
            if isExactly(token, "PUBLISH") { self = .publish }
        case 8:
            if isExactly(token, "REGISTER") { self = .register }
        case 9:
            if isExactly(token, "SUBSCRIBE") { self = .subscribe }
        default: break
        }
    }
}
