// JSON out of anything Encodable with the standard library alone: the language imports no Foundation, so that a scenario
// compiles and starts fast.

/// Writes JSON (RFC 8259), one line, keys in the order of encoding.
package enum JSONWriter {
    /// Throws for a number that JSON cannot hold.
    package static func write(_ value: some Encodable) throws -> [UInt8] {
        let root = Node()
        try root.put(value)
        var octets: [UInt8] = []
        root.write(to: &octets)
        octets.append(0x0A)
        return octets
    }
}

/// A number that JSON has no form for.
struct NumberHasNoForm: Error, CustomStringConvertible {
    let number: Double
    var description: String { "a scenario holds the number \(number), which cannot be written down: give a finite one" }
}

private final class Node: Encoder {
    enum Form {
        case empty
        case text(String)
        case raw(String)
        case list([Node])
        case map([(String, Node)])
    }

    var form = Form.empty
    let codingPath: [any CodingKey] = []
    let userInfo: [CodingUserInfoKey: Any] = [:]

    func container<K: CodingKey>(keyedBy type: K.Type) -> KeyedEncodingContainer<K> {
        if case .map = form {} else { form = .map([]) }
        return KeyedEncodingContainer(Keyed<K>(node: self))
    }

    func unkeyedContainer() -> any UnkeyedEncodingContainer {
        form = .list([])
        return Unkeyed(node: self)
    }

    func singleValueContainer() -> any SingleValueEncodingContainer { Single(node: self) }

    func child(_ key: String) -> Node {
        let node = Node()
        if case .map(var pairs) = form {
            form = .empty  // no second owner: appending copies nothing
            pairs.append((key, node))
            form = .map(pairs)
        }
        return node
    }

    func element() -> Node {
        let node = Node()
        if case .list(var nodes) = form {
            form = .empty
            nodes.append(node)
            form = .list(nodes)
        }
        return node
    }

    func put(_ value: some Encodable) throws {
        switch value {
        case let text as String: form = .text(text)
        case let truth as Bool: form = .raw(truth ? "true" : "false")
        case let number as Double:
            guard number.isFinite else { throw NumberHasNoForm(number: number) }
            form = .raw(number == number.rounded() && abs(number) < 1e15 ? String(Int64(number)) : String(number))
        case let number as any BinaryInteger: form = .raw(String(describing: number))
        default: try value.encode(to: self)
        }
    }

    func write(to octets: inout [UInt8]) {
        switch form {
        case .empty: octets += "{}".utf8
        case .raw(let text): octets += text.utf8
        case .text(let text): quote(text, to: &octets)
        case .list(let nodes):
            octets.append(UInt8(ascii: "["))
            for (index, node) in nodes.enumerated() {
                if index > 0 { octets.append(UInt8(ascii: ",")) }
                node.write(to: &octets)
            }
            octets.append(UInt8(ascii: "]"))
        case .map(let pairs):
            octets.append(UInt8(ascii: "{"))
            for (index, (key, node)) in pairs.enumerated() {
                if index > 0 { octets.append(UInt8(ascii: ",")) }
                quote(key, to: &octets)
                octets.append(UInt8(ascii: ":"))
                node.write(to: &octets)
            }
            octets.append(UInt8(ascii: "}"))
        }
    }
}

private func quote(_ text: String, to octets: inout [UInt8]) {
    octets.append(UInt8(ascii: "\""))
    for octet in text.utf8 {
        switch octet {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): octets += [UInt8(ascii: "\\"), octet]
        case 0..<0x20:
            let digits = Array("0123456789abcdef".utf8)
            octets += "\\u00".utf8
            octets += [digits[Int(octet >> 4)], digits[Int(octet & 15)]]
        default: octets.append(octet)
        }
    }
    octets.append(UInt8(ascii: "\""))
}

private struct Keyed<Name: CodingKey>: KeyedEncodingContainerProtocol {
    let node: Node
    var codingPath: [any CodingKey] { [] }

    mutating func encodeNil(forKey key: Name) throws { node.child(key.stringValue).form = .raw("null") }
    mutating func encode<T: Encodable>(_ value: T, forKey key: Name) throws {
        try node.child(key.stringValue).put(value)
    }
    mutating func nestedContainer<N: CodingKey>(keyedBy type: N.Type, forKey key: Name) -> KeyedEncodingContainer<N> {
        node.child(key.stringValue).container(keyedBy: type)
    }
    mutating func nestedUnkeyedContainer(forKey key: Name) -> any UnkeyedEncodingContainer {
        node.child(key.stringValue).unkeyedContainer()
    }
    mutating func superEncoder() -> any Encoder { node }
    mutating func superEncoder(forKey key: Name) -> any Encoder { node.child(key.stringValue) }
}

private struct Unkeyed: UnkeyedEncodingContainer {
    let node: Node
    var codingPath: [any CodingKey] { [] }
    var count: Int { if case .list(let nodes) = node.form { nodes.count } else { 0 } }

    mutating func encodeNil() throws { node.element().form = .raw("null") }
    mutating func encode<T: Encodable>(_ value: T) throws { try node.element().put(value) }
    mutating func nestedContainer<N: CodingKey>(keyedBy type: N.Type) -> KeyedEncodingContainer<N> {
        node.element().container(keyedBy: type)
    }
    mutating func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer { node.element().unkeyedContainer() }
    mutating func superEncoder() -> any Encoder { node }
}

private struct Single: SingleValueEncodingContainer {
    let node: Node
    var codingPath: [any CodingKey] { [] }

    mutating func encodeNil() throws { node.form = .raw("null") }
    mutating func encode<T: Encodable>(_ value: T) throws { try node.put(value) }
}
