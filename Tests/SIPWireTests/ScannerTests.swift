import SIPWire
import Testing

@Suite("MessageScanner")
struct ScannerTests {
    /// Scans and hands both over.
    private func scan<T>(_ text: String, _ look: (ScanVerdict, borrowing MessageScanner, Octets) -> T) -> T {
        let octets = Octets(text)
        var scanner = MessageScanner()
        let verdict = scanner.scan(octets.raw)
        return look(verdict, scanner, octets)
    }

    private func fault(_ text: String) -> WireFault? {
        scan(text) { verdict, _, octets in
            guard case .malformed(let fault, let place) = verdict else { return nil }
            #expect(Int(place) <= octets.buffer.count)
            return fault
        }
    }

    private func headerName(_ bytes: [UInt8]) -> HeaderName { bytes.withUnsafeBytes { HeaderName($0) } }

    private func method(_ token: String) -> SIPWire.Method {
        Array(token.utf8).withUnsafeBytes { SIPWire.Method($0) }
    }

    @Test func readsAResponse() {
        scan(answer) { verdict, scanner, octets in
            let index = scanner.index
            #expect(verdict == .message)
            #expect(!index.isRequest)
            #expect(index.statusCode == 180)
            #expect(octets.text(index.reasonPhrase) == "Ringing")
            #expect(index.method == .invite)
            #expect(octets.text(index.methodRange) == "INVITE")
            #expect(index.cseqNumber == 17)
            #expect(octets.text(index.topmostVia).hasPrefix("SIP/2.0/UDP 127.0.0.1:5061"))
            #expect(octets.text(index.from) == "\"caller\" <sip:caller@127.0.0.1>;tag=a1")
            #expect(octets.text(index.to) == "<sip:callee@127.0.0.1>;tag=b2")
            #expect(octets.text(index.callID) == "one@127.0.0.1")
            #expect(octets.text(index.contact) == "<sip:callee@127.0.0.1:5062>")
            #expect(index.contentType.isEmpty)
            #expect(index.contentLength == 0)
            #expect(index.body.isEmpty)
            #expect(index.headerCount == 7)
            #expect(Int(index.messageEnd) == octets.buffer.count)
            #expect(index.has(.contact) && !index.has(.route))
            #expect(!index.hasSeveralVias)
        }
    }

    @Test func readsARequest() {
        scan(request("Content-Length: 3\nMax-Forwards: 70", body: "abc")) { verdict, scanner, octets in
            let index = scanner.index
            #expect(verdict == .message)
            #expect(index.isRequest)
            #expect(index.statusCode == 0)
            #expect(index.method == .invite)
            #expect(octets.text(index.requestURI) == "sip:callee@127.0.0.1")
            #expect(octets.text(index.body) == "abc")
            #expect(scanner.firstValue(.maxForwards).map(octets.text) == "70")
            #expect(scanner.firstValue(.route) == nil)
        }
    }

    @Test func headerLinesAreWhole() {
        scan(request("X-One : a \nRoute: <sip:a>\n ,\t<sip:b>\nRoute: <sip:c>\nX-two:")) { _, scanner, octets in
            #expect(scanner.index.headerCount == 9)
            let one = scanner.header(5)
            #expect(one.name == .other)
            #expect(octets.text(one.nameRange) == "X-One")
            #expect(octets.text(one.value) == "a")
            #expect(octets.text(one.line) == "X-One : a \r\n")
            let route = scanner.header(6)
            #expect(route.name == .route)
            #expect(octets.text(route.value) == "<sip:a>\r\n ,\t<sip:b>")
            #expect(octets.text(route.line) == "Route: <sip:a>\r\n ,\t<sip:b>\r\n")
            #expect(scanner.number(of: .route, from: 0) == 6)
            #expect(scanner.number(of: .route, from: 7) == 7)
            #expect(scanner.number(of: .route, from: 8) == nil)
            #expect(scanner.index.hasSeveral(.route))
            #expect(scanner.firstValue(.route).map(octets.text) == "<sip:a>\r\n ,\t<sip:b>")
            #expect(scanner.header(8).value.isEmpty)
            #expect(scanner.first(named: "x-TWO").map { octets.text($0.nameRange) } == "X-two")
            #expect(scanner.first(named: "x-three") == nil)
            #expect(scanner.first(named: "f").map { octets.text($0.nameRange) } == "From")
            #expect(scanner.first(.other).map { octets.text($0.nameRange) } == "X-One")
        }
    }

