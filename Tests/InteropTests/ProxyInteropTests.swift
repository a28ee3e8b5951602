import Foundation
import Testing

private let canRun = CarillonCommand.runs && isInstalled("kamailio") && WireCapture.isPossible

/// A way in which Kamailio redirects: to itself, or past itself.
struct Redirection: CustomTestStringConvertible {
    var user: String
    var isStream: Bool

    var testDescription: String { "\(user) over \(isStream ? "TCP" : "UDP")" }
}

/// Kamailio as stateless proxy and as redirect server: 500 calls at 50/s each, all at once, judged on the wire.
@Suite(.enabled(if: canRun, "needs carillon run, kamailio, tshark and root"), .timeLimit(.minutes(5)))
struct ProxyInteropTests {
    @Test(
        "Calls through a stateless proxy: it sees the INVITE and its answers, ACK and BYE go past it (RFC 3261 §16.11)")
    func stateless() async throws {
        try await withProcesses { start in
            let port = try UDPPorts.free(), proxyPort = try UDPPorts.free(), ours = try UDPPorts.free()
            _ = start(try await Kamailio.statelessProxy(on: proxyPort, to: port))
            let capture = try await WireCapture(ports: [port, proxyPort, ours], start)
            let callee = start(try await CarillonCommand.callee(on: port, calls: 500))
            let caller = start(
                try CarillonCommand.caller(
                    to: proxyPort, from: ours, calls: 500, rate: 50, ["--domain", "example.test"]))
            let calls = try await CarillonCommand.succeeded(caller).calls
            #expect(try await CarillonCommand.succeeded(callee).calls == calls)
            let wire = try await WireAccount(capture.stop())
            #expect(wire.malformed.isEmpty)
            #expect(wire.callIDs.count == calls)
            #expect(wire.counts(from: ours, to: proxyPort) == ["INVITE": calls])
            #expect(wire.counts(from: proxyPort, to: port) == ["INVITE": calls])
            #expect(wire.counts(from: port, to: proxyPort) == ["180 INVITE": calls, "200 INVITE": calls])
            #expect(wire.counts(from: proxyPort, to: ours) == ["180 INVITE": calls, "200 INVITE": calls])
            #expect(wire.counts(from: ours, to: port) == ["ACK": calls, "BYE": calls])
            #expect(wire.counts(from: port, to: ours) == ["200 BYE": calls])
        }
    }

    @Test("Refusals through a stateless proxy: the ACK finds the callee's transaction, and none is repeated to the end")
    func statelessRefusals() async throws {
        try await withProcesses { start in
            let port = try UDPPorts.free(), proxyPort = try UDPPorts.free(), ours = try UDPPorts.free()
            _ = start(try await Kamailio.statelessProxy(on: proxyPort, to: port))
            let capture = try await WireCapture(ports: [port, proxyPort, ours], start)
            let callee = start(try await CarillonCommand.callee(on: port, calls: 500, playing: "busy"))
            let caller = start(
                try CarillonCommand.caller(
                    to: proxyPort, from: ours, calls: 500, rate: 50, playing: "busy", ["--domain", "example.test"]))
            let calls = try await CarillonCommand.succeeded(caller).calls
            #expect(try await CarillonCommand.succeeded(callee).calls == calls)
            let wire = try await WireAccount(capture.stop())
            #expect(wire.malformed.isEmpty)
            #expect(wire.counts(from: ours) == ["INVITE": calls, "ACK": calls])
            #expect(wire.counts(from: proxyPort, to: port) == ["INVITE": calls, "ACK": calls])
            #expect(wire.counts(from: proxyPort, to: ours) == ["486 INVITE": calls])
        }
    }

    @Test(
        "Calls that are redirected to the proxy, and past it (RFC 3665 §3.6)",
        arguments: ["redirector", "moved"].flatMap { user in
            [false, true].map { Redirection(user: user, isStream: $0) }
        })
    func redirected(_ way: Redirection) async throws {
        try await withProcesses { start in
            let port = try UDPPorts.free(), proxyPort = try UDPPorts.free(), ours = try UDPPorts.free()
            _ = start(try await Kamailio.proxy(on: proxyPort, to: port, overStreams: way.isStream))
            let capture = try await WireCapture(ports: [port, proxyPort, ours], start)
            let callee = start(try await CarillonCommand.callee(on: port, calls: 500))
            let caller = start(
                try CarillonCommand.caller(
                    to: proxyPort, from: ours, calls: 500, rate: 50, playing: "redirected-call",
                    [
                        "--domain", "example.test", "--play", "alice", "--to", "sip:\(way.user)@example.test",
                        "--transport", way.isStream ? "tcp" : "udp",
                    ]))
            let (record, calls) = try await CarillonCommand.succeeded(caller)
            #expect(try await CarillonCommand.succeeded(callee).calls == calls)
            #expect(try record.total("sessionAnswers3xx") == calls && record.total("sessionAnswers2xx") == calls)
            let wire = try await WireAccount(capture.stop())
            #expect(wire.malformed.isEmpty)
            // The same Call-ID all the way.
            #expect(wire.callIDs.count == calls)
            #expect(wire.calls(with: "302 INVITE", from: proxyPort) == calls)
            let answerer = way.user == "moved" ? port : proxyPort
            #expect(wire.calls(with: "200 INVITE", from: answerer) == calls)
            #expect(wire.calls(with: "200 BYE", from: answerer) == calls)
            // What alice sent; what goes by two connections may come in either order.
            for call in wire.calls.values {
                let sent = call.filter { $0.destination == proxyPort || $0.destination == answerer }
                let own = sent.filter { !$0.kind.first!.isNumber }.map { "\($0.cseq) \($0.kind)" }
                #expect(own.sorted() == ["1 ACK", "1 INVITE", "2 ACK", "2 INVITE", "3 BYE"], "\(call)")
            }
        }
    }

    @Test("Both called sides of the scenario are ours: a redirect server and bob at one port")
    func redirectServer() async throws {
        try await withProcesses { start in
            let port = try UDPPorts.free(), ours = try UDPPorts.free()
            let capture = try await WireCapture(ports: [port, ours], start)
            let called = start(try await CarillonCommand.callee(on: port, calls: 1000, playing: "redirected-call"))
            let caller = start(
                try CarillonCommand.caller(to: port, from: ours, calls: 500, rate: 50, playing: "redirected-call"))
            let calls = try await CarillonCommand.succeeded(caller).calls
            #expect(try await CarillonCommand.succeeded(called).calls == 2 * calls)
            let wire = try await WireAccount(capture.stop())
            #expect(wire.malformed.isEmpty)
            #expect(wire.callIDs.count == calls)
            #expect(wire.counts(from: ours) == ["INVITE": 2 * calls, "ACK": 2 * calls, "BYE": calls])
            #expect(
                wire.counts(from: port) == [
                    "302 INVITE": calls, "180 INVITE": calls, "200 INVITE": calls, "200 BYE": calls,
                ])
        }
    }
}
