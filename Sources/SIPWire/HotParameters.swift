import Glibc

// The two parameters that every message is matched by, found without building a view. On well-formed values both say
// what `ViaValue.branch` and `NameAddress.tag` say, only sooner; tests hold them to that.

/// The branch parameter of one via-parm (`MessageIndex.topmostVia`), none where there is no branch or an empty one
/// (RFC 3261 §8.1.1.7).
public func topmostBranch(_ message: UnsafeRawPointer, _ via: OctetRange) -> OctetRange {
    let past = via.past
    guard var separator = message.firstOffset(of: Octet.semicolon, from: via.first, to: past) else { return .none }
    while true {
        let name = separator &+ 1
        let next = message.firstOffset(of: Octet.semicolon, from: name, to: past) ?? past
        // "branch=" and one more octet make a word.
        if next &- name >= 8, begins(message.word64(name), packed("b", "r", "a", "n", "c", "h")) {
            let value = OctetRange(name &+ 7, next)
            if message.octet(name &+ 6) == Octet.equals, isPlain(message, value) { return value }
            break
        }
        // A blank or a quote: let the full grammar decide.
        if name < next, message.octet(name) <= Octet.space { break }
        if message.firstOffset(of: Octet.quote, from: name, to: next) != nil { break }
        guard next < past else { return .none }
        separator = next
    }
    return ViaValue(message, via).branch ?? .none
}

/// The tag parameter of a From or To value, none where there is no tag or an empty one (RFC 3261 §19.3).
public func tagParameter(_ message: UnsafeRawPointer, _ value: OctetRange) -> OctetRange {
    let past = value.past
    // The last parameter is nearly always the tag. Where neither a quote nor a closing bracket comes after its
    // semicolon, the semicolon stands outside both.
    guard let separator = message.lastOffset(of: Octet.semicolon, from: value.first, to: past) else { return .none }
    let name = separator &+ 1
    if past &- name > 4, begins(UInt64(message.word32(name)), packed("t", "a", "g", "=")) {
        let tag = OctetRange(name &+ 4, past)
        if isPlain(message, tag),
            message.firstOffset(of: Octet.greater, from: tag.first, to: past) == nil,
            message.firstOffset(of: Octet.quote, from: tag.first, to: past) == nil
        {
            return tag
        }
    }
    return NameAddress(message, value).tag ?? .none
}

/// Neither blank nor quote at the ends.
@inline(always)
private func isPlain(_ message: UnsafeRawPointer, _ value: OctetRange) -> Bool {
    message.octet(value.first) > Octet.quote && message.octet(value.past &- 1) > Octet.space
}
