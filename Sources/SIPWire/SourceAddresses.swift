/// Local addresses that calls are sent from, each with a number: ranges in the order they were given. All of one family, port 0.
public struct SourceAddresses: Sendable, Equatable {
    struct Range: Sendable, Equatable {
        /// The first address, as `TransportAddress` has it, and how many follow one another.
        var high: UInt64
        var low: UInt64
        var count: Int
        /// Number of its first address.
        var number: Int
    }

    /// A number takes sixteen bits of a flow's.
    public static let most = 1 << 16

    private(set) var ranges: [Range] = []
    public private(set) var count = 0
    public private(set) var isIPv6 = false

    public init() {}

    public var isEmpty: Bool { count == 0 }

    /// What is wrong with a range that was to be added.
    public struct Problem: Error, Equatable {
        public var text: String
    }

    /// Adds `ADDR`, `ADDR/BITS` (RFC 4632 §3.1, RFC 4291 §2.3) or `ADDR-ADDR`.
    public mutating func add(_ text: String) throws(Problem) {
        if let slash = text.firstIndex(of: "/") {
            let first = try Self.address(text[..<slash])
            let width = first.isIPv6 ? 128 : 32
            guard let bits = Int(text[text.index(after: slash)...]), (0...width).contains(bits) else {
                throw Problem(
                    text: "\"\(text[text.index(after: slash)...])\" is no length of a prefix: from 0 to \(width)")
            }
            let free = width - bits
            guard free <= 16 else { throw Self.tooMany }
            let mask = UInt64(1) << UInt64(free) - 1
            guard first.low & mask == 0 else {
                var whole = first
                whole.low &= ~mask
                throw Problem(
                    text:
                        "\(first.bareText) is within a prefix of \(bits) bits and does not begin it: write \(whole.bareText)/\(bits)"
                        + " for all of it, or \(first.bareText) alone")
            }
            try add(first, 1 << free)
        } else if let dash = text.firstIndex(of: "-") {
            let first = try Self.address(text[..<dash])
            let last = try Self.address(text[text.index(after: dash)...])
            guard first.isIPv6 == last.isIPv6 else { throw Problem(text: "an IPv4 and an IPv6 address make no range") }
            guard (first.high, first.low) <= (last.high, last.low) else {
                throw Problem(text: "\(last.bareText) comes before \(first.bareText)")
            }
            let (span, borrow) = last.low.subtractingReportingOverflow(first.low)
            guard last.high &- first.high == (borrow ? 1 : 0), span < UInt64(Self.most) else { throw Self.tooMany }
            try add(first, Int(span) + 1)
        } else {
            try add(Self.address(text[...]), 1)
        }
    }

    private static var tooMany: Problem { Problem(text: "more than \(most) addresses") }

    private static func address(_ text: Substring) throws(Problem) -> TransportAddress {
        let octets = Array(text.utf8)
        let found = octets.withUnsafeBytes { bytes in
            bytes.baseAddress.flatMap {
                TransportAddress($0, host: OctetRange(offset: 0, length: UInt32(bytes.count)), port: 0)
            }
        }
        guard let found else { throw Problem(text: "\"\(text)\" is no IP address") }
        guard !found.isUnspecified else { throw Problem(text: "\(text) stands for any address and is none") }
        return found
    }

    private mutating func add(_ first: TransportAddress, _ number: Int) throws(Problem) {
        guard isEmpty || first.isIPv6 == isIPv6 else {
            throw Problem(text: "all are IPv4 addresses or all are IPv6 addresses: a call goes to one target")
        }
        guard count + number <= Self.most else { throw Self.tooMany }
        isIPv6 = first.isIPv6
        ranges.append(Range(high: first.high, low: first.low, count: number, number: count))
        count += number
    }

    /// The address with a number, which wraps: there is one for each.
    public subscript(number: Int) -> TransportAddress {
        let wanted = number % count
        let range = ranges.last { $0.number <= wanted }!
        let (low, overflow) = range.low.addingReportingOverflow(UInt64(wanted - range.number))
        var address = TransportAddress(ipv6High: range.high &+ (overflow ? 1 : 0), ipv6Low: low, port: 0)
        address.isIPv6 = isIPv6
        return address
    }

    /// The first number of an address; nil where it is none of them.
    public func number(of address: TransportAddress) -> Int? {
        for range in ranges {
            let (span, borrow) = address.low.subtractingReportingOverflow(range.low)
            if address.high &- range.high == (borrow ? 1 : 0), span < UInt64(range.count) {
                return range.number + Int(span)
            }
        }
        return nil
    }

    /// For the head of a run: `256 addresses, 10.0.0.0-10.0.0.255`.
    public var text: String {
        let shown = ranges.prefix(4).map { range in
            let first = self[range.number].bareText
            return range.count == 1 ? first : "\(first)-\(self[range.number + range.count - 1].bareText)"
        }
        let counted = count == 1 ? "one address" : "\(count) addresses"
        return "\(counted), \(shown.joined(separator: ", "))" + (ranges.count > 4 ? ", …" : "")
    }
}

/// Which source an arrival's run has.
public enum SourceOrder: Sendable, Equatable {
    /// One after the other, again and again.
    case sequential
    /// The same, but so many arrivals in a row from each: they leave in segmented sends together.
    case blocks(Int)
    /// Drawn from the seed and the arrival's number.
    case random

    /// The source's number for an arrival's, whatever worker has it.
    @inlinable
    public func source(ofRun run: UInt64, of count: Int, seed: UInt64) -> Int {
        switch self {
        case .sequential: return Int(run % UInt64(count))
        case .blocks(let length): return Int(run / UInt64(length) % UInt64(count))
        case .random:
            var z = (seed ^ 0xBB67_AE85_84CA_A73B) &+ run &* 0x9E37_79B9_7F4A_7C15
            z = (z ^ (z &>> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z &>> 27)) &* 0x94D0_49BB_1331_11EB
            return Int((z ^ (z &>> 31)) % UInt64(count))
        }
    }
}

extension TransportAddress {
    /// No address in particular.
    public static func unspecified(isIPv6: Bool, port: UInt16) -> TransportAddress {
        isIPv6 ? TransportAddress(ipv6High: 0, ipv6Low: 0, port: port) : TransportAddress(ipv4: 0, port: port)
    }

    public static func loopback(isIPv6: Bool) -> TransportAddress {
        isIPv6 ? TransportAddress(ipv6High: 0, ipv6Low: 1, port: 0) : TransportAddress(ipv4: 0x7F00_0001, port: 0)
    }

    /// The address without port and without brackets.
    public var bareText: String {
        withUnsafeTemporaryAllocation(byteCount: Self.longestText, alignment: 1) { buffer in
            let count = writeBare(to: buffer.baseAddress!)
            return String(decoding: UnsafeRawBufferPointer(rebasing: buffer[0..<count]), as: UTF8.self)
        }
    }
}
