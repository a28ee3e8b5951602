// The words inside a message.

/// Any header. One that Carillon writes itself (From, Contact, CSeq, …) is replaced where it stands; any other is added below,
/// in written order.
public struct Header: ContentWord {
    /// What it stands for.
    public let writtenPart: WrittenPart

    /// See `Header`.
    public init(_ name: String, _ value: Value) {
        writtenPart = WrittenPart(part: .header(HeaderTree(name: name, value: value.tree)))
    }
}

/// Leaves out a header that Carillon would write.
public struct Without: ContentWord {
    /// What it stands for.
    public let writtenPart: WrittenPart

    /// See `Without`.
    public init(_ name: String) { writtenPart = WrittenPart(part: .without(WithoutTree(name: name))) }
}

/// The header Expires, in seconds.
public struct Expires: ContentWord {
    /// What it stands for.
    public let writtenPart: WrittenPart

    /// See `Expires`.
    public init(_ seconds: Value) { writtenPart = Header("Expires", seconds).writtenPart }
}

/// The header Max-Forwards; 70 where it is not given (RFC 3261 §8.1.1.6).
public struct MaxForwards: ContentWord {
    /// What it stands for.
    public let writtenPart: WrittenPart

    /// See `MaxForwards`.
    public init(_ hops: Value) { writtenPart = Header("Max-Forwards", hops).writtenPart }
}

/// The header Contact in place of the one that leads back here.
public struct Contact: ContentWord {
    /// What it stands for.
    public let writtenPart: WrittenPart

    /// A URI or name-addr, or `*`.
    public init(_ value: Value) { writtenPart = Header("Contact", value).writtenPart }
}

/// A body with its Content-Type. Content-Length is counted for you, and line ends are written as CRLF.
public struct Body: ContentWord {
    /// What it stands for.
    public let writtenPart: WrittenPart

    /// See `Body`.
    public init(_ type: String, _ text: Value) {
        writtenPart = WrittenPart(part: .body(BodyTree(type: type, text: text.tree.withInternetLineEnds)))
    }
}

/// A session description that offers these media: `Offer(.audio(.pcmu, .pcma))`.
public struct Offer: ContentWord {
    /// What it stands for.
    public let writtenPart: WrittenPart

    /// Without media: audio in PCMU and PCMA.
    public init(_ media: Media...) {
        let streams = media.isEmpty ? [Media.audio(.pcmu, .pcma)] : media
        writtenPart = WrittenPart(part: .offer(OfferTree(media: streams.map(\.tree))))
    }
}

/// The session description that answers the offer received: of each stream the first codec offered (RFC 3264 §6).
public struct Answer: ContentWord {
    /// What it stands for.
    public let writtenPart = WrittenPart(part: .answer)

    /// See `Answer`.
    public init() {}
}

/// The start line of a raw message, as it stands.
public struct StartLine: RawWord {
    /// What it stands for.
    public let writtenPart: WrittenPart

    /// Without its CRLF.
    public init(_ line: Value) { writtenPart = WrittenPart(part: .startLine(StartLineTree(text: line.tree))) }
}

/// Octets of a raw message, as they stand: `Bytes(0x00, 0xFF)`, `Bytes(text: "\r\n\r\n")`.
public struct Bytes: RawWord {
    /// What it stands for.
    public let writtenPart: WrittenPart

    /// Octet by octet, then the UTF-8 of `text`.
    public init(_ octets: UInt8..., text: String = "") {
        writtenPart = WrittenPart(part: .bytes(BytesTree(octets: octets + Array(text.utf8))))
    }
}

extension ValueTree {
    /// A Swift text over several lines has line feeds; SDP (RFC 4566 §5) and MIME text (RFC 2046 §4.1.1) want CRLF.
    var withInternetLineEnds: ValueTree {
        switch self {
        case .text(let text):
            var octets: [UInt8] = []
            octets.reserveCapacity(text.utf8.count)
            for octet in text.utf8 {
                if octet == 0x0A && octets.last != 0x0D { octets.append(0x0D) }
                octets.append(octet)
            }
            return .text(String(decoding: octets, as: UTF8.self))
        case .joined(let parts): return .joined(parts.map(\.withInternetLineEnds))
        default: return self
        }
    }
}
