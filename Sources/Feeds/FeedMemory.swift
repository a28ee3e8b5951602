import Glibc

/// A private anonymous mapping of a stated maximum size, zeroed, whose pages become resident as they are first written.
struct FeedMemory: ~Copyable {
    let base: UnsafeMutableRawPointer
    private(set) var octets: Int

    /// - Throws: for `purpose`, in the name of `source`.
    init(octets: Int, for purpose: StaticString, of source: String) throws(FeedError) {
        precondition(octets > 0)
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
        guard let mapped = mmap(nil, octets, PROT_READ | PROT_WRITE, flags, -1, 0), mapped != MAP_FAILED else {
            throw FeedError(source, "no address space for \(purpose) (\(octets) octets): \(reason(errno))")
        }
        base = mapped
        self.octets = octets
        adviseHugePages(mapped, octets)
    }

    /// Gives all whole pages beyond the first `kept` octets back.
    mutating func trim(to kept: Int) {
        let page = Int(sysconf(Int32(_SC_PAGESIZE)))
        let end = max(page, (kept + page - 1) / page * page)
        guard end < octets, munmap(base + end, octets - end) == 0 else { return }
        octets = end
    }

    deinit { munmap(base, octets) }
}

/// Asks for pages of 2 MiB where there are several: what is met at random costs a walk through the page tables at each access
/// otherwise, in a virtual machine through two of them. Where the system has none, nothing changes.
func adviseHugePages(_ base: UnsafeMutableRawPointer, _ octets: Int) {
    if octets >= 4 << 20 { _ = madvise(base, octets, MADV_HUGEPAGE) }
}
