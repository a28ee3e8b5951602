import Feeds
import Foundation
import Testing

/// Nothing that happens to a file ends the process, and whatever may have spoilt a field is told.
@Suite(.serialized) struct ChangingFileTests {
    static func text(rows: Int) -> [UInt8] {
        Array("user;password\n".utf8) + (0..<rows).flatMap { Array("user\($0);\"pass\"\"word\($0)\"\n".utf8) }
    }

    @Test func aSmallFileIsCopied() throws {
        let folder = try Folder()
        let path = try folder.write("users.csv", Self.text(rows: 2_000))
        let file = try DelimitedFile(path: path)
        let before = fields(of: file)
        #expect(truncate(path, 0) == 0)
        #expect(!file.isMapped)
        #expect(file.change() == nil)
        #expect(fields(of: file) == before)
        #expect(strings(before)[1_999] == ["user1999", "pass\"word1999"])
    }

    @Test func aMappedFileThatIsLeftAlone() throws {
        let folder = try Folder()
        let path = try folder.write("users.csv", Self.text(rows: 2_000))
        let mapped = try DelimitedFile(path: path, largestCopy: 0)
        #expect(mapped.isMapped)
        #expect(fields(of: mapped) == fields(of: try DelimitedFile(path: path)))
        #expect(mapped.change() == nil)
        #expect(unlink(path) == 0)
        #expect(strings(fields(of: mapped))[7] == ["user7", "pass\"word7"])
        #expect(mapped.change() == nil, "a file that lost its name is whole")
    }

    @Test(arguments: [0, 1, 4_096, 20_000])
    func aMappedFileThatIsCut(_ left: Int) throws {
        let folder = try Folder()
        let octets = Self.text(rows: 2_000)
        let path = try folder.write("users.csv", octets)
        let file = try DelimitedFile(path: path, largestCopy: 0)
        let before = fields(of: file)
        #expect(truncate(path, left) == 0)
        let after = fields(of: file)
        #expect(after.count == 2_000)
        for row in 0..<2_000 where row * 40 < left - 100 { #expect(after[row] == before[row]) }
        #expect(after[1_999].allSatisfy { $0.allSatisfy { $0 == 0 } })
        #expect(
            file.change()?.description == "\(path): was cut from \(octets.count) to \(left) octets while it was in use")
    }

    @Test func aMappedFileThatIsCutAndGrowsAgain() throws {
        let folder = try Folder()
        let octets = Self.text(rows: 2_000)
        let path = try folder.write("users.csv", octets)
        let file = try DelimitedFile(path: path, largestCopy: 0)
        #expect(truncate(path, 10) == 0)
        _ = fields(of: file)
        try Data(octets).write(to: URL(filePath: path), options: [])
        #expect(
            file.change()?.text == "could not be read to its end while in use; what was missing was read as zeros")
    }

    /// Written over in place with anything: fields stay within their rows.
    @Test(arguments: 0..<20 as Range<UInt64>)
    func aMappedFileThatIsWrittenOver(_ seed: UInt64) throws {
        var random = SplitMix(state: seed)
        let folder = try Folder()
        let octets = Self.text(rows: 300)
        let path = try folder.write("users.csv", octets)
        let file = try DelimitedFile(path: path, largestCopy: 0)
        let alphabet = Array("\"\";\n\r,x\0".utf8)
        let noise = octets.indices.map { _ in alphabet.randomElement(using: &random)! }
        let descriptor = open(path, O_WRONLY)
        #expect(pwrite(descriptor, noise, noise.count, 0) == noise.count)
        // The clock that stamps files may stand still for longer than this test lasts.
        var times = [timespec(tv_sec: 1, tv_nsec: 0), timespec(tv_sec: 1, tv_nsec: 0)]
        #expect(futimens(descriptor, &times) == 0)
        close(descriptor)
        withUnsafeTemporaryAllocation(byteCount: 4, alignment: 1) { scratch in
            for row in 0..<300 {
                for column in 0..<2 {
                    let field = file.rows.field(row: row, column: column, scratch: scratch)
                    #expect((field?.count ?? 0) <= 40)
                }
            }
        }
        #expect(
            file.change()?.text
                == "was written to while it was in use: rows may have been read half old, half new")
    }

    @Test func filesAreGivenBack() throws {
        let folder = try Folder()
        let path = try folder.write("users.csv", Self.text(rows: 10))
        // More than can be mapped at one time.
        for _ in 0..<200 { _ = try DelimitedFile(path: path, largestCopy: 0) }
        var held: [DelimitedFile] = []
        let error = #expect(throws: FeedError.self) {
            for _ in 0..<65 { held.append(try DelimitedFile(path: path, largestCopy: 0)) }
        }
        #expect(error?.text.hasSuffix("octets): 64 files are mapped already") == true)
        #expect(held.count == 64)
    }

    /// Only our own mappings are guarded: another fault ends the process as it would have without us.
    @Test func otherFaultsEndTheProcess() async {
        await #expect(processExitsWith: .signal(SIGBUS)) {
            let folder = try Folder()
            let file = try DelimitedFile(
                path: try folder.write("users.csv", ChangingFileTests.text(rows: 10)), largestCopy: 0)
            let other = open(try folder.write("other", Array(repeating: 1, count: 10_000)), O_RDWR)
            let base = mmap(nil, 10_000, PROT_READ, MAP_PRIVATE, other, 0)!
            #expect(ftruncate(other, 0) == 0)
            let octet = base.load(fromByteOffset: 5_000, as: UInt8.self)
            exit(file.rows.count == 10 && octet == 0 ? 0 : 1)
        }
        await #expect(processExitsWith: .signal(SIGBUS)) {
            let folder = try Folder()
            let file = try DelimitedFile(
                path: try folder.write("users.csv", ChangingFileTests.text(rows: 10)), largestCopy: 0)
            raise(SIGBUS)
            exit(file.rows.count == 10 ? 0 : 1)
        }
    }
}
