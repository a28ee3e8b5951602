import SIPWire
import Testing

let tortureCases = tortureValid + tortureInvalid + tortureSemantic

@Suite("RFC 4475, one message per case")
struct TortureTests {
    @Test func everyCaseIsThere() {
        #expect(tortureCases.count == 49)
        #expect(Set(tortureCases.map(\.name)).count == 49)
        #expect(Set(tortureCases.map(\.section)).count == 49)
    }

    @Test(arguments: tortureCases)
    func isReadToTheRightVerdict(_ torture: TortureCase) {
        let octets = Octets(torture.octets)
        var scanner = MessageScanner()
        let verdict = scanner.scan(octets.raw)
        switch torture.reading {
        case .right:
            #expect(verdict == .message)
            #expect(scanner.strictFault() == nil)
        case .refused(let fault):
            guard case .malformed(fault, let place) = verdict else {
                Issue.record("expected \(fault), got \(verdict)")
                return
            }
            #expect(Int(place) <= octets.buffer.count)
        case .lenient(let fault):
            #expect(verdict == .message)
            #expect(scanner.strictFault()?.fault == fault)
        }
    }

    /// Whatever the verdict, a server may answer: what is needed for that was read, where it is there.
    @Test(arguments: tortureCases.filter { $0.name != "insuf" })
    func leavesWhatAnAnswerNeeds(_ torture: TortureCase) {
        let octets = Octets(torture.octets)
        var scanner = MessageScanner()
        _ = scanner.scan(octets.raw)
        let index = scanner.index
        #expect(!index.topmostVia.isEmpty)
        #expect(!index.from.isEmpty)
        #expect(!index.to.isEmpty)
        #expect(!index.callID.isEmpty)
        #expect(!index.cseqMethodRange.isEmpty)
        #expect(index.isRequest == (torture.octets.first != UInt8(ascii: "S")))
    }

    private func scanned<T>(_ name: String, _ look: (borrowing MessageScanner, Octets) -> T) throws -> T {
        let torture = try #require(tortureCases.first { $0.name == name })
        let octets = Octets(torture.octets)
        var scanner = MessageScanner()
        _ = scanner.scan(octets.raw)
        return look(scanner, octets)
    }

    @Test func tortuousInvite() throws {
        try scanned("wsinv") { scanner, octets in
            let index = scanner.index
            #expect(index.cseqNumber == 7)
            #expect(index.method == .invite)
            #expect(octets.text(tagParameter(octets.base, index.from)) == "31asjd8")
            #expect(octets.text(tagParameter(octets.base, index.to)) == "8817n")
            #expect(octets.text(topmostBranch(octets.base, index.topmostVia)) == "471skdjuw")
            #expect(index.hasSeveralVias)
            let via = ViaValue(octets.base, index.topmostVia)
            #expect(via.transport == .udp)
            #expect(octets.text(via.host) == "192.0.2.9")
            #expect(!via.hasUniqueBranch)
            let from = NameAddress(octets.base, index.from)
            #expect(octets.text(from.display) == #"R Indigo \\\""#)
            #expect(octets.text(from.uri) == "sip:indigo@field.example")
            #expect(scanner.first(named: "s").map { $0.value.isEmpty } == true)
            let contact = NameAddress(octets.base, index.contact)
            #expect(contact.parameter("q").map(octets.text) == "0.25")
            #expect(contact.parameter("fresh").map(octets.text) == "value")
            #expect(Int(index.body.length) == smallOffer.utf8.count)
        }
    }

    @Test func requestAfterRequestIsIgnored() throws {
        try scanned("dblreq") { scanner, octets in
            #expect(scanner.index.contentLength == 0)
            #expect(scanner.index.body.isEmpty)
            #expect(Int(scanner.index.messageEnd) < octets.buffer.count)
            #expect(octets.text(OctetRange(offset: scanner.index.messageEnd, length: 6)) == "INVITE")
        }
    }

    @Test func userWithSemicolon() throws {
        try scanned("semiuri") { scanner, octets in
            let uri = URIView(octets.base, scanner.index.requestURI)
            #expect(octets.text(uri.user) == "plant;kind=fern%40pot.example")
            #expect(octets.text(uri.host) == "garden.example")
            #expect(uri.parameters.isEmpty)
        }
    }

    @Test func parameterOfHeaderOrOfURI() throws {
        try scanned("cparam01") { scanner, octets in
            let contact = NameAddress(octets.base, scanner.index.contact)
            #expect(contact.parameter("unknownparam") != nil)
            #expect(octets.text(contact.uri) == "sip:+15550100@gw1.field.example")
        }
        try scanned("cparam02") { scanner, octets in
            let contact = NameAddress(octets.base, scanner.index.contact)
            #expect(contact.parameter("unknownparam") == nil)
            #expect(contact.uriView.parameter("unknownparam") != nil)
        }
    }

    @Test func reasonPhrases() throws {
        try scanned("noreason") { scanner, _ in
            #expect(scanner.index.statusCode == 100)
            #expect(scanner.index.reasonPhrase.isEmpty)
        }
        try scanned("unreason") { scanner, octets in
            #expect(octets.text(scanner.index.reasonPhrase).hasPrefix("all is well"))
        }
    }

    @Test func brokenNamesAreStillReadable() throws {
        try scanned("baddn") { scanner, octets in
            let from = NameAddress(octets.base, scanner.index.from)
            #expect(octets.text(from.uri) == "sip:a.gray@garden.example")
            #expect(octets.text(from.display) == "Gray, Ada")
        }
        try scanned("quotbal") { scanner, octets in
            #expect(octets.text(NameAddress(octets.base, scanner.index.to).uri) == "sip:k.violet@garden.example")
        }
        try scanned("badaspec") { scanner, octets in
            #expect(octets.text(NameAddress(octets.base, scanner.index.to).uri) == "sip:k.violet@garden.example")
        }
    }
}
