/// One `x=value` line of a session description (RFC 8866 §5).
public struct SDPLine: Sendable {
    public var type: UInt8
    /// Without the line end and the blanks before it.
    public var value: OctetRange
}

/// The lines of a stretch of SDP, one after the other. Bare LF is accepted; a line without `x=` is skipped.
public struct SDPLines {
    private let message: UnsafeRawPointer
    private var place: Int
    private let past: Int
    /// Where the line given last begins.
    public private(set) var lineStart: UInt32 = 0

    public init(_ message: UnsafeRawPointer, _ range: OctetRange) {
        self.message = message
        place = range.first
        past = range.past
    }

    public mutating func next() -> SDPLine? {
        while place < past {
            let from = place
            let end = message.firstOffset(of: Octet.lineFeed, from: from, to: past) ?? past
            place = min(end &+ 1, past)
            guard end &- from >= 2, message.octet(from &+ 1) == Octet.equals else { continue }
            lineStart = UInt32(truncatingIfNeeded: from)
            return SDPLine(type: message.octet(from), value: trimmed(message, from &+ 2, end))
        }
        return nil
    }
}

/// A media description: an `m=` line and what belongs to it (RFC 8866 §5.14).
public struct SDPMedia {
    public let message: UnsafeRawPointer
    /// audio, video and so on.
    public let kind: OctetRange
    /// 0 where the stream is refused or unused (RFC 3264 §6).
    public let port: UInt16
    /// RTP/AVP and so on.
    public let proto: OctetRange
    /// The format list as written, blanks between.
    public let formats: OctetRange
    /// Everything after the `m=` line that belongs to it.
    public let section: OctetRange
    public let isWellFormed: Bool
    /// The session's part of the description: its `c=` and attributes hold where the section has none.
    let sessionSection: OctetRange

    init(_ message: UnsafeRawPointer, _ line: OctetRange, section: OctetRange, sessionSection: OctetRange) {
        self.message = message
        self.section = section
        self.sessionSection = sessionSection
        var words = SDPWords(message, line)
        kind = words.next()
        let portWord = words.next()
        proto = words.next()
        formats = words.remainder
        let slash = message.firstOffset(of: Octet.slash, from: portWord.first, to: portWord.past)
        let number = decimal(message, portWord.first, slash ?? portWord.past)
        port = number.map { UInt16(truncatingIfNeeded: $0 < 65536 ? $0 : 0) } ?? 0
        isWellFormed = !kind.isEmpty && number != nil && (number ?? 0) < 65536 && !proto.isEmpty && !formats.isEmpty
    }

    public func isKind(_ text: StaticString) -> Bool { matches(message, kind, text) }

    /// The value of the first attribute of that name in this section, empty where it has none (`a=sendonly`), nil where
    /// it is absent. Names keep their case (RFC 8866 §5.13).
    public func attribute(_ name: StaticString) -> OctetRange? { findAttribute(message, section, name) }

    /// The connection line that holds here: its own, else the session's (RFC 8866 §5.7).
    public var connection: SDPConnection? {
        findConnection(message, section) ?? findConnection(message, sessionSection)
    }

    /// Where this media is to be sent; nil where the host is a name or the connection is missing.
    public var address: TransportAddress? {
        connection.flatMap { TransportAddress(message, host: $0.address, port: port) }
    }

    /// The direction that holds here (RFC 3264 §5.1); sendrecv where nothing is said.
    public var direction: SDPDirection {
        findDirection(message, section) ?? findDirection(message, sessionSection) ?? .sendrecv
    }
}

public enum SDPDirection: UInt8, Sendable { case sendrecv, sendonly, recvonly, inactive }

/// `c=IN IP4 address` (RFC 8866 §5.7).
public struct SDPConnection: Sendable {
    public var isIPv6: Bool
    /// Without the TTL or count after a slash.
    public var address: OctetRange
}

/// A session description in a body (RFC 8866), read where it stands.
public struct SDPView {
    public let message: UnsafeRawPointer
    public let range: OctetRange
    /// Up to the first `m=` line.
    public let session: OctetRange

    /// - Parameter body: `MessageIndex.body`, or a part of a multipart body.
    public init(_ message: UnsafeRawPointer, _ body: OctetRange) {
        self.message = message
        range = body
        var end = body.past
        var lines = SDPLines(message, body)
        while let line = lines.next() {
            if line.type == UInt8(ascii: "m") {
                end = Int(lines.lineStart)
                break
            }
        }
        session = OctetRange(body.first, end)
    }

    public var lines: SDPLines { SDPLines(message, range) }
    public var media: SDPMediaList { SDPMediaList(self) }

    /// The first line of that type at session level.
    public func sessionLine(_ type: UInt8) -> OctetRange? { findLine(message, session, type) }

