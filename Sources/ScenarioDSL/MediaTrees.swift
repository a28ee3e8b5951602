// What is said of media: the streams of an offer, and what a party sends on them. Part of the tree (Tree.swift).

package struct OfferTree: Sendable, Hashable, Codable {
    package var media: [MediaTree]
}

package struct MediaTree: Sendable, Hashable, Codable {
    /// `audio`, `video`, …, as in the `m=` line.
    package var kind: String
    /// Of the `m=` line. Nil: a port that nobody listens on is written.
    package var port: Int?
    /// `sendrecv`, `sendonly`, `recvonly`, `inactive`.
    package var direction: String
    package var codecs: [CodecTree]
}

package struct CodecTree: Sendable, Hashable, Codable {
    /// Encoding name as in `a=rtpmap`.
    package var name: String
    /// RTP payload type, 0…127.
    package var payload: Int
    /// In Hz.
    package var clockRate: Int
    /// Nil: not written.
    package var channels: Int?
    /// Value of `a=fmtp`. Nil: no such line.
    package var parameters: String?
}

package struct SendMediaTree: Sendable, Hashable, Codable {
    package var what: SoundTree
}

package enum SoundTree: String, Sendable, Hashable, Codable {
    case nothing, silence, tone, echo
}
