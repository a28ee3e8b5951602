import Foundation

/// How our side of a test speaks: the options for it, and where it writes the secrets without which tshark cannot read TLS.
struct SpokenTransport {
    let name: String
    let options: [String]
    private let keys: URL?

    var isSecure: Bool { keys != nil }

    /// - Parameter processes: with whose end the secrets go.
    init(_ name: String, _ processes: ProcessSet) throws {
        self.name = name
        if name == "tls" {
            options = try TestCertificate.options()
            keys = try processes.newFolder("keys").appendingPathComponent("keys.txt")
        } else {
            options = ["--transport", name]
            keys = nil
        }
    }

    /// What starts carillon so.
    var command: [String] {
        (keys.map { ["env", "SSLKEYLOGFILE=\($0.path)"] } ?? []) + [CarillonCommand.path]
    }

    /// What a capture holds, with our secrets.
    func account(of capture: SIPCapture) async throws -> WireAccount { try await WireAccount(opened(capture)) }

    func opened(_ capture: SIPCapture) -> SIPCapture {
        var capture = capture
        capture.keys = keys
        return capture
    }
}
