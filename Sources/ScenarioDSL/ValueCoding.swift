// The JSON form of values and conditions. A text and a number are themselves; all else is an object with one key.

extension ValueTree: Codable {
    package init(from decoder: any Decoder) throws {
        if let box = try? decoder.singleValueContainer() {
            if let number = try? box.decode(Int.self) {
                self = .number(number)
                return
            }
            if let text = try? box.decode(String.self) {
                self = .text(text)
                return
            }
        }
        let one = try OneCase(decoder, "a value that is neither text nor number")
        switch one.name {
        case "joined": self = .joined(try one.payload())
        case "variable": self = .variable(try one.payload())
        case "setting":
            let f = try one.fields()
            self = .setting(
                name: try f.decode(String.self, forKey: Key("name")),
                fallback: try f.decodeIfPresent(String.self, forKey: Key("fallback")))
        case "feed":
            let f = try one.fields()
            self = .feed(
                try f.decode(FeedTree.self, forKey: Key("of")), column: try f.decode(String.self, forKey: Key("column"))
            )
        case "field": self = .field(try one.payload())
        case "random": self = .random(digits: try one.fields().decode(Int.self, forKey: Key("digits")))
        case "partyURI": self = .partyURI(try one.payload())
        case "header":
            let f = try one.fields()
            self = .header(
                name: try f.decode(String.self, forKey: Key("name")),
                nth: try f.decodeIfPresent(Int.self, forKey: Key("nth")) ?? 0)
        case "parameter":
            let f = try one.fields()
            self = .parameter(
                name: try f.decode(String.self, forKey: Key("name")), of: try f.decode(Self.self, forKey: Key("of")))
        case "uriPart":
            let f = try one.fields()
            self = .uriPart(
                try f.decode(URIPartTree.self, forKey: Key("part")), of: try f.decode(Self.self, forKey: Key("of")))
        case "dialogField":
            let f = try one.fields()
            self = .dialogField(
                try f.decode(FieldTree.self, forKey: Key("field")),
                dialog: try f.decode(String.self, forKey: Key("dialog")))
        case "uriHeader":
            let f = try one.fields()
            self = .uriHeader(
                name: try f.decode(String.self, forKey: Key("name")), of: try f.decode(Self.self, forKey: Key("of")))
        case "escaped": self = .escaped(of: try one.fields().decode(Self.self, forKey: Key("of")))
        case "sdp": self = .sdp(try one.payload())
        case "ownBinding": self = .ownBinding
        case "body": self = .body
        case "status": self = .status
        case "reasonPhrase": self = .reasonPhrase
        case "method": self = .method
        case "requestURI": self = .requestURI
        case "matching":
            let f = try one.fields()
            self = .matching(
                pattern: try f.decode(String.self, forKey: Key("pattern")),
                of: try f.decode(Self.self, forKey: Key("of")))
        case "length": self = .length(of: try one.fields().decode(Self.self, forKey: Key("of")))
        case "arithmetic":
            let f = try one.fields()
            self = .arithmetic(
                try f.decode(ArithmeticTree.self, forKey: Key("sign")),
                try f.decode(Self.self, forKey: Key("left")), try f.decode(Self.self, forKey: Key("right")))
        case "unborn": self = .unborn
        default: throw one.unknown("the value")
        }
    }

