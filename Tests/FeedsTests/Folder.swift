import Foundation

/// A folder of one test, gone with it.
final class Folder {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.appending(path: "carillon-feeds-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func write(_ name: String, _ octets: [UInt8]) throws -> String {
        try Data(octets).write(to: URL(filePath: path + "/" + name))
        return path + "/" + name
    }
}
