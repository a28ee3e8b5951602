import SIPWire

/// A response that a live call cannot take, since it does not repeat what a response repeats of its request (RFC 3261 §8.2.6.2).
/// Kept for one purpose: a call that then fails for want of an answer says what came in its place. Forgotten as soon as a response comes
/// that fits: what is missing later has another reason.
struct Misfit {
    enum Fault {
        case branch, sentBy, vias, callID, fromTag, number, method

        /// Completes "a 200 to 1 INVITE …".
        var text: String {
            switch self {
            case .branch: "with another branch in its topmost Via than any request's (RFC 3261 §17.1.3)"
            case .sentBy: "with another sent-by in its topmost Via than ours (RFC 3261 §18.1.2)"
            case .vias: "with more than one Via (RFC 3261 §8.1.3.3)"
            case .callID: "with another Call-ID than the request's (RFC 3261 §8.2.6.2)"
            case .fromTag: "with another From tag than the request's (RFC 3261 §8.2.6.2)"
            case .number: "with another CSeq number than the request's (RFC 3261 §8.2.6.2)"
            case .method: "with another method in CSeq than the request's (RFC 3261 §17.1.3)"
            }
        }
    }

    /// Slots of which one is kept at a time.
    static let most = 4096

    var status: UInt16
    var cseq: UInt32
    var method: Method
    var fault: Fault

    var text: [UInt8] {
        Array("a \(status) to \(cseq) \(method == .other ? "another method" : "\(method.token)") \(fault.text)".utf8)
    }
}
