import Glibc

/// No address space, or more locked down than we need: what was wanted, how much, and the system's reason.
struct RegionUnavailable: Error, CustomStringConvertible {
    let purpose: StaticString
    let octets: Int
    let errno: Int32

    var description: String {
        "no address space for \(purpose), \(octets) octets: \(String(cString: strerror(errno))) (ulimit -v sets its limit)"
    }
}

/// A private anonymous mapping of a stated maximum size whose pages become resident as they are first written. Zeroed.
///
/// Every big table of the engine stands in one, so that a maximum costs address space only and nothing ever moves.
struct ReservedRegion: ~Copyable {
    /// MADV_POPULATE_WRITE, not in the headers of older systems.
    static let populateWrite: Int32 = 23

    let base: UnsafeMutableRawPointer
    let octets: Int
    private let growth: GrowingRegion

    init(octets: Int, for purpose: StaticString) throws(RegionUnavailable) {
        precondition(octets > 0)
        let mapped = mmap(
            nil, octets, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        guard let mapped, mapped != MAP_FAILED else {
            throw RegionUnavailable(purpose: purpose, octets: octets, errno: Glibc.errno)
        }
        base = mapped
        self.octets = octets
        growth = GrowingRegion(base: mapped, octets: octets)
        PagesAhead.add(growth)
    }

    /// The owner has come so far from the start: what follows will be wanted soon.
    func isUsed(octets: Int) { growth.used.store(octets, ordering: .relaxed) }

    /// Of a region that grows by leaps: so much of it will be needed soon, and no more.
    func isWanted(octets: Int) { growth.wanted.store(octets, ordering: .relaxed) }

    /// Asks for pages of 2 MiB: tables that are met at random cost a walk through the page tables at each access
    /// otherwise, in a virtual machine through two of them. Where the system has none, nothing changes.
    func adviseHugePages() { _ = madvise(base, octets, MADV_HUGEPAGE) }

    /// Makes the first octets resident now. Where the kernel cannot (before 5.14), they become so when first met.
    func populate(octets: Int) {
        let page = 4096
        _ = madvise(base, min((octets + page - 1) / page * page, self.octets), Self.populateWrite)
    }

    /// Gives whole pages of a stretch back; it reads as zeros from then on.
    func release(from start: UnsafeMutableRawPointer, octets: Int) {
        let page = 4096
        let first = (Int(bitPattern: start) + page - 1) / page * page
        let past = (Int(bitPattern: start) + octets) / page * page
        if past > first { _ = madvise(UnsafeMutableRawPointer(bitPattern: first), past - first, MADV_DONTNEED) }
    }

    deinit {
        PagesAhead.remove(growth)
        munmap(base, octets)
    }
}
