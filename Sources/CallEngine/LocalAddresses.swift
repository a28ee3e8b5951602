import Glibc
import SIPWire

/// The addresses of this machine that one worker speaks from, each with a number that stands in its flows' (`FlowKinds.swift`), and
/// as text for Via, Contact and SDP.
///
/// Most runs have one, and nothing is looked up then. With `--sources` each call has one of them; a listener at all addresses learns
/// those that it is called at. One thread.
struct LocalAddresses: ~Copyable {
    /// There is one address, `EngineSettings.local`: no flow has a number of one.
    let isSingle: Bool
    /// Messages name the address that they leave from; else all name `EngineSettings.advertisedHost`.
    let areNamed: Bool
    private let sources: SourceAddresses
    private let order: SourceOrder
    private let seed: UInt64
    private let port: UInt16
    private let records: UnsafeMutablePointer<Record>
    private let capacity: Int
    private(set) var count = 0
    /// By source, when its next run may be due, where there is a limit; and the time between two of them on this worker.
    private let nextDue: UnsafeMutablePointer<Int64>?
    private let spacing: Int64
    private var learned: [TransportAddress: UInt32] = [:]
    private var last = TransportAddress(ipv4: 0, port: 0)
    private var lastNumber: UInt32 = 0

    private struct Record {
        var address: TransportAddress
        /// In brackets where it is an IPv6 address.
        var text: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64)
        var length: UInt8
    }

    init(_ settings: EngineSettings) {
        isSingle = settings.sources.isEmpty && !settings.listensEverywhere
        areNamed = !isSingle && settings.advertisedHost == nil
        sources = settings.sources
        order = settings.sourceOrder
        seed = settings.seed
        port = settings.local.port
        capacity = isSingle ? 1 : SourceAddresses.most
        let octets = capacity * MemoryLayout<Record>.stride
        let region = mmap(nil, octets, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        precondition(region != MAP_FAILED, "no address space for local addresses")
        records = region!.bindMemory(to: Record.self, capacity: capacity)
        if let rate = settings.sourceRate, !sources.isEmpty {
            // A worker has every so many arrivals: in turn, a source's own are those of some workers only.
            var (a, b) = (sources.count, max(settings.workers, 1))
            while b != 0 { (a, b) = (b, a % b) }
            let sharing = max(settings.workers, 1) / (settings.sourceOrder == .sequential ? a : 1)
            spacing = Int64(min(1e9 / rate * Double(sharing), 1e18))
            nextDue = .allocate(capacity: sources.count)
            nextDue!.initialize(repeating: .min, count: sources.count)
        } else {
            spacing = 0
            nextDue = nil
        }
        if sources.isEmpty {
            append(settings.local)
        } else {
            for number in 0..<sources.count { append(sources[number]) }
        }
    }

    deinit {
        munmap(records, capacity * MemoryLayout<Record>.stride)
        nextDue?.deallocate()
    }

    /// Whether the source of a run may begin another one now; if so, it has.
    func mayBegin(_ run: UInt64, due: Int64) -> Bool {
        guard let nextDue else { return true }
        let next = nextDue + Int(number(ofRun: run))
        guard due >= next.pointee else { return false }
        next.pointee = due &+ spacing
        return true
    }

    /// There is a limit.
    var isLimited: Bool { nextDue != nil }

    private mutating func append(_ address: TransportAddress) {
        let record = records + count
        var named = address
        named.port = port
        record.pointee.address = named
        withUnsafeMutableBytes(of: &record.pointee.text) {
            record.pointee.length = UInt8(named.write(to: $0.baseAddress!, withPort: false))
        }
        count += 1
    }

    /// The number of the address that a run is sent from.
    func number(ofRun run: UInt64) -> UInt32 {
        sources.isEmpty ? 0 : UInt32(order.source(ofRun: run, of: sources.count, seed: seed))
    }

    /// The number of an address that something has come to. Beyond the most that there may be, it is the first.
    @inline(__always)
    mutating func number(of address: TransportAddress) -> UInt32 {
        address.low == last.low && address.high == last.high ? lastNumber : find(address)
    }

    @inline(never)
    private mutating func find(_ address: TransportAddress) -> UInt32 {
        var key = address
        key.port = 0
        let number: UInt32
        if let known = sources.number(of: key) {
            number = UInt32(known)
        } else if let known = learned[key] {
            number = known
        } else if key.isUnspecified {
            return 0
        } else if count < capacity {
            number = UInt32(count)
            append(key)
            learned[key] = number
        } else {
            return 0
        }
        last = address
        lastNumber = number
        return number
    }

    /// With the port that the worker listens at.
    @inline(__always)
    func address(_ number: UInt32) -> TransportAddress { records[Int(number)].address }

    /// As a SIP message shows it, without a port.
    @inline(__always)
    func text(_ number: UInt32) -> UnsafeRawBufferPointer {
        let record = records + Int(number)
        return UnsafeRawBufferPointer(
            start: UnsafeRawPointer(record) + MemoryLayout<Record>.offset(of: \.text)!,
            count: Int(record.pointee.length))
    }

    /// As SDP shows it: without brackets.
    func bareText(_ number: UInt32) -> UnsafeRawBufferPointer {
        let text = text(number)
        guard text.first == UInt8(ascii: "[") else { return text }
        return UnsafeRawBufferPointer(rebasing: text[1..<text.count - 1])
    }
}
