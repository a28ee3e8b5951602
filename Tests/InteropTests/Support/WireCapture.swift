import Foundation

/// What tshark's dumpcap saw on loopback between two markers of ours, so that neither its start nor its end cuts a message off.
struct WireCapture {
    private let process: ChildProcess
    private let file: URL
    private let ports: [UInt16]
    private let markerPort: UInt16
    private let marker: UDPSocket

    /// Whether tshark is here and may capture.
    static var isPossible: Bool { isInstalled("tshark") && isInstalled("dumpcap") && geteuid() == 0 }

    /// Captures UDP and TCP from and to the ports until `stop`; the file lives as long as `processes`.
    init(ports: [UInt16], _ processes: ProcessSet) async throws {
        self.ports = ports
        markerPort = try UDPPorts.free()
        guard let marker = UDPSocket(port: 0) else { throw InteropError("no socket for the capture's marker") }
        self.marker = marker
        let filter = (ports + [markerPort]).map { "port \($0)" }.joined(separator: " or ")
        process = processes(
            try ChildProcess(
                "dumpcap", ["dumpcap", "-q", "-i", "lo", "-B", "64", "-s", "0", "-f", filter, "-w", "capture.pcapng"]))
        file = process.folder.appendingPathComponent("capture.pcapng")
        do {
            try await awaitMarker("capture begins \(UUID().uuidString)")
        } catch {
            throw InteropError("dumpcap: \(error): \(process.lastWords)")
        }
    }

    private func awaitMarker(_ text: String) async throws {
        try await wait(for: "dumpcap to write what passes on loopback", within: .seconds(100)) {
            if let status = process.exitStatus { throw InteropError("it ended with \(status)") }
            marker.send(text, to: markerPort)
            guard let written = try? Data(contentsOf: file) else { return false }
            return written.range(of: Data(text.utf8)) != nil
        }
    }

    /// Ends the capture once everything until now is in the file.
    func stop() async throws -> SIPCapture {
        try await awaitMarker("capture ends \(UUID().uuidString)")
        marker.close()
        await process.stop(first: SIGINT, patience: .seconds(100))
        return SIPCapture(file: file, ports: ports)
    }
}

/// A capture file as tshark reads it.
struct SIPCapture {
    let file: URL
    /// Ports where UDP and TCP are SIP.
    let ports: [UInt16]
    /// Secrets of TLS sessions in it; then what is in them is SIP.
    var keys: URL?

    /// A filter for what goes to the ports or comes from them: the capture's own markers go elsewhere, and tshark may take them for
    /// whatever usually has that port.
    var isOfPorts: String {
        guard !ports.isEmpty else { return "frame" }
        let set = ports.map(String.init).joined(separator: ", ")
        return "(udp.port in {\(set)} || tcp.port in {\(set)})"
    }

    func tshark(_ arguments: [String]) async throws -> [Substring] {
        let decodeAs =
            if let keys {
                ["-o", "tls.keylog_file:\(keys.path)"]
                    + ports.flatMap { ["-d", "tcp.port==\($0),tls", "-d", "tls.port==\($0),sip"] }
            } else {
                ports.flatMap { ["-d", "udp.port==\($0),sip", "-d", "tcp.port==\($0),sip"] }
            }
        return try await outputOf(["tshark", "-n", "-r", file.path] + decodeAs + arguments, within: .seconds(120))
            .split(separator: "\n")
    }

    /// Messages by kind: `INVITE` for a request, `200 INVITE` for a response to it. `from` keeps one sender's only.
    func counts(from source: UInt16? = nil) async throws -> [String: Int] {
        let filter = source.map { "sip && udp.srcport == \($0)" } ?? "sip"
        let lines = try await tshark([
            "-Y", filter, "-T", "fields", "-E", "separator=,", "-e", "sip.Method", "-e", "sip.Status-Code", "-e",
            "sip.CSeq.method",
        ])
        var counts: [String: Int] = [:]
        for line in lines {
            let fields = line.split(separator: ",", omittingEmptySubsequences: false)
            guard fields.count == 3 else { throw InteropError("unexpected line of tshark: \(line)") }
            counts[fields[1].isEmpty ? String(fields[0]) : "\(fields[1]) \(fields[2])", default: 0] += 1
        }
        return counts
    }

    /// Where a message over UDP came from, and where it says that it did.
    struct Source {
        var source: String
        var port: UInt16
        /// Of a request: the host of its Via.
        var viaHost: String
        var contactHost: String
        var dscp: Int
    }

    func sources() async throws -> [Source] {
        let names = [
            "ip.src", "udp.srcport", "sip.Via.sent-by.address", "sip.contact.host", "ip.dsfield.dscp", "sip.Method",
        ]
        let lines = try await tshark(
            ["-Y", "sip && udp", "-T", "fields", "-E", "separator=|"] + names.flatMap { ["-e", $0] })
        return try lines.map { line in
            let fields = line.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
            guard fields.count == names.count, let port = UInt16(fields[1]), let dscp = Int(fields[4]) else {
                throw InteropError("unexpected line of tshark: \(line)")
            }
            return Source(source: fields[0], port: port, viaHost: fields[2], contactHost: fields[3], dscp: dscp)
        }
    }

    /// Frames that tshark calls malformed or in error, each with its number and what is wrong.
    func malformed() async throws -> [String] {
        try await tshark([
            "-Y", "(_ws.malformed || _ws.expert.severity == error) && \(isOfPorts)", "-T", "fields", "-e",
            "frame.number", "-e",
            "_ws.expert.message",
        ]).map(String.init)
    }

    /// Different Call-IDs.
    func callIdentifiers() async throws -> Set<String> { try await values("sip.Call-ID") }

    /// Different values of a field, as tshark names it.
    func values(_ field: String) async throws -> Set<String> {
        Set(try await tshark(["-Y", "sip", "-T", "fields", "-e", field]).map { $0.filter { $0 != "\"" } })
    }
}
