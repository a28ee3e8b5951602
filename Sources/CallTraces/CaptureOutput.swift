import Glibc

/// What a stretch of a capture file holds: packets, runs whose last packet lies in it, and messages of no run.
struct CaptureTally {
    var packets: UInt64 = 0
    var runs: UInt64 = 0
    var strays: UInt64 = 0

    mutating func add(_ other: CaptureTally) {
        packets += other.packets
        runs += other.runs
        strays += other.strays
    }
}

/// A file written through a buffer of its own, in whole pcapng blocks: what a failed write leaves half-written is taken
/// off again, so that the file stays readable up to its last whole block.
struct CaptureOutput: ~Copyable {
    private static let bufferOctets = 1 << 20

    private let descriptor: Int32
    private let buffer: UnsafeMutableRawPointer
    private let capacity: Int
    private var used = 0
    /// Octets of whole blocks given to the kernel.
    private(set) var written: UInt64 = 0
    /// What those blocks hold, what the blocks in the buffer hold, and what a failed write lost.
    private(set) var inFile = CaptureTally()
    var inBuffer = CaptureTally()
    private(set) var lost = CaptureTally()
    /// errno of the first write that failed; nothing is written after it.
    private(set) var failure: Int32?

    /// - Parameter descriptor: closed by `close`.
    init(descriptor: Int32) {
        self.descriptor = descriptor
        capacity = Self.bufferOctets
        buffer = .allocate(byteCount: capacity, alignment: 16)
    }

    deinit { buffer.deallocate() }

    var octetsSoFar: UInt64 { written + UInt64(used) }

    /// Room for one block of up to so many octets, in the buffer; nil once a write has failed.
    ///
    /// - Parameter octets: far below the buffer's megabyte: a block holds one datagram and its comments.
    mutating func reserve(_ octets: Int) -> UnsafeMutableRawPointer? {
        precondition(octets <= capacity, "a block of \(octets) octets does not fit the buffer")
        if capacity - used < octets { flush() }
        return failure == nil ? buffer + used : nil
    }

    /// Makes the octets written at the reserved place a block.
    mutating func commit(_ octets: Int) { used += octets }

    mutating func flush() {
        var done = 0
        while done < used, failure == nil {
            let count = write(descriptor, buffer + done, used - done)
            if count >= 0 {
                done += count
            } else if errno != EINTR {
                failure = errno
            }
        }
        if failure == nil {
            written += UInt64(used)
            inFile.add(inBuffer)
        } else {
            lost.add(inBuffer)
            // The failure is already on its way to the user; a file that cannot be cut short stays as it is.
            if done > 0, isRegularFile { _ = ftruncate(descriptor, off_t(written)) }
        }
        inBuffer = CaptureTally()
        used = 0
    }

    /// - Returns: errno of the first failure, of writing or closing.
    mutating func close() -> Int32? {
        flush()
        if Glibc.close(descriptor) != 0, failure == nil { failure = errno }
        return failure
    }

    private var isRegularFile: Bool {
        var status = stat()
        return fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    }
}
