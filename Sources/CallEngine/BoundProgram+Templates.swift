import SIPTransactions
import SIPWire

// What a message is made of, once addresses and settings are known.
extension BoundProgram {
    /// One piece of a message.
    struct Piece {
        var kind: Kind
        var argument: UInt16
        /// Of a literal: where it stands in `literals`.
        var offset: UInt32
        var length: UInt32

        enum Kind: UInt8 {
            case literal
            case branch, localTag, ownCallID, learnedCallID, cseq, remoteTag, remoteTarget, routes
            case learnedLocalIdentity, learnedRemoteIdentity, echo, value, bodyLength, bodyStart, rack, inviteRoutes
            case challenge, inviteURI, redirectURI, formedURI, formedHeaders, mediaPort, localHost, bareLocalHost,
                targetName
        }
    }

    struct Choice {
        var kind: Alternative.Kind
        var method: Method
        var dialog: UInt8
        var client: Int8
        var server: Int8
        var low: UInt16
        var high: UInt16
        var step: UInt16
        var target: UInt16
        var methodText: Int32
    }

    struct Template {
        var firstPiece: UInt32
        var pieceCount: UInt16
        var dialog: UInt8
        var method: Method
        var status: UInt16
        var isPure: Bool
        var isPlain: Bool
        var opensDialog: Bool
        /// Octets of its literals: with the live parts, what a message of it takes at least.
        var literalOctets: UInt32
        /// Method token, in `literals`, for a method that is `.other`.
        var methodOffset: UInt32
        var methodLength: UInt16
        /// The request URI is the same in every message of it.
        var hasConstantURI: Bool
        /// A request that goes where its dialog's requests go.
        var isInDialog: Bool
        /// The number of its CSeq is ours, not the author's.
        var writesCSeq: Bool
        /// A CANCEL with the request URI of its INVITE, or the Route lines, as they were sent.
        var readsInvite: Bool
        /// Value of the Contact that it follows; -1 none.
        var redirect: Int32
        /// Value of the request URI whose address the request goes to; -1: it goes to the target.
        var formed: Int32
        /// RSeq of a reliable provisional response; 0 for all else (`TemplateSource.rseq`).
        var rseq: UInt32
        /// A request of a party that answers challenges, which may carry credentials (RFC 3261 §22.1).
        var mayBeAuthorized: Bool
    }
}
