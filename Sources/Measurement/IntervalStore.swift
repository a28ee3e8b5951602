import Glibc

/// The closed intervals of one worker, kept in bounded memory.
///
/// An interval is a block of variable-length integers: the counters that moved, then for each delay with samples its
/// index + 1 and its buckets, and a 0 at the end. Counters and buckets are pairs (distance to the index before, amount),
/// closed by a 0; the first distance counts from -1. Blocks form a list by time. When they exceed the limit the grid is
/// doubled, and each further interval merges a few of the oldest that now share a cell, so that no single call takes long.
struct IntervalStore {
    private struct Node {
        var block: UnsafeMutablePointer<UInt8>
        var octets: Int
        /// Nominal intervals since the epoch at which it begins.
        var cell: Int
        var startedAt: MonotonicInstant
        var endedAt: MonotonicInstant
        var liveRunsAtEnd: Int
        var mostLiveRuns: Int
        var next: Int32
    }

    /// Merges per interval while the grid is being coarsened.
    private static let mergesPerClose = 3
    private static let mostNodes = 1 << 18

    private let epoch: MonotonicInstant
    private let nominalNanoseconds: Int64
    private let limitOctets: Int
    private var nodes: [Node] = []
    private var freeNodes: [Int32] = []
    private var head: Int32 = -1
    private var tail: Int32 = -1
    private var cursor: Int32 = -1
    private var count = 0
    private(set) var octets = 0
    /// Cells of the nominal grid that one interval of the current grid spans: a power of two.
    private var cellsPerInterval = 1
    private var merged: [UInt8] = []

    var targetNanoseconds: Int64 { nominalNanoseconds * Int64(cellsPerInterval) }

    init(epoch: MonotonicInstant, nominalNanoseconds: Int64, limitOctets: Int) {
        self.epoch = epoch
        self.nominalNanoseconds = max(1, nominalNanoseconds)
        self.limitOctets = max(limitOctets, 64 << 10)
        nodes.reserveCapacity(4_096)
    }

    mutating func append(
        _ block: [UInt8], startedAt: MonotonicInstant, endedAt: MonotonicInstant, liveRuns: Int
    ) {
        // Rounded, since a worker closes a little after the grid point.
        let cell = Int((startedAt.nanoseconds(since: epoch) + nominalNanoseconds / 2) / nominalNanoseconds)
        let node = Node(
            block: Self.copy(block), octets: block.count, cell: max(0, cell), startedAt: startedAt, endedAt: endedAt,
            liveRunsAtEnd: liveRuns, mostLiveRuns: liveRuns, next: -1)
        let settled = isSettled
        var index = Int32(truncatingIfNeeded: nodes.count)
        if let free = freeNodes.popLast() {
            index = free
            nodes[Int(free)] = node
        } else {
            nodes.append(node)
        }
        if tail >= 0 { nodes[Int(tail)].next = index } else { head = index }
        tail = index
        if cursor < 0 { cursor = head }
        octets += block.count
        count += 1
        if octets > limitOctets || count > Self.mostNodes, settled {
            cellsPerInterval *= 2
            cursor = head
        }
        if cellsPerInterval > 1 { mergeSome(Self.mergesPerClose) }
    }

    /// All intervals, oldest first, on the final grid. Empties the store.
    mutating func takeAll() -> [EncodedInterval] {
        cursor = head
        if cellsPerInterval > 1 { mergeSome(.max) }
        var result: [EncodedInterval] = []
        result.reserveCapacity(count)
        var index = head
        while index >= 0 {
            let node = nodes[Int(index)]
            result.append(
                EncodedInterval(
                    startedAt: node.startedAt, endedAt: node.endedAt, cell: node.cell,
                    liveRunsAtEnd: node.liveRunsAtEnd, mostLiveRuns: node.mostLiveRuns,
                    octets: Array(UnsafeBufferPointer(start: node.block, count: node.octets))))
            node.block.deallocate()
            index = node.next
        }
        nodes = []
        freeNodes = []
        (head, tail, cursor, count, octets) = (-1, -1, -1, 0, 0)
        return result
    }

    /// All that can be merged on the current grid is merged. Asked before a new interval is linked.
    private var isSettled: Bool { cellsPerInterval == 1 || cursor < 0 || nodes[Int(cursor)].next < 0 }

    private mutating func mergeSome(_ most: Int) {
        var left = most
        // Cells that need no merge cost a step each; bounded as well.
        var steps = most == .max ? Int.max : 64
        while left > 0, steps > 0, cursor >= 0 {
            let next = nodes[Int(cursor)].next
            guard next >= 0 else { return }
            steps -= 1
            if nodes[Int(cursor)].cell / cellsPerInterval == nodes[Int(next)].cell / cellsPerInterval {
                merge(next, into: cursor)
                left -= 1
            } else {
                cursor = next
            }
        }
    }

    private mutating func merge(_ later: Int32, into earlier: Int32) {
        let a = nodes[Int(earlier)]
        let b = nodes[Int(later)]
        merged.removeAll(keepingCapacity: true)
        mergeIntervalBlocks(
            UnsafeBufferPointer(start: a.block, count: a.octets), UnsafeBufferPointer(start: b.block, count: b.octets),
            into: &merged)
        octets += merged.count - a.octets - b.octets
        count -= 1
        a.block.deallocate()
        b.block.deallocate()
        nodes[Int(earlier)].block = Self.copy(merged)
        nodes[Int(earlier)].octets = merged.count
        nodes[Int(earlier)].endedAt = b.endedAt
        nodes[Int(earlier)].liveRunsAtEnd = b.liveRunsAtEnd
        nodes[Int(earlier)].mostLiveRuns = max(a.mostLiveRuns, b.mostLiveRuns)
        nodes[Int(earlier)].next = b.next
        if tail == later { tail = earlier }
        freeNodes.append(later)
    }

    private static func copy(_ octets: [UInt8]) -> UnsafeMutablePointer<UInt8> {
        let block = UnsafeMutablePointer<UInt8>.allocate(capacity: max(1, octets.count))
        octets.withUnsafeBufferPointer { if let base = $0.baseAddress { block.update(from: base, count: $0.count) } }
        return block
    }
}

/// One worker's interval as it was kept.
struct EncodedInterval: Sendable {
    var startedAt: MonotonicInstant
    var endedAt: MonotonicInstant
    /// Nominal intervals since the epoch at which it begins.
    var cell: Int
    var liveRunsAtEnd: Int
    var mostLiveRuns: Int
    var octets: [UInt8]
}