    package func encode(to encoder: any Encoder) throws {
        switch self {
        case .text(let text):
            var box = encoder.singleValueContainer()
            try box.encode(text)
        case .number(let number):
            var box = encoder.singleValueContainer()
            try box.encode(number)
        case .joined(let parts): try encoder.put("joined", parts)
        case .variable(let name): try encoder.put("variable", name)
        case .setting(let name, let fallback):
            var f = encoder.fields("setting")
            try f.encode(name, forKey: Key("name"))
            try f.encodeIfPresent(fallback, forKey: Key("fallback"))
        case .feed(let feed, let column):
            var f = encoder.fields("feed")
            try f.encode(column, forKey: Key("column"))
            try f.encode(feed, forKey: Key("of"))
        case .field(let field): try encoder.put("field", field)
        case .random(let digits):
            var f = encoder.fields("random")
            try f.encode(digits, forKey: Key("digits"))
        case .partyURI(let party): try encoder.put("partyURI", party)
        case .header(let name, let nth):
            var f = encoder.fields("header")
            try f.encode(name, forKey: Key("name"))
            if nth != 0 { try f.encode(nth, forKey: Key("nth")) }
        case .parameter(let name, let value):
            var f = encoder.fields("parameter")
            try f.encode(name, forKey: Key("name"))
            try f.encode(value, forKey: Key("of"))
        case .uriPart(let part, let value):
            var f = encoder.fields("uriPart")
            try f.encode(part, forKey: Key("part"))
            try f.encode(value, forKey: Key("of"))
        case .dialogField(let field, let dialog):
            var f = encoder.fields("dialogField")
            try f.encode(field, forKey: Key("field"))
            try f.encode(dialog, forKey: Key("dialog"))
        case .uriHeader(let name, let value):
            var f = encoder.fields("uriHeader")
            try f.encode(name, forKey: Key("name"))
            try f.encode(value, forKey: Key("of"))
        case .escaped(let value):
            var f = encoder.fields("escaped")
            try f.encode(value, forKey: Key("of"))
        case .sdp(let field): try encoder.put("sdp", field)
        case .ownBinding: try encoder.put("ownBinding", true)
        case .body: try encoder.put("body", true)
        case .status: try encoder.put("status", true)
        case .reasonPhrase: try encoder.put("reasonPhrase", true)
        case .method: try encoder.put("method", true)
        case .requestURI: try encoder.put("requestURI", true)
        case .matching(let pattern, let value):
            var f = encoder.fields("matching")
            try f.encode(pattern, forKey: Key("pattern"))
            try f.encode(value, forKey: Key("of"))
        case .length(let value):
            var f = encoder.fields("length")
            try f.encode(value, forKey: Key("of"))
        case .arithmetic(let sign, let left, let right):
            var f = encoder.fields("arithmetic")
            try f.encode(sign, forKey: Key("sign"))
            try f.encode(left, forKey: Key("left"))
            try f.encode(right, forKey: Key("right"))
        case .unborn: try encoder.put("unborn", true)
        }
    }
}

extension SDPFieldTree: Codable {
    package init(from decoder: any Decoder) throws {
        let one = try OneCase(decoder, "a field of a session description")
        switch one.name {
        case "connectionAddress": self = .connectionAddress
        case "mediaPort": self = .mediaPort(index: try one.payload())
        case "attribute": self = .attribute(try one.payload())
        default: throw one.unknown("the field of a session description")
        }
    }

    package func encode(to encoder: any Encoder) throws {
        switch self {
        case .connectionAddress: try encoder.put("connectionAddress", true)
        case .mediaPort(let index): try encoder.put("mediaPort", index)
        case .attribute(let name): try encoder.put("attribute", name)
        }
    }
}

extension ConditionTree: Codable {
    package init(from decoder: any Decoder) throws {
        let one = try OneCase(decoder, "a condition")
        switch one.name {
        case "compare":
            let f = try one.fields()
            self = .compare(
                try f.decode(ComparisonTree.self, forKey: Key("sign")),
                try f.decode(ValueTree.self, forKey: Key("left")), try f.decode(ValueTree.self, forKey: Key("right")))
        case "exists": self = .exists(try one.payload())
        case "contains":
            let f = try one.fields()
            self = .contains(
                try f.decode(ValueTree.self, forKey: Key("value")),
                part: try f.decode(ValueTree.self, forKey: Key("part")))
        case "hasPrefix":
            let f = try one.fields()
            self = .hasPrefix(
                try f.decode(ValueTree.self, forKey: Key("value")),
                prefix: try f.decode(ValueTree.self, forKey: Key("prefix")))
        case "matches":
            let f = try one.fields()
            self = .matches(
                try f.decode(ValueTree.self, forKey: Key("value")),
                pattern: try f.decode(String.self, forKey: Key("pattern")))
        case "all": self = .all(try one.payload())
        case "any": self = .any(try one.payload())
        case "not": self = .not(try one.payload())
        default: throw one.unknown("the condition")
        }
    }

    package func encode(to encoder: any Encoder) throws {
        switch self {
        case .compare(let sign, let left, let right):
            var f = encoder.fields("compare")
            try f.encode(sign, forKey: Key("sign"))
            try f.encode(left, forKey: Key("left"))
            try f.encode(right, forKey: Key("right"))
        case .exists(let value): try encoder.put("exists", value)
        case .contains(let value, let part):
            var f = encoder.fields("contains")
            try f.encode(value, forKey: Key("value"))
            try f.encode(part, forKey: Key("part"))
        case .hasPrefix(let value, let prefix):
            var f = encoder.fields("hasPrefix")
            try f.encode(value, forKey: Key("value"))
            try f.encode(prefix, forKey: Key("prefix"))
        case .matches(let value, let pattern):
            var f = encoder.fields("matches")
            try f.encode(value, forKey: Key("value"))
            try f.encode(pattern, forKey: Key("pattern"))
        case .all(let list): try encoder.put("all", list)
        case .any(let list): try encoder.put("any", list)
        case .not(let condition): try encoder.put("not", condition)
        }
    }
}
