// Values and conditions as data. They are read when the step that holds them is reached.

/// Something known only while a call runs. A part of a message (`header`, `sdp`, `body`, `status`, …) is that of the last
/// message this party received in the dialog at hand; inside `Expect { }` and `On { }` that is the message just received.
package indirect enum ValueTree: Sendable, Hashable {
    case text(String)
    case number(Int)
    /// One text out of several.
    case joined([ValueTree])
    case variable(String)
    /// `fallback` as in `SettingTree`.
    case setting(name: String, fallback: String?)
    /// The field of the run's row.
    case feed(FeedTree, column: String)
    case field(FieldTree)
    /// The same of another dialog of this party: a Call-ID or tag for a Replaces.
    case dialogField(FieldTree, dialog: String)
    /// `count` random decimal digits, drawn anew at each use.
    case random(digits: Int)
    /// Address of record of a party of this scenario, a SIP URI.
    case partyURI(String)
    /// The nth header of this name (compact form included), from 0; -1 is the last one. A list on one line counts as several.
    case header(name: String, nth: Int)
    /// Of a header or URI value: `expires` of a Contact, `tag` of a To.
    case parameter(name: String, of: ValueTree)
    /// Part of the URI inside a header value or text.
    case uriPart(URIPartTree, of: ValueTree)
    /// A header of the URI's header part (RFC 3261 §19.1.1), without its escapes.
    case uriHeader(name: String, of: ValueTree)
    /// As it may stand in the header part of a URI: what is not allowed there is written as %xx (RFC 3261 §25.1, hvalue).
    case escaped(of: ValueTree)
    case sdp(SDPFieldTree)
    /// The Contact of a 2xx to REGISTER that leads to this party.
    case ownBinding
    case body
    /// Status code of a response.
    case status
    case reasonPhrase
    case method
    case requestURI
    /// First group of the pattern, or the whole match where it has none; absent if it does not match.
    case matching(pattern: String, of: ValueTree)
    /// In octets.
    case length(of: ValueTree)
    case arithmetic(ArithmeticTree, ValueTree, ValueTree)
    /// A constant that the file reads above its own line. `ScenarioTree.problems` says where.
    case unborn
}

/// What Carillon knows by itself.
package enum FieldTree: String, Sendable, Hashable, Codable, CaseIterable {
    /// `--domain`, else the target's host.
    case domain
    /// Where bytes go, `host:port`.
    case target
    /// Of this party's Contact and Via.
    case localAddress, localPort
    /// This party's own and its peer's address, `sip:user@host`.
    case localURI, remoteURI
    /// Of the dialog at hand.
    case callID, localTag, remoteTag
    /// The peer's Contact: where requests in the dialog go.
    case remoteTarget
    /// CSeq number of the last request sent.
    case cseq
    /// Number of this call in the run, from 1.
    case runNumber
    /// Name of the party that speaks.
    case party
    /// Seconds since 1970, UTC.
    case unixTime
}

package enum URIPartTree: String, Sendable, Hashable, Codable {
    /// The URI without display name, angle brackets and header parameters.
    case uri
    case user, host, port
    /// The URI without its header part.
    case withoutHeaders
}

/// Part of the session description received.
package enum SDPFieldTree: Sendable, Hashable {
    /// Of the `c=` line that holds for the first media stream.
    case connectionAddress
    /// Port of the `m=` line at `index`, from 0.
    case mediaPort(index: Int)
    /// Text after `a=name:`, the empty text for `a=name`.
    case attribute(String)
}

package enum ArithmeticTree: String, Sendable, Hashable, Codable {
    case plus = "+"
    case minus = "-"
    case times = "*"
}

/// What `Require` and `If` ask. Two texts that both read as decimal numbers compare as numbers, others octet by octet.
package indirect enum ConditionTree: Sendable, Hashable {
    /// False where either side is not there.
    case compare(ComparisonTree, ValueTree, ValueTree)
    case exists(ValueTree)
    case contains(ValueTree, part: ValueTree)
    case hasPrefix(ValueTree, prefix: ValueTree)
    case matches(ValueTree, pattern: String)
    case all([ConditionTree])
    case any([ConditionTree])
    case not(ConditionTree)
}

package enum ComparisonTree: String, Sendable, Hashable, Codable {
    case equal = "=="
    case notEqual = "!="
    case less = "<"
    case lessOrEqual = "<="
    case greater = ">"
    case greaterOrEqual = ">="
}
