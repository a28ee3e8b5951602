import CPcap
import Foundation

/// A directory of its own, removed with its contents.
final class ScratchDirectory {
    let path: String

    init() throws {
        let url = FileManager.default.temporaryDirectory.appendingPathComponent("carillon-traces-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        path = url.path
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func file(_ name: String) -> String { path + "/" + name }
    var contents: [String] { (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? [] }
}

/// Wireshark's command line reader, with every check of checksums on.
enum Tshark {
    static let path = ["/usr/bin/tshark", "/usr/local/bin/tshark"].first {
        FileManager.default.isExecutableFile(atPath: $0)
    }
    static let missing = "tshark is not installed (apt package tshark): nobody else reads the file in this run"

    struct Failed: Error, CustomStringConvertible {
        var description: String
    }

    /// One row per packet that passes the filter, one column per field; of a field that occurs several times, the
    /// first.
    static func rows(_ file: String, _ fields: [String], filter: String = "") throws -> [[String]] {
        var arguments = [
            "-n", "-r", file, "-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE", "-o",
            "tcp.check_checksum:TRUE",
        ]
        if !filter.isEmpty { arguments += ["-Y", filter] }
        arguments += ["-T", "fields", "-E", "separator=/t", "-E", "occurrence=f"] + fields.flatMap { ["-e", $0] }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path ?? "")
        process.arguments = arguments
        let output = Pipe()
        let complaints = Pipe()
        process.standardOutput = output
        process.standardError = complaints
        try process.run()
        let text = output.fileHandleForReading.readDataToEndOfFile()
        let complaint = complaints.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw Failed(description: "tshark \(arguments): \(String(decoding: complaint, as: UTF8.self))")
        }
        return String(decoding: text, as: UTF8.self).split(separator: "\n")
            .map { $0.split(separator: "\t", omittingEmptySubsequences: false).map(String.init) }
    }

    /// Packets that tshark finds anything wrong with: malformed, a bad checksum, or a protocol error.
    static func faults(_ file: String) throws -> [[String]] {
        try rows(
            file, ["frame.number", "_ws.expert.message"],
            filter: "_ws.malformed || ip.checksum.status == \"Bad\" || udp.checksum.status == \"Bad\" "
                + "|| _ws.expert.severity >= \"Error\" || _ws.short || !udp")
    }
}

/// libpcap, the reader of tcpdump and sngrep.
enum Libpcap {
    struct Packet: Equatable {
        var seconds: Int
        var nanoseconds: Int
        var octets: [UInt8]
    }

    struct Failed: Error { var message: String }

    /// Every packet of the file, and its link type.
    static func read(_ file: String) throws -> (linkType: Int32, packets: [Packet]) {
        var complaint = [CChar](repeating: 0, count: Int(PCAP_ERRBUF_SIZE))
        guard let capture = pcap_open_offline_with_tstamp_precision(file, 1, &complaint) else {
            throw Failed(message: String(decoding: complaint.prefix { $0 != 0 }.map(UInt8.init), as: UTF8.self))
        }
        defer { pcap_close(capture) }
        var packets: [Packet] = []
        var head: UnsafeMutablePointer<pcap_pkthdr>?
        var octets: UnsafePointer<UInt8>?
        while true {
            let result = pcap_next_ex(capture, &head, &octets)
            if result == -2 { return (pcap_datalink(capture), packets) }
            guard result == 1, let head, let octets else {
                throw Failed(message: String(cString: pcap_geterr(capture)))
            }
            // With nanosecond precision the field of microseconds holds nanoseconds.
            packets.append(
                Packet(
                    seconds: head.pointee.ts.tv_sec, nanoseconds: head.pointee.ts.tv_usec,
                    octets: [UInt8](UnsafeBufferPointer(start: octets, count: Int(head.pointee.caplen)))))
        }
    }
}
