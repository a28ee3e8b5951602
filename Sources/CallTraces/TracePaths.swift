import SIPWire

import Glibc

/// The address pairs seen by one arena, so that a record names its pair in two octets.
///
/// Direct mapped and never evicted, so that an index stays true as long as the arena. A pair that finds its place taken
/// by another (a callee with very many peers) is kept in the record itself.
struct TracePaths: ~Copyable {
    struct Path {
        var local: TransportAddress
        var remote: TransportAddress
        var isTaken: Bool
    }

    /// Index of a pair that has no place here.
    static let inRecord: UInt16 = .max
    private static let places = 4096

    private let table: UnsafeMutablePointer<Path>

    init() {
        let octets = Self.places * MemoryLayout<Path>.stride
        let region = mmap(nil, octets, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        precondition(region != MAP_FAILED, "no address space for the table of traced addresses")
        // Fresh pages are zero, and a Path of zeros is one not taken.
        table = region!.bindMemory(to: Path.self, capacity: Self.places)
    }

    deinit { munmap(table, Self.places * MemoryLayout<Path>.stride) }

    /// Every place, by index.
    var all: UnsafePointer<Path> { UnsafePointer(table) }

    @inline(__always)
    func index(local: TransportAddress, remote: TransportAddress) -> UInt16 {
        let key =
            (local.low ^ local.high) &* 0x9E37_79B9_7F4A_7C15
            ^ (remote.low ^ remote.high ^ UInt64(remote.port) << 32 ^ UInt64(local.port) << 48) &* 0xD6E8_FEB8_6659_FD93
        let place = Int(truncatingIfNeeded: key >> 52)
        let path = table + place
        if path.pointee.isTaken {
            return path.pointee.local == local && path.pointee.remote == remote
                ? UInt16(truncatingIfNeeded: place) : Self.inRecord
        }
        path.pointee = Path(local: local, remote: remote, isTaken: true)
        return UInt16(truncatingIfNeeded: place)
    }
}
