import Foundation
import Testing

extension CommandTests {
    /// A dialog outlives the connections that its messages come on.
    @Suite("Peers that come back on another connection") struct ReconnectedPeerTests {
        private func request(_ method: String, cseq: Int, tag: String = "") -> String {
            [
                "\(method) sip:bob@127.0.0.1 SIP/2.0", "Via: SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bK\(method)\(cseq)",
                "Max-Forwards: 70", "From: <sip:a@127.0.0.1>;tag=a", "To: <sip:bob@127.0.0.1>\(tag)", "Call-ID: back",
                "CSeq: \(cseq) \(method)", "Contact: <sip:a@127.0.0.1:9;transport=tcp>", "Content-Length: 0", "", "",
            ].joined(separator: "\r\n")
        }

        /// RFC 3261 §13.3.1.4: a 2xx has ended the INVITE's transaction.
        @Test("An ACK and a BYE find their dialog though the INVITE's connection is gone")
        func acknowledgedElsewhere() async throws {
            let outcome = try await serving("basic-call", calls: 1) { target in
                let first = try StreamPeer(to: target)
                try first.send(request("INVITE", cseq: 1))
                var answer = ""
                while !answer.contains("SIP/2.0 200") { answer += try #require(first.receive()) }
                let ok = String(answer[(try #require(answer.range(of: "SIP/2.0 200"))).lowerBound...])
                let tag = try #require(ok.firstMatch(of: /To:[^\r]*(;tag=[^\r;]+)/)).1
                first.stop()
                // The callee has noticed by then.
                try await Task.sleep(for: .milliseconds(300))
                let second = try StreamPeer(to: target)
                try second.send(request("ACK", cseq: 1, tag: String(tag)))
                try second.send(request("BYE", cseq: 2, tag: String(tag)))
                #expect(try #require(second.receive()).hasPrefix("SIP/2.0 200"))
                second.stop()
            }
            #expect(outcome.out.contains("1 succeeded, 0 failed"), "\(outcome.out)")
        }

        @Test("A ping that is not answered ends its connection, however much else is sent on it")
        func noPong() async throws {
            let (listener, port) = try StreamPeer.listener()
            try await inFolder { folder in
                let caller = try Command(
                    [
                        "run", "options-ping", "127.0.0.1:\(port)", "--transport", "tcp", "--keep-alive", "1s",
                        "--rate",
                        "30/m", "--arrivals", "uniform", "--calls", "9", "--no-report", "--trace", "off",
                    ], in: folder)
                var accepted = 0
                let answers = Task.detached { () -> Int in
                    var count = 0
                    while let peer = listener.next() {
                        count += 1
                        while let text = peer.receive() {
                            for one in text.components(separatedBy: "\r\n\r\n") where one.contains("OPTIONS ") {
                                try? peer.send(Peer.response("200 OK", to: one))
                            }
                        }
                    }
                    return count
                }
                let ended = try await caller.end()
                listener.shutDown()
                accepted = await answers.value
                #expect(accepted >= 2 && ended.out.contains("1 broken"), "\(accepted) \(ended.out)")
            }
        }
    }
}
