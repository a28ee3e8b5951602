import CallEngine
import SIPWire

/// Brings the messages of an outbound log into an order in which equal ones stand together, so that one segmented send can
/// carry them.
///
/// Messages of one flow and one length form a group; groups leave in the order they were opened. A message joins the newest
/// group of its kind unless an earlier message of its owner stands in a younger group: then it opens a new one. So messages
/// of one owner keep the order of the log, and nothing else is promised.
///
/// Works on windows of the log, so that all its tables stay in the second-level cache.
struct SegmentGrouping: ~Copyable {
    /// Entries arranged at once.
    static let window = 1024
    /// The kernel cuts one send into at most 64 datagrams (UDP_MAX_SEGMENTS of older kernels).
    static let mostSegments = 64
    /// Octets of one send: a UDP datagram's 65,507 less a margin for lower layers.
    static let mostOctets = 65_000

    private struct Group {
        var flow: UInt32
        var length: Int32
        var first: Int16
        var last: Int16
        var count: Int16
    }

    /// Groups of the window in the order they leave.
    private let groups: UnsafeMutablePointer<Group>
    /// The next entry of the same group, from the window's first; -1 ends the list.
    private let following: UnsafeMutablePointer<Int16>
    /// By hash of flow and length: the serial of the newest group. Serials of earlier windows are below the window's and so
    /// need no clearing.
    private let newest: UnsafeMutablePointer<UInt32>
    /// By owner: the serial of the youngest group with one of its messages. Owners that share a place only keep more order
    /// than they need.
    private let youngest: UnsafeMutablePointer<UInt32>
    private var serial: UInt32 = 0

    private static let kinds = 512
    private static let owners = 8192

    init() {
        groups = .allocate(capacity: Self.window)
        following = .allocate(capacity: Self.window)
        newest = .allocate(capacity: Self.kinds)
        youngest = .allocate(capacity: Self.owners)
        newest.initialize(repeating: 0, count: Self.kinds)
        youngest.initialize(repeating: 0, count: Self.owners)
    }

    deinit {
        groups.deallocate()
        following.deallocate()
        newest.deallocate()
        youngest.deallocate()
    }

    /// Writes the indices of `count` entries from `first`, arranged, to `order`.
    /// - Precondition: `count` is at most `window`.
    mutating func arrange(
        _ log: borrowing OutboundLog, first: Int, count: Int, order: UnsafeMutablePointer<UInt32>
    ) {
        precondition(count <= Self.window)
        if serial > .max - UInt32(Self.window) {
            serial = 0
            newest.update(repeating: 0, count: Self.kinds)
            youngest.update(repeating: 0, count: Self.owners)
        }
        // The serial of group 0 of this window; serial 0 is "none".
        let base = serial &+ 1
        var opened = 0
        for i in 0..<count {
            let entry = log[first &+ i]
            let length = Int32(truncatingIfNeeded: entry.length)
            let kind = Self.kind(entry.flow.index, length)
            let owner = Int(entry.owner & UInt32(Self.owners - 1))
            let candidate = newest[kind]
            following[i] = -1
            if candidate >= base, candidate >= youngest[owner] {
                let group = groups + Int(candidate &- base)
                let members = Int(group.pointee.count)
                if group.pointee.flow == entry.flow.index, group.pointee.length == length,
                    members < Self.mostSegments, (members &+ 1) &* entry.length <= Self.mostOctets
                {
                    following[Int(group.pointee.last)] = Int16(truncatingIfNeeded: i)
                    group.pointee.last = Int16(truncatingIfNeeded: i)
                    group.pointee.count = Int16(truncatingIfNeeded: members &+ 1)
                    youngest[owner] = candidate
                    continue
                }
            }
            let place = Int16(truncatingIfNeeded: i)
            groups[opened] = Group(flow: entry.flow.index, length: length, first: place, last: place, count: 1)
            let opening = base &+ UInt32(opened)
            newest[kind] = opening
            youngest[owner] = opening
            opened &+= 1
        }
        serial = base &+ UInt32(opened)

        var written = 0
        for g in 0..<opened {
            var i = Int(groups[g].first)
            while i >= 0 {
                order[written] = UInt32(truncatingIfNeeded: first &+ i)
                written &+= 1
                i = Int(following[i])
            }
        }
    }

    @inline(__always)
    private static func kind(_ flow: UInt32, _ length: Int32) -> Int {
        let mixed = (flow &* 0x9E37_79B1) ^ (UInt32(bitPattern: length) &* 0x85EB_CA6B)
        return Int(mixed >> 23)
    }
}
