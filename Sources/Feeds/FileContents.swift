import CGuardedMapping
import Glibc

/// The octets of a file, kept readable whatever happens to the file.
///
/// A small file is copied: what is done to it afterwards changes nothing. A larger one is mapped, for it need not fit into
/// memory; then the file is watched instead. Cut short, it reads as zeros beyond the cut (never a SIGBUS); written over, as
/// what was written. Either can only spoil the text of fields, never lead outside of the mapping, and `change()` tells of it.
struct FileContents: ~Copyable, @unchecked Sendable {
    let source: String
    let octets: UnsafeRawBufferPointer
    private let holding: Holding

    /// What has to be given back in the end.
    private enum Holding {
        case copy
        case mapping(descriptor: Int32, opened: Stamp)
    }

    /// By what a change shows. A file that was replaced under its name is not changed: the old one is still held.
    private struct Stamp: Equatable {
        var size: Int
        var seconds: Int
        var nanoseconds: Int

        init(_ status: stat) {
            size = Int(status.st_size)
            seconds = status.st_mtim.tv_sec
            nanoseconds = status.st_mtim.tv_nsec
        }
    }

    /// - Parameter largestCopy: the size in octets up to which a file is copied.
    init(path: String, largestCopy: Int) throws(FeedError) {
        let found = try Self.take(path, largestCopy)
        source = path
        octets = found.octets
        holding = found.holding
    }

    /// A copy of octets that are in memory already.
    init(copying given: UnsafeRawBufferPointer, source: String) throws(FeedError) {
        guard given.count > 0, let from = given.baseAddress else { throw Self.isEmpty(source) }
        let base = try Self.reserve(given.count, source: source)
        base.copyMemory(from: from, byteCount: given.count)
        self.source = source
        octets = UnsafeRawBufferPointer(start: base, count: given.count)
        holding = .copy
    }

    var isMapped: Bool {
        if case .mapping = holding { return true }
        return false
    }

    /// Says that fields are now asked for in any order.
    func expectAnyOrder() {
        guard isMapped else { return }
        madvise(UnsafeMutableRawPointer(mutating: octets.baseAddress!), octets.count, MADV_NORMAL)
    }

    /// What happened to the file since it was opened, so far as it matters to what is read; nil: nothing.
    func change() -> FeedError? {
        guard case .mapping(let descriptor, let opened) = holding else { return nil }
        let losses = carillon_mapping_losses(octets.baseAddress)
        return Self.change(opened, descriptor, losses: losses, source: source)
    }

    deinit {
        switch holding {
        case .copy: munmap(UnsafeMutableRawPointer(mutating: octets.baseAddress!), octets.count)
        case .mapping(let descriptor, _):
            carillon_mapping_close(octets.baseAddress, octets.count)
            close(descriptor)
        }
    }

    private static func take(
        _ path: String, _ largestCopy: Int
    ) throws(FeedError) -> (octets: UnsafeRawBufferPointer, holding: Holding) {
        // Without waiting: to open a pipe nobody writes to would take for ever.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw cannotOpen(path, errno) }
        var kept = false
        defer { if !kept { close(descriptor) } }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw cannotOpen(path, errno) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            let kind = status.st_mode & S_IFMT == S_IFDIR ? "a directory" : "a pipe or a device"
            throw FeedError(path, "is \(kind), not a file of rows")
        }
        let size = Int(status.st_size)
        guard size > 0 else { throw isEmpty(path) }
        let opened = Stamp(status)
        if size <= largestCopy {
            return (try copy(descriptor, opened, source: path), .copy)
        }
        guard let base = carillon_mapping_open(descriptor, size) else {
            let problem = errno == ENFILE ? "\(CARILLON_MAPPING_LIMIT) files are mapped already" : reason(errno)
            throw FeedError(path, "cannot be mapped (\(size) octets): \(problem)")
        }
        // The kernel reads ahead while the index is made.
        madvise(UnsafeMutableRawPointer(mutating: base), size, MADV_SEQUENTIAL)
        kept = true
        return (UnsafeRawBufferPointer(start: base, count: size), .mapping(descriptor: descriptor, opened: opened))
    }

    private static func copy(
        _ descriptor: Int32, _ opened: Stamp, source: String
    ) throws(FeedError) -> UnsafeRawBufferPointer {
        let base = try reserve(opened.size, source: source)
        var count = 0
        var problem: FeedError?
        while count < opened.size, problem == nil {
            let got = read(descriptor, base + count, opened.size - count)
            if got > 0 {
                count += got
            } else if got == 0 {
                problem = shrank(source, from: opened.size, to: count)
            } else if errno != EINTR {
                problem = FeedError(source, "cannot be read: \(reason(errno))")
            }
        }
        problem = problem ?? change(opened, descriptor, losses: 0, source: source)
        guard let problem else { return UnsafeRawBufferPointer(start: base, count: count) }
        munmap(base, opened.size)
        throw problem
    }

    private static func reserve(_ octets: Int, source: String) throws(FeedError) -> UnsafeMutableRawPointer {
        let flags = MAP_PRIVATE | MAP_ANONYMOUS
        guard let base = mmap(nil, octets, PROT_READ | PROT_WRITE, flags, -1, 0), base != MAP_FAILED else {
            throw FeedError(source, "no memory for a copy (\(octets) octets): \(reason(errno))")
        }
        adviseHugePages(base, octets)
        return base
    }

    private static func change(_ opened: Stamp, _ descriptor: Int32, losses: UInt64, source: String) -> FeedError? {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            return FeedError(source, "can no longer be asked for its size: \(reason(errno))")
        }
        let now = Stamp(status)
        if now.size < opened.size { return shrank(source, from: opened.size, to: now.size) }
        if losses > 0 {
            return FeedError(source, "could not be read to its end while in use; what was missing was read as zeros")
        }
        guard now != opened else { return nil }
        return FeedError(source, "was written to while it was in use: rows may have been read half old, half new")
    }

    private static func shrank(_ source: String, from before: Int, to after: Int) -> FeedError {
        FeedError(source, "was cut from \(before) to \(after) octets while it was in use")
    }

    private static func isEmpty(_ source: String) -> FeedError {
        FeedError(source, "is empty; its first line names the columns, as in user;password")
    }

    private static func cannotOpen(_ path: String, _ errno: Int32) -> FeedError {
        var place = ""
        if errno == ENOENT, !path.hasPrefix("/"), let folder = getcwd(nil, 0) {
            place = " (looked for from \(String(cString: folder)))"
            free(folder)
        }
        return FeedError(path, "cannot be opened: \(reason(errno))\(place)")
    }
}
