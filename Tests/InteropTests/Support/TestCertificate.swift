import Foundation

/// A certificate for 127.0.0.1 and ::1 that trusts itself, made once by the openssl command.
enum TestCertificate {
    private static let made: Result<URL, any Error> = Result {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("carillon-certificate-\(getpid())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [
            "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=127.0.0.1",
            "-addext", "subjectAltName=IP:127.0.0.1,IP:::1", "-keyout", "key.pem", "-out", "cert.pem",
        ]
        process.currentDirectoryURL = folder
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw InteropError("openssl made no certificate") }
        atexit {
            if let folder = try? TestCertificate.made.get() { try? FileManager.default.removeItem(at: folder) }
        }
        return folder
    }

    static func certificate() throws -> String { try made.get().appendingPathComponent("cert.pem").path }
    static func key() throws -> String { try made.get().appendingPathComponent("key.pem").path }

    /// Both in one file.
    static func both(in folder: URL) throws -> String {
        let file = folder.appendingPathComponent("both.pem")
        let texts = try [certificate(), key()].map { try String(contentsOfFile: $0, encoding: .utf8) }
        try texts.joined().write(to: file, atomically: true, encoding: .utf8)
        return file.path
    }

    /// As options of carillon, for both ends.
    static func options() throws -> [String] {
        ["--transport", "tls", "--tls-ca", try certificate(), "--tls-cert", try certificate(), "--tls-key", try key()]
    }
}
