/// The names of a feed's columns, in order.
public struct ColumnNames: Equatable, Sendable {
    /// The file or the feed they belong to, for messages.
    public let source: String
    public let names: [String]

    public var count: Int { names.count }

    /// The number of the column with this name.
    /// - Throws: which columns there are, and the one that was probably meant.
    public func index(of name: String) throws(FeedError) -> Int {
        if let index = names.firstIndex(of: name) { return index }
        let known = names.count == 1 ? "there is only \(names[0])" : "there are \(names.joined(separator: ", "))"
        let meant = nearest(to: name).map { "; did you mean \"\($0)\"?" } ?? ""
        throw FeedError(source, "no column \"\(name)\" (\(known))\(meant)")
    }

    /// The name that differs by a slip of the finger only.
    private func nearest(to name: String) -> String? {
        var best: (name: String, distance: Int)?
        let wanted = Array(name.lowercased())
        for candidate in names {
            let distance = slips(between: wanted, and: Array(candidate.lowercased()))
            if distance < best?.distance ?? .max { best = (candidate, distance) }
        }
        guard let best, best.distance <= max(1, wanted.count / 3) else { return nil }
        return best.name
    }
}

/// Insertions, deletions, replacements and swaps of neighbours that make one word of the other.
private func slips(between a: [Character], and b: [Character]) -> Int {
    var beforeLast: [Int] = []
    var last = Array(0...b.count)
    for i in a.indices {
        var row = [i + 1]
        for j in b.indices {
            var least = min(last[j + 1] + 1, row[j] + 1, last[j] + (a[i] == b[j] ? 0 : 1))
            if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { least = min(least, beforeLast[j - 1] + 1) }
            row.append(least)
        }
        beforeLast = last
        last = row
    }
    return last[b.count]
}
