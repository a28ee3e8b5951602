import SIPWire

/// An Authentication-Info or Proxy-Authentication-Info value (RFC 7616 §3.5, RFC 7615): trivial, with the places of its
/// parts. It has no scheme.
public struct AuthenticationInfo: BitwiseCopyable {
    /// What the ranges count from.
    public let message: UnsafeRawPointer
    /// The nonce for the next request (`Challenge.keep`); empty where there is none.
    public private(set) var nextNonce = OctetRange.none
    /// The server's proof that it knows the password; empty where there is none.
    public private(set) var responseAuth = OctetRange.none
    public private(set) var cnonce = OctetRange.none
    public private(set) var nonceCountRange = OctetRange.none
    public private(set) var qop = QualityOfProtection.absent
    public private(set) var fault: DigestFault?
    public private(set) var faultRange = OctetRange.none
    public private(set) var isWellFormed = true

    public init(_ message: UnsafeRawPointer, _ value: OctetRange) {
        self.message = message
        var list = AuthParameterList(message, value)
        var seen: UInt32 = 0
        while let parameter = list.next() {
            guard let name = AuthParameterName(message.octets(parameter.name)) else { continue }
            guard seen & name.bit == 0 else {
                list.note(.repeatedParameter, parameter.name)
                continue
            }
            seen |= name.bit
            switch name {
            case .nextNonce: nextNonce = parameter.value
            case .responseAuth: responseAuth = parameter.value
            case .cnonce: cnonce = parameter.value
            case .nonceCount: nonceCountRange = parameter.value
            case .qop:
                if let known = QualityOfProtection(named: message.octets(parameter.value)) {
                    qop = known
                } else {
                    list.note(.unknownQop, parameter.value)
                }
            default: continue
            }
            if parameter.isQuoted != name.isQuoted(inChallenge: false) { list.isWellFormed = false }
        }
        fault = list.fault
        faultRange = list.faultRange
        isWellFormed = list.isWellFormed
    }
}
