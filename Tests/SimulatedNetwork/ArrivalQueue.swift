import SIPWire

/// Datagrams on their way: a binary heap by time of arrival, then by the order of sending.
struct ArrivalQueue {
    struct Arrival {
        var time: Int64
        var sequence: UInt64
        var from: TransportAddress
        var to: TransportAddress
        var octets: [UInt8]

        func precedes(_ other: Arrival) -> Bool {
            time != other.time ? time < other.time : sequence < other.sequence
        }
    }

    private var heap: [Arrival] = []
    private var sequence: UInt64 = 0

    /// When the next one arrives; nil when none is on its way.
    var nextTime: Int64? { heap.first?.time }

    mutating func push(_ octets: [UInt8], at time: Int64, from: TransportAddress, to: TransportAddress) {
        sequence += 1
        heap.append(Arrival(time: time, sequence: sequence, from: from, to: to, octets: octets))
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard heap[child].precedes(heap[parent]) else { break }
            heap.swapAt(child, parent)
            child = parent
        }
    }

    /// Only while `nextTime` is not nil.
    mutating func pop() -> Arrival {
        let first = heap[0]
        let last = heap.removeLast()
        if heap.isEmpty { return first }
        heap[0] = last
        var parent = 0
        while true {
            let left = 2 * parent + 1
            guard left < heap.count else { break }
            let right = left + 1
            let least = right < heap.count && heap[right].precedes(heap[left]) ? right : left
            guard heap[least].precedes(heap[parent]) else { break }
            heap.swapAt(least, parent)
            parent = least
        }
        return first
    }
}
