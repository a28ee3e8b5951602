import Feeds
import Foundation
import Testing

/// Python's csv module, strict, reads what we read.
private enum PythonOracle {
    /// Reads each file named on standard input and prints its rows, fields in hexadecimal. Lines that begin with `#`
    /// where a row may begin and empty lines are left out, which csv does not know of.
    static let script = #"""
        import csv, sys
        for name in sys.stdin.read().split("\n"):
            if not name: continue
            with open(name, "rb") as file: text = file.read().removeprefix(b"\xef\xbb\xbf").decode("latin-1")
            state = {"fresh": True}
            def lines():
                for line in text.split("\n"):
                    if state["fresh"] and line.startswith("#"): continue
                    state["fresh"] = False
                    yield line + "\n"
            delimiter = {"s": ";", "c": ",", "n": "\x01"}[name[-5]]
            reader = csv.reader(lines(), delimiter=delimiter, strict=True)
            print("file")
            try:
                while True:
                    state["fresh"] = True
                    row = next(reader)
                    if row: print(";".join(field.encode("latin-1").hex() for field in row))
            except StopIteration: pass
            except csv.Error as error: print("error", error)
        """#

    static func run(_ names: [String]) -> String? {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["python3", "-c", script]
        let input = Pipe()
        let output = Pipe()
        process.standardInput = input
        process.standardOutput = output
        guard (try? process.run()) != nil else { return nil }
        input.fileHandleForWriting.write(Data(names.joined(separator: "\n").utf8))
        try? input.fileHandleForWriting.close()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return process.terminationStatus == 0 ? text : nil
    }

    /// What Python sees in each file; line by line.
    static func read(_ files: [(name: String, octets: [UInt8])]) throws -> [[String]] {
        let folder = try Folder()
        let names = try files.map { try folder.write($0.name, $0.octets) }
        let text = try #require(run(names))
        let parts = text.split(separator: "file\n", omittingEmptySubsequences: false).dropFirst()
        return parts.map { $0.split(separator: "\n", omittingEmptySubsequences: true).map(String.init) }
    }
}

/// A file at random: what it says, and one way of many to say it.
struct RandomFile {
    let name: String
    let octets: [UInt8]
    let names: [String]
    let rows: [[[UInt8]]]

    init(number: Int, _ random: inout SplitMix) {
        let width = Int.random(in: 1...5, using: &random)
        let delimiter: UInt8? = width == 1 ? nil : [UInt8(ascii: ";"), UInt8(ascii: ",")].randomElement(using: &random)
        let alphabets: [[UInt8]] = [
            Array("abcdefghij0123456789".utf8), Array("\"\";,\r\n #x".utf8), Array("ü€😀\t".utf8) + [0x80, 0xFF, 0x7F],
        ]
        names = Array(["user", "na;me", "say \"x\"", "пароль", "#c"].shuffled(using: &random).prefix(width))
        var rows: [[[UInt8]]] = []
        for _ in 0..<Int.random(in: 1...40, using: &random) {
            var row: [[UInt8]] = []
            for _ in 0..<width {
                let alphabet = alphabets.randomElement(using: &random)!
                let length = Int.random(in: 0...12, using: &random)
                row.append((0..<length).map { _ in alphabet.randomElement(using: &random)! })
            }
            rows.append(row)
        }
        self.rows = rows
        var text: [UInt8] = Bool.random(using: &random) ? [0xEF, 0xBB, 0xBF] : []
        let all = [names.map { Array($0.utf8) }] + rows
        for (number, row) in all.enumerated() {
            while Int.random(in: 0..<6, using: &random) == 0 {
                text += Array(["\n", "\r\n", "# \"; x\r\n", "#\n"].randomElement(using: &random)!.utf8)
            }
            for (column, field) in row.enumerated() {
                if column > 0 { text.append(delimiter!) }
                let mustQuote =
                    field.contains { octet in octet == delimiter || Array("\"\r\n".utf8).contains(octet) }
                    || (width == 1 && field.isEmpty) || (column == 0 && field.first == UInt8(ascii: "#"))
                    // Not to be taken for the delimiter.
                    || (number == 0 && field.contains { $0 == UInt8(ascii: ";") || $0 == UInt8(ascii: ",") })
                guard mustQuote || Int.random(in: 0..<4, using: &random) == 0 else {
                    text += field
                    continue
                }
                text.append(UInt8(ascii: "\""))
                for octet in field { text += octet == UInt8(ascii: "\"") ? [octet, octet] : [octet] }
                text.append(UInt8(ascii: "\""))
            }
            if number + 1 < all.count || Bool.random(using: &random) {
                text += Array((Bool.random(using: &random) ? "\n" : "\r\n").utf8)
            }
        }
        octets = text
        let kind = delimiter.map { $0 == UInt8(ascii: ";") ? "s" : "c" } ?? "n"
        name = "\(number)-\(kind).csv"
    }
}

@Suite struct PythonOracleTests {
    static func printed(_ names: [String], _ rows: [[[UInt8]]]) -> [String] {
        ([names.map { Array($0.utf8) }] + rows).map { row in
            row.map { field in
                field.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
            }.joined(separator: ";")
        }
    }

    @Test func pythonReadsWhatWeRead() throws {
        var random = SplitMix(state: 4_180)
        let files = (0..<150).map { RandomFile(number: $0, &random) }
        let python = try PythonOracle.read(files.map { ($0.name, $0.octets) })
        try #require(python.count == files.count)
        for (file, seen) in zip(files, python) {
            let read = try open(file.octets, name: file.name)
            #expect(read.columns.names == file.names, "\(file.name)")
            #expect(fields(of: read) == file.rows, "\(file.name)")
            // Python cannot tell an empty field of one column from an empty line after the fact: both print nothing.
            let printed = Self.printed(file.names, file.rows).filter { !$0.isEmpty }
            #expect(printed == seen, "\(file.name): \(String(decoding: file.octets, as: UTF8.self).debugDescription)")
        }
    }

    /// Spoilt files: what we accept, Python reads alike; it may accept more.
    @Test func pythonReadsSpoiltFilesAlike() throws {
        var random = SplitMix(state: 17)
        var files: [(name: String, octets: [UInt8])] = []
        for number in 0..<600 {
            let file = RandomFile(number: number, &random)
            var octets = file.octets
            for _ in 0...Int.random(in: 0...2, using: &random) { mutate(&octets, &random) }
            // The line of names stays, so that both know the delimiter.
            let names = try open(file.octets).columns.names
            guard let read = try? open(octets), read.columns.names == names else { continue }
            files.append((file.name, octets))
        }
        try #require(files.count > 100)
        let python = try PythonOracle.read(files)
        for (file, seen) in zip(files, python) {
            let read = try open(file.octets)
            let printed = Self.printed(read.columns.names, fields(of: read)).filter { !$0.isEmpty }
            #expect(printed == seen, "\(file.name): \(String(decoding: file.octets, as: UTF8.self).debugDescription)")
        }
    }
}

/// Changes, adds, removes or repeats a few octets.
func mutate(_ octets: inout [UInt8], _ random: inout SplitMix) {
    let alphabet = Array("\"\"\";,\r\n#x\0".utf8)
    let place = Int.random(in: 0...octets.count, using: &random)
    switch Int.random(in: 0..<4, using: &random) {
    case 0: octets.insert(alphabet.randomElement(using: &random)!, at: place)
    case 1: if place < octets.count { octets[place] = alphabet.randomElement(using: &random)! }
    case 2: octets.removeSubrange(place..<min(octets.count, place + Int.random(in: 0...6, using: &random)))
    default:
        let end = min(octets.count, place + Int.random(in: 0...20, using: &random))
        octets.insert(contentsOf: Array(octets[place..<end]), at: Int.random(in: 0...octets.count, using: &random))
    }
}
