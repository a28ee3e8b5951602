// The JSON form of the tree: an enum case is an object with one key, `{"send": {…}}`. Written by hand, because the
// compiler's own form says `"_0"` and its errors name Swift types.

/// Any name as a key.
struct Key: CodingKey, Hashable {
    let stringValue: String
    init(_ name: String) { stringValue = name }
    init?(stringValue: String) { self.stringValue = stringValue }
    var intValue: Int? { nil }
    init?(intValue: Int) { nil }
}

/// The one key of an enum case's object, and what it holds.
struct OneCase {
    let name: String
    let box: KeyedDecodingContainer<Key>
    let path: [any CodingKey]

    init(_ decoder: any Decoder, _ kind: String) throws {
        box = try decoder.container(keyedBy: Key.self)
        path = decoder.codingPath
        guard box.allKeys.count == 1, let key = box.allKeys.first else {
            throw DecodingError.dataCorrupted(
                .init(
                    codingPath: path,
                    debugDescription: "\(kind) is an object with one key, found \(box.allKeys.count) keys"))
        }
        name = key.stringValue
    }

    func payload<T: Decodable>(_ type: T.Type = T.self) throws -> T { try box.decode(type, forKey: Key(name)) }

    func fields() throws -> KeyedDecodingContainer<Key> {
        try box.nestedContainer(keyedBy: Key.self, forKey: Key(name))
    }

    func unknown(_ kind: String) -> DecodingError {
        DecodingError.dataCorrupted(
            .init(codingPath: path, debugDescription: "\(kind) '\(name)' is not known to this version"))
    }
}

extension Encoder {
    func put(_ name: String, _ payload: some Encodable) throws {
        var box = container(keyedBy: Key.self)
        try box.encode(payload, forKey: Key(name))
    }

    func fields(_ name: String) -> KeyedEncodingContainer<Key> {
        var box = container(keyedBy: Key.self)
        return box.nestedContainer(keyedBy: Key.self, forKey: Key(name))
    }
}

/// Payload of a case that has none: `{}`.
private struct Nothing: Codable {}

// Two initialisers below are public only because `Spot` stands in the signatures of the builders.
extension Spot: Codable {
    /// Reads `"file:line"`.
    public init(from decoder: any Decoder) throws {
        let box = try decoder.singleValueContainer()
        let text = try box.decode(String.self)
        guard let colon = text.lastIndex(of: ":"), let line = Int(text[text.index(after: colon)...]), line >= 0 else {
            throw DecodingError.dataCorruptedError(
                in: box, debugDescription: "a place reads \"file.swift:12\", found \"\(text)\"")
        }
        self.init(file: String(text[..<colon]), line: line)
    }

    /// Writes `"file:line"`.
    public func encode(to encoder: any Encoder) throws {
        var box = encoder.singleValueContainer()
        try box.encode("\(file):\(line)")
    }
}

extension Seconds: Codable {
    package init(from decoder: any Decoder) throws {
        let box = try decoder.singleValueContainer()
        let number = try box.decode(Double.self)
        guard let read = Seconds(number) else {
            throw DecodingError.dataCorruptedError(
                in: box, debugDescription: "a time is a number of seconds below 292 years, found \(number)")
        }
        self = read
    }

    package func encode(to encoder: any Encoder) throws {
        var box = encoder.singleValueContainer()
        try box.encode(Double(nanoseconds) / 1e9)
    }
}

extension MessageTree: Codable {
    package init(from decoder: any Decoder) throws {
        let box = try decoder.singleValueContainer()
        if let status = try? box.decode(Int.self) {
            self = .statuses(low: status, high: status)
        } else if let method = try? box.decode(String.self) {
            self = .method(method)
        } else if let range = try? box.decode([Int].self), range.count == 2 {
            self = .statuses(low: range[0], high: range[1])
        } else {
            throw DecodingError.dataCorruptedError(
                in: box, debugDescription: "a message is \"INVITE\", 200 or [400, 699]")
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var box = encoder.singleValueContainer()
        switch self {
        case .method(let name): try box.encode(name)
        case .statuses(let low, let high): if low == high { try box.encode(low) } else { try box.encode([low, high]) }
        }
    }
}

extension OwnershipTree: Codable {
    private static let names: [(String, OwnershipTree)] = [
        ("branch", .branch), ("cseq", .cseq), ("tags", .tags), ("everything", .everything),
    ]

    package init(from decoder: any Decoder) throws {
        let box = try decoder.singleValueContainer()
        self = []
        for name in try box.decode([String].self) {
            guard let known = Self.names.first(where: { $0.0 == name }) else {
                throw DecodingError.dataCorruptedError(
                    in: box, debugDescription: "a raw step owns branch, cseq, tags or everything, found \"\(name)\"")
            }
            insert(known.1)
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var box = encoder.singleValueContainer()
        try box.encode(Self.names.filter { contains($0.1) }.map(\.0))
    }
}

extension Action: Codable {
    package init(from decoder: any Decoder) throws {
        let one = try OneCase(decoder, "a step")
        switch one.name {
        case "send": self = .send(try one.payload())
        case "sendRaw": self = .sendRaw(try one.payload())
        case "expect": self = .expect(try one.payload())
        case "expectNothing": self = .expectNothing(try one.payload())
        case "firstOf": self = .firstOf(try one.payload())
        case "pause": self = .pause(try one.payload())
        case "repeat": self = .repeated(try one.payload())
        case "if": self = .choose(try one.payload())
        case "inDialog": self = .inDialog(try one.payload())
        case "capture": self = .capture(try one.payload())
        case "set": self = .set(try one.payload())
        case "require": self = .require(try one.payload())
        case "mark": self = .mark(try one.payload())
        case "measure": self = .measure(try one.payload())
        case "noAck": self = .noAck
        case "signal": self = .signal(try one.payload())
        case "awaitSignal": self = .awaitSignal(try one.payload())
        case "fail": self = .fail(try one.payload())
        case "finish": self = .finish(try one.payload())
        case "credentials": self = .credentials(try one.payload())
        case "authenticate": self = .authenticate(try one.payload())
        case "sendMedia": self = .sendMedia(try one.payload())
        case "notified": self = .notified(try one.payload())
        case "correlate": self = .correlate(try one.payload())
        default: throw one.unknown("the step")
        }
    }

