// What a step speaks of: a request by its method, a response by its status.

/// A request by its method (`.invite`), a response by its status (`200`), a range of statuses (`400...699`).
public struct Message: Sendable, ExpressibleByIntegerLiteral {
    let tree: MessageTree

    /// `Expect(200)`.
    public init(integerLiteral status: Int) { tree = .statuses(low: status, high: status) }

    init(_ tree: MessageTree) { self.tree = tree }

    /// A method without a word of its own: `.method("PUBLISH")`. Case matters (RFC 3261 §7.1).
    public static func method(_ name: String) -> Message { Message(.method(name)) }
    /// A status held in a Swift constant: `.status(code)`.
    public static func status(_ code: Int) -> Message { Message(.statuses(low: code, high: code)) }

    /// INVITE, RFC 3261 §13.
    public static let invite = method("INVITE")
    /// ACK, RFC 3261 §13.2.2.4.
    public static let ack = method("ACK")
    /// BYE, RFC 3261 §15.
    public static let bye = method("BYE")
    /// CANCEL, RFC 3261 §9.
    public static let cancel = method("CANCEL")
    /// REGISTER, RFC 3261 §10.
    public static let register = method("REGISTER")
    /// OPTIONS, RFC 3261 §11.
    public static let options = method("OPTIONS")
    /// MESSAGE, RFC 3428.
    public static let message = method("MESSAGE")
    /// INFO, RFC 6086.
    public static let info = method("INFO")
    /// PRACK, RFC 3262.
    public static let prack = method("PRACK")
    /// UPDATE, RFC 3311.
    public static let update = method("UPDATE")
    /// REFER, RFC 3515.
    public static let refer = method("REFER")
    /// SUBSCRIBE, RFC 6665.
    public static let subscribe = method("SUBSCRIBE")
    /// NOTIFY, RFC 6665.
    public static let notify = method("NOTIFY")
    /// PUBLISH, RFC 3903.
    public static let publish = method("PUBLISH")
    /// Whatever request comes. For `Expect` and `On`.
    public static let anyRequest = method("*")
    /// 101…199.
    public static let provisional = Message(.statuses(low: 101, high: 199))
    /// 200…299.
    public static let success = Message(.statuses(low: 200, high: 299))
    /// 300…699.
    public static let failure = Message(.statuses(low: 300, high: 699))
    /// 200…699.
    public static let finalResponse = Message(.statuses(low: 200, high: 699))

    /// `400...699`. Both ends are statuses; with a method it stands for no message at all, and the checker says so.
    public static func ... (low: Message, high: Message) -> Message {
        guard case .statuses(let from, _) = low.tree, case .statuses(_, let to) = high.tree else {
            return Message(.statuses(low: 0, high: 0))
        }
        return Message(.statuses(low: from, high: to))
    }

    /// Name of the method. A status gives its digits, which no request bears: the checker says so.
    var methodName: String {
        switch tree {
        case .method(let name): name
        case .statuses(let low, _): String(low)
        }
    }
}

/// Whether an expected message must come.
public struct Presence: Sendable {
    let tree: PresenceTree
    /// Without it the call fails.
    public static let required = Presence(tree: .required)
    /// It may come until the next required message does.
    public static let optional = Presence(tree: .optional)
}

/// What a raw message writes itself. `[.cseq, .tags]` for several.
public struct Ownership: OptionSet, Sendable {
    /// Bits of the set.
    public let rawValue: UInt8
    /// A set of bits.
    public init(rawValue: UInt8) { self.rawValue = rawValue }
    /// The branch of the topmost Via.
    public static let branch = Ownership(rawValue: OwnershipTree.branch.rawValue)
    /// The CSeq.
    public static let cseq = Ownership(rawValue: OwnershipTree.cseq.rawValue)
    /// The tags of From and To.
    public static let tags = Ownership(rawValue: OwnershipTree.tags.rawValue)
    /// All of it: nothing is made for you.
    public static let everything = Ownership(rawValue: OwnershipTree.everything.rawValue)
}

/// An audio or video coding as a session description names it.
public struct Codec: Sendable {
    let tree: CodecTree

    /// G.711 µ-law, payload type 0 (RFC 3551).
    public static let pcmu = codec("PCMU", payload: 0)
    /// G.711 A-law, payload type 8 (RFC 3551).
    public static let pcma = codec("PCMA", payload: 8)
    /// G.722, payload type 9; its RTP clock is 8,000 Hz (RFC 3551).
    public static let g722 = codec("G722", payload: 9)
    /// G.729, payload type 18 (RFC 3551).
    public static let g729 = codec("G729", payload: 18)
    /// Opus, payload type 96 (RFC 7587).
    public static let opus = codec("opus", payload: 96, clockRate: 48_000, channels: 2)
    /// DTMF events, payload type 101 (RFC 4733).
    public static let telephoneEvent = codec("telephone-event", payload: 101, parameters: "0-15")
    /// H.264, payload type 97 (RFC 6184).
    public static let h264 = codec("H264", payload: 97, clockRate: 90_000)
    /// VP8, payload type 98 (RFC 7741).
    public static let vp8 = codec("VP8", payload: 98, clockRate: 90_000)

    /// Any other one. `clockRate` in Hz; `parameters` is the text after `a=fmtp:<payload> `.
    public static func codec(
        _ name: String, payload: Int, clockRate: Int = 8_000, channels: Int? = nil, parameters: String? = nil
    ) -> Codec {
        Codec(
            tree: CodecTree(
                name: name, payload: payload, clockRate: clockRate, channels: channels, parameters: parameters))
    }
}

/// Which way media flow (RFC 4566 §6).
public enum Direction: String, Sendable {
    case sendrecv, sendonly, recvonly, inactive
}

/// One media stream of an offer.
public struct Media: Sendable {
    let tree: MediaTree

    /// `.audio(.pcmu, .pcma)`.
    public static func audio(_ codecs: Codec..., direction: Direction = .sendrecv, port: Int? = nil) -> Media {
        Media("audio", codecs, direction, port)
    }
    /// `.video(.h264)`.
    public static func video(_ codecs: Codec..., direction: Direction = .sendrecv, port: Int? = nil) -> Media {
        Media("video", codecs, direction, port)
    }

    private init(_ kind: String, _ codecs: [Codec], _ direction: Direction, _ port: Int?) {
        tree = MediaTree(kind: kind, port: port, direction: direction.rawValue, codecs: codecs.map(\.tree))
    }
}
