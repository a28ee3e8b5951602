// Feeds as data: each value that reads one carries what it is, so that a value can be read by itself.

/// Where rows come from and which run gets which. In JSON
/// `{"name": "users", "at": "call.swift:3", "policy": "sequential", "file": "users.csv"}`.
package struct FeedTree: Sendable, Hashable {
    package var name: String
    /// Where it is declared.
    package var at: Spot
    package var policy: FeedPolicyTree
    package var source: FeedSourceTree

    package init(name: String, at: Spot, policy: FeedPolicyTree, source: FeedSourceTree) {
        self.name = name
        self.at = at
        self.policy = policy
        self.source = source
    }

    /// `data/users.csv` is `users`.
    package static func name(ofPath path: String) -> String {
        let file = path.split(separator: "/").last.map(String.init) ?? path
        guard let dot = file.lastIndex(of: "."), dot != file.startIndex else { return file }
        return String(file[..<dot])
    }

    /// What it is made of, for listings.
    package var sourceText: String {
        switch source {
        case .file(let path, _): path
        case .rows(let columns, _): columns.map(\.values.text).joined(separator: ", ")
        }
    }
}

package enum FeedPolicyTree: String, Sendable, Hashable, Codable, CaseIterable {
    case sequential, once, random, unique, exclusive
}

package enum FeedSourceTree: Sendable, Hashable {
    /// As it is written in the scenario. `columns` where the file has no line of names.
    case file(path: String, columns: [String]?)
    /// `count`: nil where the columns say it.
    case rows(columns: [FeedColumnTree], count: Int?)
}

package struct FeedColumnTree: Sendable, Hashable, Codable {
    package var name: String
    package var values: FeedValuesTree
}

/// Nothing of it is checked here: that is done where the rows are made.
package enum FeedValuesTree: Sendable, Hashable {
    case numbers(from: String, count: Int)
    case integers(from: Int, through: Int, step: Int)
    case pattern(String)

    var text: String {
        switch self {
        case .numbers(let first, let count): "\(count) numbers from \(first)"
        case .integers(let first, let last, let step): "\(first) to \(last)" + (step == 1 ? "" : " by \(step)")
        case .pattern(let text): "\"\(text)\""
        }
    }
}

extension FeedTree: Codable {
    package init(from decoder: any Decoder) throws {
        let f = try decoder.container(keyedBy: Key.self)
        name = try f.decode(String.self, forKey: Key("name"))
        at = try f.decode(Spot.self, forKey: Key("at"))
        let text = try f.decode(String.self, forKey: Key("policy"))
        guard let known = FeedPolicyTree(rawValue: text) else {
            let all = FeedPolicyTree.allCases.map(\.rawValue).joined(separator: ", ")
            throw DecodingError.dataCorruptedError(
                forKey: Key("policy"), in: f,
                debugDescription: "the policy of a feed is one of \(all), found \"\(text)\"")
        }
        policy = known
        if let path = try f.decodeIfPresent(String.self, forKey: Key("file")) {
            source = .file(path: path, columns: try f.decodeIfPresent([String].self, forKey: Key("columns")))
        } else {
            source = .rows(
                columns: try f.decode([FeedColumnTree].self, forKey: Key("columns")),
                count: try f.decodeIfPresent(Int.self, forKey: Key("rows")))
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var f = encoder.container(keyedBy: Key.self)
        try f.encode(name, forKey: Key("name"))
        try f.encode(at, forKey: Key("at"))
        try f.encode(policy.rawValue, forKey: Key("policy"))
        switch source {
        case .file(let path, let columns):
            try f.encode(path, forKey: Key("file"))
            try f.encodeIfPresent(columns, forKey: Key("columns"))
        case .rows(let columns, let count):
            try f.encode(columns, forKey: Key("columns"))
            try f.encodeIfPresent(count, forKey: Key("rows"))
        }
    }
}

extension FeedValuesTree: Codable {
    package init(from decoder: any Decoder) throws {
        let one = try OneCase(decoder, "the values of a column")
        switch one.name {
        case "numbers":
            let f = try one.fields()
            self = .numbers(
                from: try f.decode(String.self, forKey: Key("from")),
                count: try f.decode(Int.self, forKey: Key("count")))
        case "integers":
            let f = try one.fields()
            self = .integers(
                from: try f.decode(Int.self, forKey: Key("from")),
                through: try f.decode(Int.self, forKey: Key("through")),
                step: try f.decodeIfPresent(Int.self, forKey: Key("by")) ?? 1)
        case "pattern": self = .pattern(try one.payload())
        default: throw one.unknown("the kind of values")
        }
    }

    package func encode(to encoder: any Encoder) throws {
        switch self {
        case .numbers(let first, let count):
            var f = encoder.fields("numbers")
            try f.encode(first, forKey: Key("from"))
            try f.encode(count, forKey: Key("count"))
        case .integers(let first, let last, let step):
            var f = encoder.fields("integers")
            try f.encode(first, forKey: Key("from"))
            try f.encode(last, forKey: Key("through"))
            if step != 1 { try f.encode(step, forKey: Key("by")) }
        case .pattern(let text): try encoder.put("pattern", text)
        }
    }
}
