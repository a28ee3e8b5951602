import Foundation
import Testing

@testable import TLSSessions

/// Settings that cannot be used say why, and the key log.
@Suite struct SettingsTests {
    struct Case: Sendable {
        var kind: TLSSettingsFault.Kind
        var words: [String]
        var change: @Sendable (inout TLSSettings) -> Void
    }

    static let cases = [
        Case(kind: .authorityFile, words: ["--tls-ca /nowhere", "No such file"]) { $0.authorities = .file("/nowhere") },
        Case(kind: .authorityFile, words: ["--tls-ca"]) { $0.authorities = .file(Certificates.path("ca.key")) },
        Case(kind: .authorityDirectory, words: ["--tls-ca /nowhere", "No such file"]) {
            $0.authorities = .directory("/nowhere")
        },
        Case(kind: .authorityDirectoryWithoutHashes, words: ["openssl rehash"]) {
            $0.authorities = .directory(Certificates.path("unhashed"))
        },
        Case(kind: .certificate, words: ["--tls-cert /nowhere", "No such file"]) { $0.certificateFile = "/nowhere" },
        Case(kind: .certificateMissing, words: ["--tls-cert FILE --tls-key FILE"]) {
            $0.certificateFile = nil
            $0.keyFile = nil
        },
        Case(kind: .key, words: ["--tls-key /nowhere", "No such file"]) { $0.keyFile = "/nowhere" },
        Case(kind: .key, words: ["--tls-key"]) { $0.keyFile = Certificates.path("good.csr") },
        Case(kind: .keyWithoutCertificate, words: ["give --tls-cert FILE too"]) { $0.certificateFile = nil },
        Case(kind: .keyEncrypted, words: ["pass phrase", "openssl pkey"]) {
            $0.keyFile = Certificates.path("locked.key")
        },
        Case(kind: .keyOfAnotherCertificate, words: ["is not the key of"]) {
            $0.keyFile = Certificates.path("other.key")
        },
        Case(kind: .ciphers, words: ["no cipher known in \"NONSENSE\""]) { $0.ciphersBeforeTLS13 = "NONSENSE" },
        Case(kind: .keyLog, words: ["SSLKEYLOGFILE /nowhere/keys"]) { $0.keyLog = .file("/nowhere/keys") },
    ]

    @Test(arguments: cases.indices)
    func faultsSayWhatWhereAndWhy(_ index: Int) throws {
        let wrong = Self.cases[index]
        let settings = Certificates.server("good", wrong.change)
        do throws(TLSSettingsFault) {
            _ = try TLSContext(.server, settings)
            Issue.record("\(wrong.kind) was not noticed")
        } catch {
            #expect(error.kind == wrong.kind, "\(error)")
            for words in wrong.words { #expect(error.description.contains(words), "\(error)") }
        }
    }

    @Test func pipeIsNoKeyLog() throws {
        let path = Certificates.path("pipe-\(UInt64.random(in: 0 ... .max))")
        #expect(mkfifo(path, 0o600) == 0)
        let reader = open(path, O_RDONLY | O_NONBLOCK)
        defer { close(reader) }
        #expect(throws: TLSSettingsFault.self) {
            _ = try TLSContext(.client, Certificates.client { $0.keyLog = .file(path) })
        }
    }

    /// Several threads, both ends, one file: whole lines only, and what was there stays.
    @Test func keyLogHasWholeLinesOfAllThreads() async throws {
        let path = Certificates.path("keys-threads")
        try "# before\n".write(toFile: path, atomically: false, encoding: .utf8)
        let client = Certificates.client { $0.keyLog = .file(path) }
        let server = Certificates.server { $0.keyLog = .file(path) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    for _ in 0..<10 {
                        let hands = try outcome(client, server)
                        #expect(hands.client == .done && hands.server == .done)
                    }
                }
            }
            try await group.waitForAll()
        }
        let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
        #expect(lines.first == "# before")
        // TLS 1.3: two handshake and two traffic secrets, and the exporter's, from either end
        #expect(lines.count == 1 + 40 * 2 * 5)
        for line in lines.dropFirst() {
            let fields = line.split(separator: " ")
            #expect(fields.count == 3 && fields[1].utf8.count == 64 && fields[2].utf8.allSatisfy(isHexadecimal))
        }
        #expect(Set(lines).count == 1 + 40 * 5)
    }

    private func isHexadecimal(_ octet: UInt8) -> Bool { Character(Unicode.Scalar(octet)).isHexDigit }

    @Test func secretsAreForTheOwnerAlone() throws {
        let path = Certificates.path("keys-mode")
        #expect(try outcome(Certificates.client { $0.keyLog = .file(path) }, Certificates.server()).client == .done)
        let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
        #expect(mode == 0o600)
    }
}
