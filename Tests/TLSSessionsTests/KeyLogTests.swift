import Foundation
import Testing

@testable import TLSSessions

/// What was sealed is read by tshark with the key log, and by nobody without.
@Suite struct KeyLogTests {
    /// A capture of one TCP connection from 127.0.0.1 to port 5061, made of what each end sent.
    private struct Capture {
        private var octets: [UInt8] = []
        private var sequence: [UInt32] = [1000, 5000]

        init() {
            octets += little(0xA1B2_C3D4, 4) + little(2, 2) + little(4, 2) + little(0, 8) + little(65535, 4)
            octets += little(101, 4)  // LINKTYPE_RAW: packets begin with the IP header
            segment(from: 0, flags: 0x02, [])
            sequence[0] += 1
            segment(from: 1, flags: 0x12, [])
            sequence[1] += 1
        }

        mutating func sent(from end: Int, _ data: [UInt8]) {
            for start in stride(from: 0, to: data.count, by: 1400) {
                let part = Array(data[start..<min(data.count, start + 1400)])
                segment(from: end, flags: 0x18, part)
                sequence[end] += UInt32(part.count)
            }
        }

        private func little(_ number: Int, _ count: Int) -> [UInt8] {
            (0..<count).map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) }
        }

        private func big(_ number: Int, _ count: Int) -> [UInt8] { little(number, count).reversed() }

        private mutating func segment(from end: Int, flags: Int, _ data: [UInt8]) {
            let ports = [40000, 5061]
            let length = 40 + data.count
            octets += little(1_700_000_000, 4) + little(0, 4) + little(length, 4) + little(length, 4)
            octets += [0x45, 0] + big(length, 2) + big(0, 4) + [64, 6, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1]
            octets += big(ports[end], 2) + big(ports[1 - end], 2)
            octets += big(Int(sequence[end]), 4) + big(Int(sequence[1 - end]), 4) + [0x50, UInt8(flags)]
            octets += big(65535, 2) + big(0, 4) + data
        }

        func write(to path: String) throws { try Data(octets).write(to: URL(fileURLWithPath: path)) }
    }

    @Test(arguments: [TLSSettings.ProtocolVersion.tls12, .tls13], [true, false])
    func tsharkReadsWhatTheKeyLogOpens(_ version: TLSSettings.ProtocolVersion, _ logOfClient: Bool) throws {
        let path = Certificates.path("keys-\(version)-\(logOfClient)")
        let log = TLSSettings.KeyLog.file(path)
        var clients = try TLSContext(
            .client,
            Certificates.client {
                $0.maximumVersion = version
                if logOfClient { $0.keyLog = log }
            })
        let servers = try TLSContext(.server, Certificates.server { if !logOfClient { $0.keyLog = log } })
        let target = clients.addTarget(host: "sip.example.com")
        let ours = connectedSockets()
        let theirs = connectedSockets()
        defer { for socket in [ours.0, ours.1, theirs.0, theirs.1] { close(socket) } }
        var client = TLSSession(clients, to: target, descriptor: ours.0)
        var server = TLSSession(answering: servers, descriptor: theirs.0)
        var capture = Capture()
        func carry() {
            var room = [UInt8](repeating: 0, count: 1 << 16)
            for (end, from, to) in [(0, ours.1, theirs.1), (1, theirs.1, ours.1)] {
                let count = read(from, &room, room.count)
                guard count > 0 else { continue }
                capture.sent(from: end, Array(room[..<count]))
                _ = write(to, room, count)
            }
        }
        for _ in 0..<8 {
            _ = client.handshake()
            _ = server.handshake()
            carry()
        }
        let request =
            "OPTIONS sip:sealed@example.com SIP/2.0\r\nCall-ID: a\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
        #expect(client.writeText(request) == .octets(request.utf8.count))
        carry()
        #expect(server.readOctets().octets == Array(request.utf8))
        try capture.write(to: path + ".pcap")
        let fields = ["-Y", "sip", "-T", "fields", "-e", "sip.Request-Line"]
        let opened = Command.run(
            "/usr/bin/env", ["tshark", "-r", path + ".pcap", "-o", "tls.keylog_file:\(path)"] + fields)
        #expect(opened.output == "OPTIONS sip:sealed@example.com SIP/2.0\n", "\(opened.errors)")
        let sealed = Command.run("/usr/bin/env", ["tshark", "-r", path + ".pcap"] + fields)
        #expect(sealed.status == 0 && sealed.output.isEmpty)
    }
}
