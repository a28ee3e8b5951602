import Digest
import Foundation
import SIPWire
import Testing

/// Python's hashlib and Python's own reader of parameter lists compute the same: neither shares a line with ours.
@Suite("Digest: agreement with Python")
struct AgreementTests {
    /// Reads lines of hexadecimal fields: our value, user, password, method, body, whether it is a proof. Says of each
    /// what is wrong with it, or `ok`.
    static let script = """
        import hashlib, sys
        from urllib.request import parse_http_list, parse_keqv_list

        names = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}

        def judge(value, user, password, method, body):
            scheme, rest = value.decode().split(" ", 1)
            fields = parse_keqv_list(parse_http_list(rest))
            algorithm = fields.get("algorithm", "MD5")
            function = names[algorithm.removesuffix("-sess")]
            def h(*parts):
                data = b":".join(p if isinstance(p, bytes) else p.encode() for p in parts)
                return hashlib.new(function, data).hexdigest()
            name = fields["username"]
            if fields.get("userhash") == "true":
                if name != h(user, fields["realm"]):
                    return "userhash"
            elif name.encode() != user:
                return "username " + repr(name)
            first = h(user, fields["realm"], password)
            if algorithm.endswith("-sess"):
                first = h(first, fields["nonce"], fields["cnonce"])
            qop = fields.get("qop")
            second = h(method, fields["uri"], h(body)) if qop == "auth-int" else h(method, fields["uri"])
            if qop:
                right = h(first, fields["nonce"], fields["nc"], fields["cnonce"], qop, second)
            else:
                right = h(first, fields["nonce"], second)
            return "ok" if scheme == "Digest" and fields["response"] == right else "response"

        for line in sys.stdin:
            print(judge(*(bytes.fromhex(field) for field in line.rstrip("\\n").split("\\t"))))
        """

    @Test(.enabled(if: AgreementTests.python != nil, "python3 with sha512_256 is not here"))
    func randomChallengesAndUsers() throws {
        var hasher = DigestHasher()
        var random = SeededRandom(seed: 8760)
        var lines = ""
        var count = 0
        for _ in 0..<600 {
            let algorithm = DigestAlgorithm.allCases.randomElement(using: &random)!
            var text = "Digest realm=\"\(quoted(word(&random)))\", nonce=\"\(quoted(word(&random)))\""
            if random.next() % 4 != 0 || algorithm != .md5 { text += ", algorithm=\(algorithm.token)" }
            text += ["", ", qop=\"auth\"", ", qop=\"auth-int\"", ", qop=\"auth,auth-int\""].randomElement(
                using: &random)!
            if random.next() % 2 == 0 { text += ", opaque=\"\(quoted(word(&random)))\"" }
            let challenge = Octets(text)
            var client = TestClient(word(&random), word(&random))
            client.method = Octets(["REGISTER", "INVITE", "X"].randomElement(using: &random)!)
            client.uri = Octets("sip:" + word(&random))
            client.body = Octets(String(repeating: word(&random), count: Int(random.next() % 200)))
            client.cnonce = Octets(word(&random))
            client.nonceCount = UInt32(truncatingIfNeeded: random.next() >> (random.next() % 64)) | 1
            client.hashesUsername = random.next() % 4 == 0 && !text.contains("\\")
            client.prefersIntegrity = random.next() % 2 == 0
            let value = try client.credentials(&hasher, challenge, size: 8192)
            let fields = [value, client.username, client.password, client.method, client.body]
            lines += fields.map { $0.raw.map { String(format: "%02x", $0) }.joined() }.joined(separator: "\t") + "\n"
            count += 1
        }
        let verdicts = try Self.run(["-c", Self.script], lines)
        #expect(verdicts.count == count)
        for (number, verdict) in verdicts.enumerated() where verdict != "ok" {
            Issue.record("case \(number): \(verdict)")
        }
    }

    /// A body longer than the hasher's room, in pieces and at its edges.
    @Test(.enabled(if: AgreementTests.python != nil, "python3 with sha512_256 is not here"))
    func bodiesRoundTheHashersRoom() throws {
        var hasher = DigestHasher()
        var lines = ""
        let sizes = [0, 1, 1000, 1023, 1024, 1025, 2047, 2048, 2049, 5000]
        for size in sizes {
            var client = TestClient()
            client.body = Octets(String(repeating: "x", count: size))
            client.uri = Octets("sip:" + String(repeating: "u", count: size))
            let value = try client.credentials(
                &hasher, Octets(#"Digest realm="r", nonce="n", qop="auth-int""#), size: 8192)
            let fields = [value, client.username, client.password, client.method, client.body]
            lines += fields.map { $0.raw.map { String(format: "%02x", $0) }.joined() }.joined(separator: "\t") + "\n"
        }
        #expect(try Self.run(["-c", Self.script], lines) == sizes.map { _ in "ok" })
    }

    /// Quotes, backslashes, commas and letters outside ASCII among others.
    private func word(_ random: inout SeededRandom) -> String {
        let letters = Array("abcXYZ0189 .:,=/@;ü€\"\\'%")
        return String((0..<Int(random.next() % 24 + 1)).map { _ in letters.randomElement(using: &random)! })
    }

    private func quoted(_ text: String) -> String {
        text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
    }

    static let python: String? = {
        let path = ["/usr/bin/python3", "/usr/local/bin/python3"].first {
            FileManager.default.isExecutableFile(atPath: $0)
        }
        guard let path else { return nil }
        let lines = try? run(["-c", "import hashlib; hashlib.new('sha512_256'); print('yes')"], "", path)
        return lines == ["yes"] ? path : nil
    }()

    private static func run(_ arguments: [String], _ input: String, _ path: String? = python) throws -> [String] {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path!)
        process.arguments = arguments
        let file = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try Data(input.utf8).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        let output = Pipe()
        process.standardInput = try FileHandle(forReadingFrom: file)
        process.standardOutput = output
        try process.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0)
        return String(decoding: data, as: UTF8.self).split(separator: "\n").map(String.init)
    }
}
