import Digest
import SIPWire
import Testing

/// What the RFCs work out, with their errata.
@Suite("Digest: the vectors of the RFCs")
struct VectorTests {
    struct Vector: CustomTestStringConvertible, Sendable {
        var name: String
        var challenge: String
        var username = "Mufasa"
        var password = "Circle of Life"
        var uri = "/dir/index.html"
        var cnonce = ""
        var hashedUsername: String?
        var response: String
        var testDescription: String { name }
    }

    static let rfc7616 =
        #"Digest realm="http-auth@example.org", qop="auth, auth-int", "#
        + #"nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", "#
        + #"opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS""#

    static let vectors = [
        Vector(
            name: "RFC 2617 §3.5",
            challenge: #"Digest realm="testrealm@host.com", qop="auth,auth-int", "#
                + #"nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41""#,
            password: "Circle Of Life", cnonce: "0a4f113b", response: "6629fae49393a05397450978507c4ef1"),
        Vector(
            name: "RFC 7616 §3.9.1, MD5", challenge: rfc7616 + ", algorithm=MD5",
            cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", response: "8ca523f5e9506fed4657c9700eebdbec"),
        Vector(
            name: "RFC 7616 §3.9.1, SHA-256", challenge: rfc7616 + ", algorithm=SHA-256",
            cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
            response: "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        Vector(
            // The RFC itself has what an early draft of SHA-512/256 gives.
            name: "RFC 7616 §3.9.2, erratum 4897",
            challenge: #"Digest realm="api@example.org", qop="auth", algorithm=SHA-512-256, "#
                + #"nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK", "#
                + #"opaque="HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS", charset=UTF-8, userhash=true"#,
            username: "Jäsøn Doe", password: "Secret, or not?", uri: "/doe.json",
            cnonce: "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v",
            hashedUsername: "793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b",
            response: "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5"),
        Vector(
            name: "RFC 2069 §2.4, erratum 749",
            challenge: #"Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", "#
                + #"opaque="5ccc069c403ebaf9f0171e9517f40e41""#,
            password: "CircleOfLife", response: "1949323746fe6a43ef61f9606e7febea"),
    ]

    @Test(arguments: vectors)
    func response(_ vector: Vector) throws {
        var hasher = DigestHasher()
        var client = TestClient(vector.username, vector.password)
        client.method = Octets("GET")
        client.uri = Octets(vector.uri)
        client.cnonce = Octets(vector.cnonce)
        client.hashesUsername = vector.hashedUsername != nil
        let challenge = Octets(vector.challenge)
        let value = try client.credentials(&hasher, challenge)
        let credentials = value.credentials
        #expect(credentials.fault == nil)
        #expect(credentials.isWellFormed)
        #expect(value.text(credentials.response) == vector.response)
        #expect(value.text(credentials.username) == vector.hashedUsername ?? vector.username)
        #expect(credentials.usernameForm == (vector.hashedUsername == nil ? .plain : .hashed))
        #expect(credentials.qop == (vector.cnonce.isEmpty ? .absent : .auth))

        // HA2 kept from before gives the same.
        var answer = client.answer(&hasher, challenge)
        answer.requestHash = hasher.requestHash(client.request, qop: .auth, challenge.challenge.algorithm.function)
        let response = hasher.response(to: challenge.challenge, answer, client.request)
        #expect(response.text == vector.response)
    }

    @Test func theWholeValueAsItGoesOut() throws {
        var hasher = DigestHasher()
        var client = TestClient()
        client.method = Octets("GET")
        client.uri = Octets("/dir/index.html")
        client.cnonce = Octets("f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ")
        let value = try client.credentials(&hasher, Octets(Self.rfc7616 + ", algorithm=MD5"))
        #expect(
            value.string
                == #"Digest username="Mufasa", realm="http-auth@example.org", "#
                + #"nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", uri="/dir/index.html", "#
                + #"response="8ca523f5e9506fed4657c9700eebdbec", algorithm=MD5, "#
                + #"cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", "#
                + #"opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS", qop=auth, nc=00000001"#)
    }

    @Test func hashesAsDigits() throws {
        let digits = Octets("939E7578ED9E3C518A452ACEE763BCE9")
        let hash = try #require(HashValue(.md5, digits: digits.raw))
        #expect(hash.text == "939e7578ed9e3c518a452acee763bce9")
        #expect(HashValue(.sha256, digits: digits.raw) == nil)
        #expect(HashValue(.md5, digits: Octets("939E7578ED9E3C518A452ACEE763BCEg").raw) == nil)
        var hasher = DigestHasher()
        let made = hasher.hash(
            username: Octets("Mufasa").raw, realm: Octets("testrealm@host.com").raw,
            password: Octets("Circle Of Life").raw, .md5)
        #expect(made.isEqual(to: hash))
    }
}