    /// A session-level attribute: empty where it has no value, nil where it is absent.
    public func attribute(_ name: StaticString) -> OctetRange? { findAttribute(message, session, name) }

    public var connection: SDPConnection? { findConnection(message, session) }

    /// The origin's session version as written (RFC 8866 §5.2), to tell a changed description from a repeated one.
    public var originVersion: OctetRange? {
        guard let origin = sessionLine(UInt8(ascii: "o")) else { return nil }
        var words = SDPWords(message, origin)
        _ = words.next()
        _ = words.next()
        let version = words.next()
        return version.isEmpty ? nil : version
    }

    public func firstMedia(_ kind: StaticString) -> SDPMedia? {
        var list = media
        while let media = list.next() {
            if media.isKind(kind) { return media }
        }
        return nil
    }

    /// Where the first audio stream is to be sent.
    public var audioAddress: TransportAddress? { firstMedia("audio")?.address }
}

/// The media descriptions, one after the other.
public struct SDPMediaList {
    private let view: SDPView
    private var place: UInt32

    init(_ view: SDPView) {
        self.view = view
        place = view.session.end
    }

    public mutating func next() -> SDPMedia? {
        let past = view.range.end
        guard place < past else { return nil }
        var lines = SDPLines(view.message, OctetRange(Int(place), Int(past)))
        guard let head = lines.next(), head.type == UInt8(ascii: "m") else {
            place = past
            return nil
        }
        var end = past
        while let line = lines.next() {
            if line.type == UInt8(ascii: "m") {
                end = lines.lineStart
                break
            }
        }
        place = end
        let sectionStart = min(head.value.end, end)
        return SDPMedia(
            view.message, head.value, section: OctetRange(offset: sectionStart, length: end &- sectionStart),
            sessionSection: view.session)
    }
}

/// Words with blanks between.
struct SDPWords {
    private let message: UnsafeRawPointer
    private var place: Int
    private let past: Int

    init(_ message: UnsafeRawPointer, _ range: OctetRange) {
        self.message = message
        place = range.first
        past = range.past
    }

    mutating func next() -> OctetRange {
        while place < past, isBlank(message.octet(place)) { place &+= 1 }
        let from = place
        while place < past, !isBlank(message.octet(place)) { place &+= 1 }
        return OctetRange(from, place)
    }

    var remainder: OctetRange { trimmed(message, place, past) }
}

func matches(_ message: UnsafeRawPointer, _ range: OctetRange, _ text: StaticString) -> Bool {
    guard range.count == text.utf8CodeUnitCount else { return false }
    var offset = 0
    while offset < range.count {
        guard message.octet(range.first &+ offset) == text.utf8Start[offset] else { return false }
        offset &+= 1
    }
    return true
}

private func findLine(_ message: UnsafeRawPointer, _ section: OctetRange, _ type: UInt8) -> OctetRange? {
    var lines = SDPLines(message, section)
    while let line = lines.next() {
        if line.type == type { return line.value }
    }
    return nil
}

private func findAttribute(_ message: UnsafeRawPointer, _ section: OctetRange, _ name: StaticString) -> OctetRange? {
    var lines = SDPLines(message, section)
    while let line = lines.next() {
        guard line.type == UInt8(ascii: "a") else { continue }
        let colon = message.firstOffset(of: Octet.colon, from: line.value.first, to: line.value.past)
        guard matches(message, OctetRange(line.value.first, colon ?? line.value.past), name) else { continue }
        return OctetRange(colon.map { $0 &+ 1 } ?? line.value.past, line.value.past)
    }
    return nil
}

private func findConnection(_ message: UnsafeRawPointer, _ section: OctetRange) -> SDPConnection? {
    guard let value = findLine(message, section, UInt8(ascii: "c")) else { return nil }
    var words = SDPWords(message, value)
    let network = words.next()
    let type = words.next()
    let address = words.next()
    guard matches(message, network, "IN"), !address.isEmpty else { return nil }
    let isIPv6 = matches(message, type, "IP6")
    guard isIPv6 || matches(message, type, "IP4") else { return nil }
    let slash = message.firstOffset(of: Octet.slash, from: address.first, to: address.past)
    return SDPConnection(isIPv6: isIPv6, address: OctetRange(address.first, slash ?? address.past))
}

private func findDirection(_ message: UnsafeRawPointer, _ section: OctetRange) -> SDPDirection? {
    var lines = SDPLines(message, section)
    while let line = lines.next() {
        guard line.type == UInt8(ascii: "a") else { continue }
        if matches(message, line.value, "sendrecv") { return .sendrecv }
        if matches(message, line.value, "sendonly") { return .sendonly }
        if matches(message, line.value, "recvonly") { return .recvonly }
        if matches(message, line.value, "inactive") { return .inactive }
    }
    return nil
}
