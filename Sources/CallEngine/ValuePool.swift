import ScenarioDSL
import SIPWire

/// Values, conditions, texts and patterns of a program as flat tables: read while a call runs without touching an enum
/// payload or a String.
package struct ValuePool: Sendable {
    package struct Node: Sendable, Equatable {
        package var kind: Kind
        package var a: Int32 = 0
        package var b: Int32 = 0
        package var c: Int32 = 0
    }

    package enum Kind: UInt8, Sendable {
        /// a: text.
        case text
        /// a: first child in `children`, b: how many.
        case joined
        case variable, setting
        /// a: `BoundFeedColumn`, b: which of the run's rows.
        case feed
        /// a: `Field`, b: dialog.
        case field
        /// a: digits.
        case random
        /// a: `HeaderName`, b: text of the name, c: nth.
        case header
        /// a: text of the name, b: child.
        case parameter
        /// a: part, b: child.
        case uriPart
        /// a: text of the name, b: child.
        case uriHeader
        /// a: child.
        case escaped
        case sdpConnection
        case sdpPort
        case sdpAttribute
        case ownBinding, body, status, reasonPhrase, method, requestURI
        /// a: pattern, b: child.
        case matching
        /// a: child.
        case length
        /// a, b: children.
        case plus, minus, times
        /// The answer to the offer in text a child (RFC 3264 §6). a: child with the offer or -1: the body at hand.
        case answer
        /// Conditions. a, b: children; pattern in b for `matches`.
        case equal, notEqual, less, lessOrEqual, greater, greaterOrEqual
        case exists, contains, hasPrefix, matches
        case all, any, not
        case unborn
    }

    package enum Field: Int32, Sendable {
        case domain, target, localAddress, localPort, localURI, remoteURI, callID, localTag, remoteTag, cseq, runNumber
        case party, unixTime, remoteTarget
    }

    package var nodes: [Node] = []
    package var children: [Int32] = []
    package var texts: [[UInt8]] = []
    package var patterns: [String] = []
    private var textIndex: [[UInt8]: Int] = [:]

    package init() {}

    package mutating func text(_ string: String) -> Int { text(Array(string.utf8)) }

    package mutating func text(_ octets: [UInt8]) -> Int {
        if let known = textIndex[octets] { return known }
        texts.append(octets)
        textIndex[octets] = texts.count - 1
        return texts.count - 1
    }

    package mutating func add(_ node: Node) -> Int {
        nodes.append(node)
        return nodes.count - 1
    }

    package mutating func literal(_ octets: [UInt8]) -> Int {
        let index = text(octets)
        return add(Node(kind: .text, a: Int32(index)))
    }

    package mutating func list(_ kind: Kind, _ members: [Int]) -> Int {
        let first = children.count
        children.append(contentsOf: members.map(Int32.init))
        return add(Node(kind: kind, a: Int32(first), b: Int32(members.count)))
    }

    /// Lowers a value. `variable` and `party` resolve names that only the compiler knows.
    package mutating func lower(_ tree: ValueTree, names: some ValueNames) -> Int {
        switch tree {
        case .text(let s): return literal(Array(s.utf8))
        case .number(let n): return literal(Array(String(n).utf8))
        case .joined(let parts):
            let members = parts.map { lower($0, names: names) }
            return list(.joined, members)
        case .variable(let name): return add(Node(kind: .variable, a: Int32(names.variable(name))))
        case .setting(let name, _): return add(Node(kind: .setting, a: Int32(text(name))))
        case .feed(let feed, let column):
            let place = names.feed(feed, column)
            return add(Node(kind: .feed, a: Int32(place.column), b: Int32(place.record)))
        case .field(let field):
            return add(Node(kind: .field, a: Self.field(field).rawValue, b: Int32(names.dialogAtHand)))
        case .dialogField(let field, let dialog):
            return add(Node(kind: .field, a: Self.field(field).rawValue, b: Int32(names.dialog(dialog))))
        case .uriHeader(let name, let of):
            let child = lower(of, names: names)
            return add(Node(kind: .uriHeader, a: Int32(text(name)), b: Int32(child)))
        case .escaped(let of):
            let child = lower(of, names: names)
            return add(Node(kind: .escaped, a: Int32(child)))
        case .random(let digits): return add(Node(kind: .random, a: Int32(clamping: digits)))
        case .partyURI(let party):
            // A party's address of record is known to the worker; it is written as a setting of a reserved name.
            return add(Node(kind: .setting, a: Int32(text("\u{1}party:" + String(names.party(party))))))
        case .header(let name, let nth):
            let known = HeaderName(token: name)
            return add(
                Node(kind: .header, a: Int32(known.rawValue), b: Int32(text(name)), c: Int32(clamping: nth)))
        case .parameter(let name, let of):
            let child = lower(of, names: names)
            return add(Node(kind: .parameter, a: Int32(text(name)), b: Int32(child)))
        case .uriPart(let part, let of):
            let child = lower(of, names: names)
            let code: Int32 =
                switch part {
                case .uri: 0
                case .user: 1
                case .host: 2
                case .port: 3
                case .withoutHeaders: 4
                }
            return add(Node(kind: .uriPart, a: code, b: Int32(child)))
        case .sdp(.connectionAddress): return add(Node(kind: .sdpConnection))
        case .sdp(.mediaPort(let index)): return add(Node(kind: .sdpPort, a: Int32(clamping: index)))
        case .sdp(.attribute(let name)): return add(Node(kind: .sdpAttribute, a: Int32(text(name))))
        case .ownBinding: return add(Node(kind: .ownBinding))
        case .body: return add(Node(kind: .body))
        case .status: return add(Node(kind: .status))
        case .reasonPhrase: return add(Node(kind: .reasonPhrase))
        case .method: return add(Node(kind: .method))
        case .requestURI: return add(Node(kind: .requestURI))
        case .matching(let pattern, let of):
            let child = lower(of, names: names)
            return add(Node(kind: .matching, a: Int32(self.pattern(pattern)), b: Int32(child)))
        case .length(let of):
            let child = lower(of, names: names)
            return add(Node(kind: .length, a: Int32(child)))
        case .arithmetic(let sign, let left, let right):
            let a = lower(left, names: names)
            let b = lower(right, names: names)
            let kind: Kind =
                switch sign {
                case .plus: .plus
                case .minus: .minus
                case .times: .times
                }
            return add(Node(kind: kind, a: Int32(a), b: Int32(b)))
        case .unborn: return add(Node(kind: .unborn))
        }
    }

    package mutating func lower(_ tree: ConditionTree, names: some ValueNames) -> Int {
        switch tree {
        case .compare(let sign, let left, let right):
            let a = lower(left, names: names)
            let b = lower(right, names: names)
            let kind: Kind =
                switch sign {
                case .equal: .equal
                case .notEqual: .notEqual
                case .less: .less
                case .lessOrEqual: .lessOrEqual
                case .greater: .greater
                case .greaterOrEqual: .greaterOrEqual
                }
            return add(Node(kind: kind, a: Int32(a), b: Int32(b)))
        case .exists(let value):
            let child = lower(value, names: names)
            return add(Node(kind: .exists, a: Int32(child)))
        case .contains(let value, let part):
            let a = lower(value, names: names)
            let b = lower(part, names: names)
            return add(Node(kind: .contains, a: Int32(a), b: Int32(b)))
        case .hasPrefix(let value, let prefix):
            let a = lower(value, names: names)
            let b = lower(prefix, names: names)
            return add(Node(kind: .hasPrefix, a: Int32(a), b: Int32(b)))
        case .matches(let value, let pattern):
            let child = lower(value, names: names)
            return add(Node(kind: .matches, a: Int32(child), b: Int32(self.pattern(pattern))))
        case .all(let members):
            let lowered = members.map { lower($0, names: names) }
            return list(.all, lowered)
        case .any(let members):
            let lowered = members.map { lower($0, names: names) }
            return list(.any, lowered)
        case .not(let member):
            let child = lower(member, names: names)
            return add(Node(kind: .not, a: Int32(child)))
        }
    }

    private mutating func pattern(_ text: String) -> Int {
        if let known = patterns.firstIndex(of: text) { return known }
        patterns.append(text)
        return patterns.count - 1
    }

    private static func field(_ field: FieldTree) -> Field {
        switch field {
        case .domain: .domain
        case .target: .target
        case .localAddress: .localAddress
        case .localPort: .localPort
        case .localURI: .localURI
        case .remoteURI: .remoteURI
        case .callID: .callID
        case .localTag: .localTag
        case .remoteTag: .remoteTag
        case .cseq: .cseq
        case .runNumber: .runNumber
        case .party: .party
        case .unixTime: .unixTime
        case .remoteTarget: .remoteTarget
        }
    }
}

/// What the compiler tells the pool about names.
package protocol ValueNames {
    func variable(_ name: String) -> Int
    func party(_ name: String) -> Int
    /// The dialog that the step at hand belongs to.
    var dialogAtHand: Int { get }
    func dialog(_ name: String) -> Int
    /// The column among those that the program reads, and the record of a run's row.
    func feed(_ feed: FeedTree, _ column: String) -> (column: Int, record: Int)
}
