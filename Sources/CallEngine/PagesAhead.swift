import Glibc
import Synchronization

/// Makes the pages of growing tables resident before their owners need them.
///
/// A page that is met for the first time costs its owner the time in which the kernel clears it, and in a virtual machine that in which the
/// machine below finds one: up to milliseconds for 2 MiB. A table that doubles meets all of its new half at random within moments, which
/// stops a worker for a tenth of a second while messages wait in the socket's buffer. So a thread beside the workers goes ahead of
/// each table by what it has lately grown.
///
/// Tables say how far they have come (`ReservedRegion.isUsed`) when they take a chunk, never for a message.
public enum PagesAhead {
    private static let all = Mutex<[GrowingRegion]>([])
    private static let hugePage: UInt = 2 << 20
    /// Tables smaller than this are left alone: a short run costs no memory that it does not need.
    private static let least = 1 << 20
    /// The most that is made resident for one table at one look.
    private static let mostAtOnce = 32 << 20

    static func add(_ region: GrowingRegion) { all.withLock { $0.append(region) } }

    /// To be called before the region is unmapped. Waits for a look that is under way.
    static func remove(_ region: GrowingRegion) { all.withLock { $0.removeAll { $0 === region } } }

    /// Looks once at every table. To be called again and again, by one thread, some tens of milliseconds apart.
    /// - Returns: whether a table of more than a megabyte has grown since the last look, or has something to come.
    @discardableResult
    public static func look() -> Bool {
        all.withLock { regions in
            var grows = false
            for region in regions where advance(region) { grows = true }
            return grows
        }
    }

    private static func advance(_ region: GrowingRegion) -> Bool {
        let used = region.used.load(ordering: .relaxed)
        let growth = used - region.lastUsed
        region.lastUsed = used
        var wanted = region.wanted.load(ordering: .relaxed)
        // Where the owner does not say what it will need: what eight more looks would.
        if wanted == 0, growth > 0, used >= least { wanted = used + growth * 8 }
        wanted = min(wanted, region.octets)
        let from = max(region.resident, used)
        guard wanted > from else { return growth > 0 && used >= least }
        /// The last beginning of a huge page that is not beyond.
        func page(_ address: UInt) -> UInt { address & ~(hugePage - 1) }
        var place = max(page(region.base + UInt(from)), region.base)
        let past = min(
            page(region.base + UInt(min(wanted, from + mostAtOnce)) + hugePage - 1), region.base + UInt(region.octets))
        while place < past {
            let end = min(page(place) + hugePage, past)
            // From Linux 5.14 on; before, pages become resident when they are met.
            _ = madvise(UnsafeMutableRawPointer(bitPattern: place), Int(end - place), ReservedRegion.populateWrite)
            place = end
        }
        region.resident = Int(past - region.base)
        return true
    }
}

/// A region that is used from its start on, and grows.
final class GrowingRegion: @unchecked Sendable {
    let base: UInt
    let octets: Int
    /// Octets in use: the owner's word.
    let used = Atomic(0)
    /// Octets that will be needed: the owner's word; 0: it grows little by little.
    let wanted = Atomic(0)
    // Of whoever looks.
    fileprivate var lastUsed = 0
    fileprivate var resident = 0

    init(base: UnsafeMutableRawPointer, octets: Int) {
        self.base = UInt(bitPattern: base)
        self.octets = octets
    }
}
