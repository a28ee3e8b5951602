import Glibc
import Testing

@testable import CallEngine

/// Memory of growing tables is there before they come to it.
@Suite struct PagesAheadTests {
    /// How many of the octets `from..<to` of a region are resident, in whole pages.
    private func resident(_ region: borrowing ReservedRegion, _ from: Int, _ to: Int) -> Int {
        var pages = [UInt8](repeating: 0, count: (to - from) / 4096)
        guard mincore(region.base + from, to - from, &pages) == 0 else { return -1 }
        return pages.count { $0 & 1 == 1 } * 4096
    }

    @Test("A table that grows finds the next pages resident, as far as it has lately grown, and no others")
    func goesAhead() throws {
        let megabyte = 1 << 20
        let region = try ReservedRegion(octets: 256 * megabyte, for: "a test")
        PagesAhead.look()
        #expect(resident(region, 0, 256 * megabyte) == 0)
        region.isUsed(octets: 2 * megabyte)
        PagesAhead.look()
        // Eight times what it has grown by, with what shares its last huge page.
        #expect(resident(region, 4 * megabyte, 16 * megabyte) == 12 * megabyte)
        #expect(resident(region, 32 * megabyte, 256 * megabyte) == 0)
        // What grows no more gets no more.
        for _ in 0..<5 { PagesAhead.look() }
        #expect(resident(region, 32 * megabyte, 256 * megabyte) == 0)
        region.isUsed(octets: 40 * megabyte)
        for _ in 0..<3 { PagesAhead.look() }
        #expect(resident(region, 40 * megabyte, 48 * megabyte) == 8 * megabyte)
    }

    @Test("What is to be met all at once is resident after some looks, whatever has grown, and nothing beyond it")
    func allAtOnce() throws {
        let megabyte = 1 << 20
        let region = try ReservedRegion(octets: 256 * megabyte, for: "a test")
        region.isUsed(octets: 2 * megabyte)
        region.isWanted(octets: 100 * megabyte)
        for _ in 0..<6 { PagesAhead.look() }
        #expect(resident(region, 2 * megabyte, 100 * megabyte) == 98 * megabyte)
        #expect(resident(region, 104 * megabyte, 256 * megabyte) == 0)
    }

    @Test("A small table costs no more than it uses, and the end of a region is not gone past")
    func limits() throws {
        let megabyte = 1 << 20
        let small = try ReservedRegion(octets: 64 * megabyte, for: "a test")
        small.isUsed(octets: megabyte / 2)
        PagesAhead.look()
        #expect(resident(small, 0, 64 * megabyte) == 0)
        let last = try ReservedRegion(octets: 5 * megabyte, for: "a test")
        last.isUsed(octets: 5 * megabyte)
        for _ in 0..<3 { PagesAhead.look() }
        last.isUsed(octets: 6 * megabyte)
        PagesAhead.look()
    }
}