    package func encode(to encoder: any Encoder) throws {
        switch self {
        case .send(let tree): try encoder.put("send", tree)
        case .sendRaw(let tree): try encoder.put("sendRaw", tree)
        case .expect(let tree): try encoder.put("expect", tree)
        case .expectNothing(let tree): try encoder.put("expectNothing", tree)
        case .firstOf(let tree): try encoder.put("firstOf", tree)
        case .pause(let tree): try encoder.put("pause", tree)
        case .repeated(let tree): try encoder.put("repeat", tree)
        case .choose(let tree): try encoder.put("if", tree)
        case .inDialog(let tree): try encoder.put("inDialog", tree)
        case .capture(let tree): try encoder.put("capture", tree)
        case .set(let tree): try encoder.put("set", tree)
        case .require(let tree): try encoder.put("require", tree)
        case .mark(let tree): try encoder.put("mark", tree)
        case .measure(let tree): try encoder.put("measure", tree)
        case .noAck: try encoder.put("noAck", Nothing())
        case .signal(let tree): try encoder.put("signal", tree)
        case .awaitSignal(let tree): try encoder.put("awaitSignal", tree)
        case .fail(let tree): try encoder.put("fail", tree)
        case .finish(let tree): try encoder.put("finish", tree)
        case .credentials(let tree): try encoder.put("credentials", tree)
        case .authenticate(let tree): try encoder.put("authenticate", tree)
        case .sendMedia(let tree): try encoder.put("sendMedia", tree)
        case .notified(let tree): try encoder.put("notified", tree)
        case .correlate(let tree): try encoder.put("correlate", tree)
        }
    }
}

extension Part: Codable {
    package init(from decoder: any Decoder) throws {
        let one = try OneCase(decoder, "a part of a message")
        switch one.name {
        case "header": self = .header(try one.payload())
        case "without": self = .without(try one.payload())
        case "body": self = .body(try one.payload())
        case "offer": self = .offer(try one.payload())
        case "answer": self = .answer
        case "startLine": self = .startLine(try one.payload())
        case "bytes": self = .bytes(try one.payload())
        default: throw one.unknown("the part of a message")
        }
    }

    package func encode(to encoder: any Encoder) throws {
        switch self {
        case .header(let tree): try encoder.put("header", tree)
        case .without(let tree): try encoder.put("without", tree)
        case .body(let tree): try encoder.put("body", tree)
        case .offer(let tree): try encoder.put("offer", tree)
        case .answer: try encoder.put("answer", Nothing())
        case .startLine(let tree): try encoder.put("startLine", tree)
        case .bytes(let tree): try encoder.put("bytes", tree)
        }
    }
}

extension DelayTree: Codable {
    package init(from decoder: any Decoder) throws {
        let one = try OneCase(decoder, "a pause")
        switch one.name {
        case "fixed": self = .fixed(try one.payload())
        case "uniform":
            let f = try one.fields()
            self = .uniform(
                low: try f.decode(Seconds.self, forKey: Key("low")),
                high: try f.decode(Seconds.self, forKey: Key("high")))
        case "exponential": self = .exponential(mean: try one.fields().decode(Seconds.self, forKey: Key("mean")))
        case "lognormal":
            let f = try one.fields()
            self = .lognormal(
                median: try f.decode(Seconds.self, forKey: Key("median")),
                sigma: try f.decode(Double.self, forKey: Key("sigma")))
        case "weibull":
            let f = try one.fields()
            self = .weibull(
                shape: try f.decode(Double.self, forKey: Key("shape")),
                scale: try f.decode(Seconds.self, forKey: Key("scale")))
        case "empirical": self = .empirical(try one.payload())
        case "value": self = .value(try one.payload())
        case "part":
            let f = try one.fields()
            self = .part(
                low: try f.decode(Double.self, forKey: Key("low")),
                high: try f.decode(Double.self, forKey: Key("high")),
                of: try f.decode(ValueTree.self, forKey: Key("of")))
        default: throw one.unknown("the distribution")
        }
    }

    package func encode(to encoder: any Encoder) throws {
        switch self {
        case .fixed(let time): try encoder.put("fixed", time)
        case .uniform(let low, let high):
            var f = encoder.fields("uniform")
            try f.encode(low, forKey: Key("low"))
            try f.encode(high, forKey: Key("high"))
        case .exponential(let mean):
            var f = encoder.fields("exponential")
            try f.encode(mean, forKey: Key("mean"))
        case .lognormal(let median, let sigma):
            var f = encoder.fields("lognormal")
            try f.encode(median, forKey: Key("median"))
            try f.encode(sigma, forKey: Key("sigma"))
        case .weibull(let shape, let scale):
            var f = encoder.fields("weibull")
            try f.encode(shape, forKey: Key("shape"))
            try f.encode(scale, forKey: Key("scale"))
        case .empirical(let list): try encoder.put("empirical", list)
        case .value(let value): try encoder.put("value", value)
        case .part(let low, let high, let value):
            var f = encoder.fields("part")
            try f.encode(low, forKey: Key("low"))
            try f.encode(high, forKey: Key("high"))
            try f.encode(value, forKey: Key("of"))
        }
    }
}
