import Foundation

/// baresip without sound, screen or keyboard: a phone that answers by itself and dials when it is told to. One phone: calls come
/// one after the other.
struct Baresip {
    private let process: ChildProcess
    private let console: UDPSocket
    private let consolePort: UInt16
    /// Where it listens, UDP and TCP; TLS at the next one.
    let port: UInt16

    func port(of transport: SpokenTransport) -> UInt16 { transport.isSecure ? port + 1 : port }

    static let isInstalled = InteropTests.isInstalled("baresip") && InteropTests.isInstalled("openssl")

    /// - Parameters:
    ///   - registrar: a URI that it registers at, as bob of example.test.
    ///   - processes: what ends it.
    init(registrar: String? = nil, _ processes: ProcessSet) async throws {
        // The next port is its TLS port.
        let port = try UDPPorts.freePair()
        consolePort = try UDPPorts.free()
        guard let console = UDPSocket(port: 0) else { throw InteropError("no socket for baresip's console") }
        self.console = console
        self.port = port
        let folder = try ChildProcess.newFolder("baresip")
        let certificate = try TestCertificate.both(in: folder)
        let modules = ["/usr/lib/baresip/modules", "/usr/local/lib/baresip/modules"].first {
            FileManager.default.fileExists(atPath: $0)
        }
        try """
        module_path \(modules ?? "/usr/lib/baresip/modules")
        sip_listen 127.0.0.1:\(port)
        sip_certificate \(certificate)
        sip_cafile \(try TestCertificate.certificate())
        call_local_timeout 120
        audio_player aubridge,nil
        audio_source aubridge,nil
        audio_alert aubridge,nil
        cons_listen 127.0.0.1:\(consolePort)
        module g711.so
        module aubridge.so
        module cons.so
        module_tmp account.so
        module_app menu.so

        """.write(to: folder.appendingPathComponent("config"), atomically: true, encoding: .utf8)
        let account =
            registrar.map {
                "<sip:bob@example.test>;auth_user=bob;auth_pass=bob-secret;regint=3600;outbound=\"\($0)\""
            } ?? "<sip:bob@127.0.0.1:\(port)>;regint=0"
        try "\(account);answermode=auto\n".write(
            to: folder.appendingPathComponent("accounts"), atomically: true, encoding: .utf8)
        process = processes(try ChildProcess("baresip", ["baresip", "-4", "-f", folder.path], folder: folder))
        try await said("baresip is ready")
    }

    /// Until it has said this so many times.
    func said(_ text: String, times: Int = 1) async throws {
        do {
            try await wait(for: "baresip to say “\(text)”", within: .seconds(100)) {
                if let status = process.exitStatus { throw InteropError("it ended with \(status)") }
                return (process.output + process.errors).components(separatedBy: text).count > times
            }
        } catch {
            throw InteropError("baresip: \(error): \(process.lastWords)")
        }
    }

    /// A command as on its keyboard.
    func tell(_ command: String) { console.send(command + "\n", to: consolePort) }

    /// Calls, talks and hangs up, so many times.
    func call(_ uri: String, times: Int) async throws {
        for number in 1...times {
            tell("/dial \(uri)")
            try await said("Call established", times: number)
            tell("/hangup")
            try await said("terminate call", times: number)
        }
    }
}
