import Glibc
import Testing

@testable import SIPWire

@Suite("The search within a line") struct OctetSearchTests {
    /// Every length and alignment up to a few vectors, the wanted octet at every place and nowhere, and others of it outside
    /// of what may be looked at.
    @Test func `finds the first, and only inside`() {
        let size = 160
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 64)
        defer { room.deallocate() }
        let base = UnsafeRawPointer(room.baseAddress!)
        for from in [16, 17, 23, 31] {
            for length in 0...70 {
                let to = from + length
                for place in [-1] + Array(0..<length) {
                    room.initializeMemory(as: UInt8.self, repeating: UInt8(ascii: ";"))
                    for other in from..<to { room[other] = 0xBB }
                    if place >= 0 {
                        room[from + place] = UInt8(ascii: ";")
                        // A later one must not win.
                        room[to - 1] = UInt8(ascii: ";")
                    }
                    let expected = place < 0 ? nil : from + place
                    let found = base.firstOffset(of: UInt8(ascii: ";"), from: from, to: to)
                    if found != expected {
                        Issue.record("\(from)..<\(to), at \(place): found \(String(describing: found))")
                    }
                }
            }
        }
    }

    /// Between two pages that cannot be read, a look outside would end the process.
    @Test func `looks at nothing outside`() {
        let page = 4096
        let room = mmap(nil, 3 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)!
        defer { munmap(room, 3 * page) }
        mprotect(room + page, page, PROT_READ | PROT_WRITE)
        let base = UnsafeRawPointer(room)
        for length in 0...page {
            #expect(base.firstOffset(of: 1, from: page, to: page + length) == nil)
            #expect(base.firstOffset(of: 1, from: 2 * page - length, to: 2 * page) == nil)
        }
    }
}
