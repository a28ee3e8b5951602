import CLinuxSockets
import Glibc
import Synchronization

// The loopback device never says EAGAIN and takes every batch whole, so these tests put a worse kernel in its place. A C
// function has no context: what it must remember is global, and so each test that needs it has one of its own.
private let callsOfSocketTest = Atomic<UInt32>(0)
private let callsOfRunTest = Atomic<UInt32>(0)

private func fullOrFew(
    _ calls: borrowing Atomic<UInt32>, _ fd: Int32, _ headers: UnsafeMutableRawPointer?, _ count: UInt32
) -> Int32 {
    let call = calls.wrappingAdd(1, ordering: .relaxed).oldValue
    if call % 2 == 0 { return call % 4 == 0 ? -EAGAIN : -ENOBUFS }
    return clx_transmit(fd, headers, min(count, 3))
}

let fullEveryOtherTimeInSocketTest: clx_transmitter = { fullOrFew(callsOfSocketTest, $0, $1, $2) }
let fullEveryOtherTimeInRunTest: clx_transmitter = { fullOrFew(callsOfRunTest, $0, $1, $2) }

let takesOneAtATime: clx_transmitter = { fd, headers, _ in clx_transmit(fd, headers, 1) }

let alwaysFull: clx_transmitter = { _, _, _ in -EAGAIN }
let forbids: clx_transmitter = { _, _, _ in -EPERM }

let cannotSegment: clx_transmitter = { fd, headers, count in
    clx_header_segment(headers, 0) > 0 ? -EIO : clx_transmit(fd, headers, 1)
}

/// A path of 500 octets: the kernel refuses to cut into longer segments.
let shortPath: clx_transmitter = { fd, headers, count in
    clx_header_segment(headers, 0) > 500 ? -EINVAL : clx_transmit(fd, headers, 1)
}

/// A path of 500 octets on which nothing may be cut.
let takesWhatIsShort: clx_transmitter = { fd, headers, count in
    // The first member of a struct mmsghdr.
    let first = headers!.assumingMemoryBound(to: msghdr.self).pointee
    let octets = (0..<Int(first.msg_iovlen)).reduce(0) { $0 + first.msg_iov[$1].iov_len }
    let segment = Int(clx_header_segment(headers, 0))
    return (segment > 0 ? segment : octets) > 500 ? -EMSGSIZE : clx_transmit(fd, headers, 1)
}
