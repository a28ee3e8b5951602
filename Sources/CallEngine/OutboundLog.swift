import SIPWire

import Glibc

/// Messages rendered and not yet sent, in the order they were rendered: octets back to back in one region, one entry each.
///
/// The engine renders straight into the tail; the transport reads entries, groups what it can into segmented sends without
/// copying, and calls `removeAll()`. Written by the engine and read by its worker, on one thread.
public struct OutboundLog: ~Copyable {
    /// One message.
    public struct Entry {
        /// Where its octets start, from `octets`.
        public var offset: Int
        public var length: Int
        public var flow: Flow
        /// Call slot that sends it. Messages of one owner leave in the order of the log; others may change places.
        public var owner: UInt32
    }

    /// The longest message that can be rendered: what fits a UDP datagram and the largest body a scenario may carry on TCP.
    public static let longestMessage = 131_072
    /// What UDP over IPv4 carries at most (RFC 768, RFC 791): 65,535 octets without the two headers.
    public static let longestDatagram = 65_507
    static let capacity = 32 << 20
    public static let mostEntries = 32_768

    public let octets: UnsafeMutableRawPointer
    let entryStorage: UnsafeMutablePointer<Entry>
    public private(set) var count = 0
    private(set) var used = 0
    /// Of the entries from `separated` on, how many are for streams.
    private(set) var streams = 0
    /// Entries before this one are datagrams: what was for streams has been taken out of them.
    private var separated = 0
    /// Messages that found the log full. Each is a send that did not happen: counted as a dropped send.
    public private(set) var refused: UInt64 = 0

    public init() {
        let region = mmap(
            nil, Self.capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        precondition(region != MAP_FAILED, "no address space for the outbound log")
        octets = region!
        entryStorage = .allocate(capacity: Self.mostEntries)
    }

    deinit {
        munmap(octets, Self.capacity)
        entryStorage.deallocate()
    }

    public subscript(index: Int) -> Entry { entryStorage[index] }
    public var isEmpty: Bool { count == 0 }

    /// Half full: the engine stops taking on timers and arrivals until the transport has flushed.
    public var wantsFlush: Bool { count > Self.mostEntries / 2 || used > Self.capacity / 2 }

    /// Room for one message of up to `longestMessage` octets at the tail, or nil when the log is full (counted).
    @inline(__always)
    mutating func reserve() -> UnsafeMutableRawPointer? {
        if count == Self.mostEntries || used + Self.longestMessage > Self.capacity {
            refused += 1
            return nil
        }
        return octets + used
    }

    /// Makes the octets written at the tail a message.
    @inline(__always)
    mutating func commit(length: Int, flow: Flow, owner: UInt32) {
        entryStorage[count] = Entry(offset: used, length: length, flow: flow, owner: owner)
        count += 1
        used += length
        streams += Int(flow.index &>> 31)
    }

    /// Something is for streams: `takeStreams` gives it.
    public var hasStreams: Bool { streams > 0 }

    /// So many entries at the start are datagrams for certain. What a stream was answered with after `takeStreams`, and what stands behind
    /// it, waits for the next time.
    public var datagrams: Int { streams > 0 ? separated : count }

    /// There is nothing for streams: all that is here may leave, whatever comes behind it.
    public mutating func markDatagrams() { if streams == 0 { separated = count } }

    /// The datagrams have left; what is left for streams stays, with its octets.
    public mutating func removeDatagrams() {
        guard streams > 0 else { return removeAll() }
        let left = count - separated
        for place in 0..<left { entryStorage[place] = entryStorage[separated + place] }
        count = left
        separated = 0
    }

    /// Takes the entries for streams out of the log, in order. Their octets stay where they are until `removeAll`.
    /// - Parameter taken: room for `mostEntries`.
    /// - Returns: how many.
    public mutating func takeStreams(into taken: UnsafeMutablePointer<Entry>) -> Int {
        var number = 0
        var kept = separated
        for place in separated..<count {
            let entry = entryStorage[place]
            if entry.flow.isStream {
                taken[number] = entry
                number += 1
            } else {
                if kept != place { entryStorage[kept] = entry }
                kept += 1
            }
        }
        count = kept
        separated = kept
        streams = 0
        return number
    }

    /// Of entries whose connection has ended: they lead nowhere.
    public static var abandoned: Flow { Flow(index: .max) }

    /// Messages for this stream that have not been taken lead nowhere any more: the connection they were made for has ended.
    mutating func abandon(_ flow: Flow) {
        guard streams > 0 else { return }
        for place in separated..<count where entryStorage[place].flow == flow {
            entryStorage[place].flow = Self.abandoned
        }
    }

    public mutating func removeAll() {
        count = 0
        used = 0
        streams = 0
        separated = 0
    }
}