    @Test(arguments: HeaderName.allCases.filter { $0 != .other })
    func everyNameIsKnown(_ name: HeaderName) {
        let text = name.text.description
        var spellings = [text, text.uppercased(), text.lowercased()]
        if name.compactForm != 0 {
            spellings.append(String(UnicodeScalar(name.compactForm)))
            spellings.append(String(UnicodeScalar(name.compactForm)).uppercased())
        }
        for spelling in spellings {
            #expect(headerName(Array(spelling.utf8)) == name)
            for form in ["\(spelling): v", "\(spelling):v", "\(spelling) \t: v ", "\(spelling):\n v"] {
                let head = request(method: "OPTIONS")
                let message = String(head.dropLast(1)) + crlf(form) + "\r\n\r\n"
                scan(message) { _, scanner, octets in
                    let last = scanner.header(scanner.index.headerCount - 1)
                    #expect(last.name == name, "\(form)")
                    #expect(octets.text(last.nameRange) == spelling)
                    #expect(octets.text(last.value) == "v")
                }
            }
            // One letter off is another name.
            for place in spelling.utf8.indices where spelling.utf8.count > 2 {
                var bytes = Array(spelling.utf8)
                bytes[spelling.utf8.distance(from: spelling.utf8.startIndex, to: place)] ^= 0x20
                let isLetter = (spelling.utf8[place] | 0x20) >= 0x61
                #expect(headerName(bytes) == (isLetter ? name : .other))
                bytes.append(UInt8(ascii: "x"))
                #expect(headerName(bytes) == .other)
            }
        }
    }

    @Test func sameMessageInCompactFormsReadsAlike() {
        let compact = crlf(
            """
            SIP/2.0 200 OK
            v: SIP/2.0/UDP 127.0.0.1:5061;branch=z9hG4bK-1
            f: <sip:a@b>;tag=1
            t: <sip:c@d>;tag=2
            i: x
            CSeq: 1 BYE
            m: <sip:c@d>
            k: timer
            c: application/sdp
            l: 4

            v=0

            """)
        scan(compact) { verdict, scanner, octets in
            #expect(verdict == .message)
            #expect(octets.text(scanner.index.callID) == "x")
            #expect(octets.text(scanner.index.contact) == "<sip:c@d>")
            #expect(octets.text(scanner.index.contentType) == "application/sdp")
            #expect(scanner.firstValue(.supported).map(octets.text) == "timer")
            #expect(octets.text(scanner.index.body) == "v=0\r")
        }
    }

    @Test func bareLineFeedsAndLeadingLineEnds() {
        let bare = String(decoding: answer.utf8.filter { $0 != 0x0D }, as: UTF8.self)
        scan("\r\n\n\r\n" + bare) { verdict, scanner, octets in
            #expect(verdict == .message)
            #expect(scanner.index.statusCode == 180)
            #expect(octets.text(scanner.index.reasonPhrase) == "Ringing")
            #expect(octets.text(scanner.index.callID) == "one@127.0.0.1")
            #expect(octets.text(scanner.header(4).line) == "CSeq: 17 INVITE\n")
        }
    }

    @Test(arguments: ["", "\r\n", "\r\n\r\n", "\n", "\r"])
    func keepAlives(_ text: String) {
        scan(text) { verdict, _, _ in #expect(verdict == .keepAlive) }
    }

    @Test func viaLists() {
        let list = "SIP/2.0/UDP a;x=\"q,\\\"\";branch=z9hG4bK1 , SIP/2.0/TCP b;branch=z9hG4bK2"
        let text = answer.replacing("SIP/2.0/UDP 127.0.0.1:5061;branch=z9hG4bK-1;received=127.0.0.1", with: list)
        scan(text) { verdict, scanner, octets in
            #expect(verdict == .message)
            #expect(octets.text(scanner.index.topmostVia) == "SIP/2.0/UDP a;x=\"q,\\\"\";branch=z9hG4bK1")
            #expect(scanner.index.hasSeveralVias)
        }
        scan(answer.replacing("From:", with: "Via: SIP/2.0/TCP b\r\nFrom:")) { _, scanner, _ in
            #expect(scanner.index.hasSeveralVias)
        }
    }

    @Test(
        arguments: [
            ("INVITE sip:a@b SIP/2.0", "sip:a@b", nil), ("INVITE sip:a@b sip/2.0", "sip:a@b", nil),
            ("INVITE sip:a@b SIP/3.0", "sip:a@b", WireFault.unsupportedVersion),
            ("INVITE sip:a@b SIP/2.0 ", "sip:a@b", .startLine), ("INVITE sip:a@b", "sip:a@b", .startLine),
            ("INVITE sip:a@b HTTP/1.1", "sip:a@b HTTP/1.1", .startLine),
            ("INVITE  sip:a@b SIP/2.0", " sip:a@b", .requestURI), ("INVITE sip:a@b  SIP/2.0", "sip:a@b ", .requestURI),
            ("INVITE sip:a b SIP/2.0", "sip:a b", .requestURI), ("INVITE <sip:a@b> SIP/2.0", "<sip:a@b>", .requestURI),
            ("INVITE SIP/2.0", "SIP/2.0", .startLine), ("INVITE  SIP/2.0", "", .requestURI),
            (" INVITE sip:a@b SIP/2.0", "INVITE sip:a@b", .startLine),
            ("IN{ITE sip:a@b SIP/2.0", "sip:a@b", .startLine),
            ("nonsense", "", .startLine), ("SIP/2.1 200 OK", "", .unsupportedVersion),
        ] as [(String, String, WireFault?)])
    func startLines(_ line: String, _ uri: String, _ expected: WireFault?) {
        let text = request().replacing("INVITE sip:callee@127.0.0.1 SIP/2.0", with: line)
        scan(text) { verdict, scanner, octets in
            #expect(fault(text) == expected)
            #expect(octets.text(scanner.index.requestURI) == uri)
            #expect(octets.text(scanner.index.callID) == "one@127.0.0.1")
        }
    }

    @Test(arguments: [
        ("SIP/2.0 200", 200, ""), ("SIP/2.0 200 ", 200, ""), ("sip/2.0 404 Not  There", 404, "Not  There"),
        ("SIP/2.0 699 x", 699, "x"),
    ])
    func statusLines(_ line: String, _ code: UInt16, _ phrase: String) {
        scan(answer.replacing("SIP/2.0 180 Ringing", with: line)) { verdict, scanner, octets in
            #expect(verdict == .message)
            #expect(scanner.index.statusCode == code)
            #expect(octets.text(scanner.index.reasonPhrase) == phrase)
        }
    }

    @Test(arguments: [
        "SIP/2.0 099 x", "SIP/2.0 700 x", "SIP/2.0 20 x", "SIP/2.0 2000 x", "SIP/2.0 2x0 x", "SIP/2.0  200 OK",
        "SIP/2.0 200\tOK",
    ])
    func badStatusLines(_ line: String) {
        #expect(fault(answer.replacing("SIP/2.0 180 Ringing", with: line)) == .statusCode)
    }

    @Test(arguments: [
        ("Via", WireFault.missingVia), ("From", .missingFrom), ("To", .missingTo), ("Call-ID", .missingCallID),
        ("CSeq", .missingCSeq),
    ])
    func missingHeaders(_ name: String, _ expected: WireFault) {
        for text in [request(), answer] {
            let without = text.replacing("\r\n\(name):", with: "\r\nX-\(name):")
            scan(without) { verdict, scanner, octets in
                #expect(fault(without) == expected)
                #expect(name == "Call-ID" || octets.text(scanner.index.callID) == "one@127.0.0.1")
                #expect(name == "CSeq" || scanner.index.method == .invite)
            }
        }
    }

    @Test(
        arguments: [
            ("1 INVITE", 1, nil), ("0 INVITE", 0, nil), ("0009\t INVITE", 9, nil),
            ("2147483647 INVITE", 2_147_483_647, nil),
            ("00000000000000000000000000007 INVITE", 7, nil), ("1\r\n INVITE", 1, nil),
            ("2147483648 INVITE", 0, WireFault.cseqNumber), ("4294967297 INVITE", 0, .cseqNumber),
            ("18446744073709551617 INVITE", 0, .cseqNumber), ("99999999999999999999999999 INVITE", 0, .cseqNumber),
            ("1 invite", 1, .cseqMethodMismatch), ("1 BYE", 1, .cseqMethodMismatch),
            ("1 INVITEE", 1, .cseqMethodMismatch),
            ("1INVITE", 0, .cseq), ("INVITE", 0, .cseq), ("1", 0, .cseq), ("-1 INVITE", 0, .cseq), ("", 0, .cseq),
            ("1 INVITE x", 0, .cseq),
        ] as [(String, UInt32, WireFault?)])
    func sequenceNumbers(_ value: String, _ number: UInt32, _ expected: WireFault?) {
        let text = request(cseq: value)
        #expect(fault(text) == expected)
        scan(text) { _, scanner, _ in #expect(scanner.index.cseqNumber == number) }
    }

    @Test func unknownMethodsAreComparedByText() {
        #expect(fault(request(method: "CHIME")) == nil)
        #expect(fault(request(method: "CHIME", cseq: "1 CHIMES")) == .cseqMethodMismatch)
        #expect(fault(request(method: "CHIME", cseq: "1 chime")) == .cseqMethodMismatch)
        #expect(fault(request(method: "invite")) == nil)
        scan(request(method: "invite")) { _, scanner, _ in #expect(scanner.index.method == .other) }
    }

    @Test(arguments: Method.allCases.filter { $0 != .other })
    func everyMethodIsKnown(_ known: SIPWire.Method) {
        let token = known.token.description
        #expect(method(token) == known)
        #expect(method(token.lowercased()) == .other)
        #expect(method(token + "X") == .other)
        #expect(method(String(token.dropLast())) == .other)
        scan(request(method: token)) { verdict, scanner, _ in
            #expect(verdict == .message)
            #expect(scanner.index.method == known)
            #expect(scanner.index.cseqMethod == known)
        }
    }

    @Test(
        arguments: [
            ("3", "abc", nil), ("2", "ab", nil), ("0", "", nil), ("003", "abc", nil),
            ("4", "abc", WireFault.contentLengthBeyondMessage),
            ("99999999999999999999", "abc", .contentLengthBeyondMessage), ("-1", "abc", .contentLength),
            ("", "abc", .contentLength),
            ("3 3", "abc", .contentLength), ("0x3", "abc", .contentLength),
        ] as [(String, String, WireFault?)])
    func bodies(_ length: String, _ body: String, _ expected: WireFault?) {
        let text = request("Content-Length: \(length)", body: "abc")
        #expect(fault(text) == expected)
        scan(text) { _, scanner, octets in #expect(octets.text(scanner.index.body) == body) }
    }

    @Test func bodyWithoutLengthGoesToTheEnd() {
        scan(request(body: "a\0b\r\n\r\n")) { verdict, scanner, octets in
            #expect(verdict == .message)
            #expect(scanner.index.contentLength == -1)
            #expect(octets.text(scanner.index.body) == "a\0b\r\n\r\n")
        }
    }

    @Test(arguments: [
        "From: <sip:x>", "To: <sip:x>", "Call-ID: x", "i: x", "CSeq: 1 INVITE", "l: 0\nContent-Length: 0",
    ])
    func repeatedHeaders(_ extra: String) {
        #expect(fault(request(extra)) == .repeatedHeader)
        #expect(fault(request("Contact: <sip:a>\nContact: <sip:b>")) == nil)
    }

    @Test(arguments: [
        ("No colon here", WireFault.headerWithoutColon), (": no name", .headerName), ("Two words: x", .headerName),
        ("B{d: x", .headerName), ("Caf\u{E9}: x", .headerName), ("Call\rID: x", .headerName),
    ])
    func badLines(_ line: String, _ expected: WireFault) {
        // The fault is named, and the rest is read all the same.
        let text = request(line + "\nX-After: y")
        #expect(fault(text) == expected)
        scan(text) { _, scanner, octets in
            #expect(scanner.first(named: "X-After").map { octets.text($0.value) } == "y")
            #expect(scanner.index.headerCount == 6)
        }
    }

    @Test func foldingWithoutAFieldBefore() {
        #expect(fault(request().replacing("\r\nVia:", with: "\r\n folded\r\nVia:")) == .headerName)
        #expect(fault(request("No colon here\n folded")) == .headerWithoutColon)
    }

    @Test(arguments: [
        ("Subject:\n\ta\n  b ", "a\r\n  b"), ("Subject:  \n  ", ""), ("Subject: a\n ", "a"),
        ("Subject: a\n \n b", "a\r\n \r\n b"),
    ])
    func folding(_ line: String, _ value: String) {
        scan(request(line + "\nX-After: y")) { verdict, scanner, octets in
            #expect(verdict == .message)
            #expect(scanner.firstValue(.subject).map(octets.text) == value)
            #expect(scanner.first(.subject).map { octets.text($0.value) } == value)
            #expect(scanner.first(.subject).map { octets.text($0.line) } == crlf(line) + "\r\n")
            #expect(scanner.first(named: "X-After") != nil)
        }
    }

    @Test func headersMustEnd() {
        #expect(fault(String(request().dropLast(1))) == .headersNotEnded)
        #expect(fault("INVITE sip:a SIP/2.0") == .headersNotEnded)
        let whole = request()
        let cut = String(decoding: whole.utf8.dropLast(2), as: UTF8.self)
        scan(cut) { _, scanner, octets in
            #expect(fault(cut) == .headersNotEnded)
            #expect(octets.text(scanner.index.callID) == "one@127.0.0.1")
            #expect(scanner.index.body.isEmpty)
        }
    }

    @Test func headersAreLimited() {
        let extra = Array(repeating: "X-More: y", count: 251).joined(separator: "\n")
        #expect(fault(request(extra)) == nil)
        #expect(fault(request(extra + "\nX-More: y")) == .tooManyHeaders)
        let octets = Octets(request())
        var small = MessageScanner(mostHeaders: 4)
        guard case .malformed(.tooManyHeaders, _) = small.scan(octets.raw) else {
            Issue.record("expected a limit")
            return
        }
        #expect(small.index.headerCount == 4)
        #expect(octets.text(small.index.callID) == "one@127.0.0.1")
    }

    /// What the scanner remembers of one message's order must not change how it reads another.
    @Test func readingDoesNotDependOnWhatWasReadBefore() {
        let texts = tortureCases.map(\.octets) + [Array(answer.utf8), Array(request("v: x\nVia : y").utf8)]
        var used = MessageScanner()
        for first in texts {
            for second in texts {
                let one = Octets(first)
                let two = Octets(second)
                _ = used.scan(one.raw)
                let verdict = used.scan(two.raw)
                var fresh = MessageScanner()
                #expect(fresh.scan(two.raw) == verdict)
                #expect(fresh.index.headerCount == used.index.headerCount)
                #expect(fresh.index.present == used.index.present)
                #expect(fresh.index.repeated == used.index.repeated)
                for number in 0..<fresh.index.headerCount where fresh.header(number).value != used.header(number).value
                {
                    Issue.record("header field \(number) read otherwise")
                }
            }
        }
    }

    @Test func faultsExplainThemselves() {
        for fault in WireFault.allCases {
            #expect(!fault.description.description.isEmpty)
            #expect(fault.statusToAnswer == (fault == .unsupportedVersion ? 505 : 400))
        }
        #expect(WireFault.contentLengthBeyondMessage.description.description.contains("§18.3"))
    }

    @Test func reasonPhrases() {
        #expect(StatusCode.reasonPhrase(200).description == "OK")
        #expect(StatusCode.reasonPhrase(486).description == "Busy Here")
        #expect(StatusCode.reasonPhrase(606).description == "Not Acceptable")
        #expect(StatusCode.reasonPhrase(499).description == "Unknown")
        #expect(StatusCode.reasonPhrase(299).description == "Unknown")
    }
}
