import Foundation
import Testing

private let canRun = CarillonCommand.runs && isInstalled("kamailio") && WireCapture.isPossible

/// A scenario of the catalogue, and what its two ends send to the proxy between them in each call.
struct ProxiedFlow: CustomTestStringConvertible {
    var name: String
    var caller: [String: Int]
    var callee: [String: Int]
    /// Whose address is called.
    var to = "sip:bob@example.test"
    /// Runs of the called side for each call: two where the call is forked.
    var called = 1
    /// What they send depends on which of two messages is first: then each call has these, in any number.
    var isOpen = false

    var testDescription: String { name }

    private static let call = ["INVITE": 1, "ACK": 1, "BYE": 1]
    private static let answered = ["180 INVITE": 1, "200 INVITE": 1, "200 BYE": 1]

    private static func inCall(
        _ name: String, _ caller: [String: Int] = [:], _ callee: [String: Int] = [:]
    ) -> ProxiedFlow {
        ProxiedFlow(
            name: name, caller: call.merging(caller) { $1 }, callee: answered.merging(callee) { $1 })
    }

    static let all = [
        inCall("long-call"),
        inCall("forwarded-call", [:], ["181 INVITE": 1]),
        ProxiedFlow(
            name: "reliable-ringing", caller: call.merging(["PRACK": 1]) { $1 },
            callee: ["183 INVITE": 1, "200 PRACK": 1, "200 INVITE": 1, "200 BYE": 1]),
        inCall("hold-by-update", ["UPDATE": 2], ["200 UPDATE": 2]),
        inCall("codec-change", ["INVITE": 2, "ACK": 2], ["200 INVITE": 2]),
        inCall("add-video", ["INVITE": 2, "ACK": 2], ["200 INVITE": 2]),
        inCall("fax", ["200 INVITE": 1], ["INVITE": 1, "ACK": 1]),
        inCall("session-timer", ["INVITE": 2, "ACK": 2, "UPDATE": 2], ["422 INVITE": 1, "200 UPDATE": 2]),
        inCall("options-in-call", ["OPTIONS": 2], ["200 OPTIONS": 2]),
        inCall("dtmf-info", ["INFO": 3], ["200 INFO": 3]),
        inCall("conversation", ["MESSAGE": 4, "200 MESSAGE": 4], ["MESSAGE": 4, "200 MESSAGE": 4]),
        ProxiedFlow(
            name: "query-bindings", caller: ["REGISTER": 3], callee: ["200 REGISTER": 3], to: "sip:example.test"),
        ProxiedFlow(
            name: "refresh-binding", caller: ["REGISTER": 4], callee: ["200 REGISTER": 4], to: "sip:example.test"),
        ProxiedFlow(
            name: "presence", caller: ["SUBSCRIBE": 2, "200 NOTIFY": 3], callee: ["200 SUBSCRIBE": 2, "NOTIFY": 3]),
        ProxiedFlow(
            name: "dialog-info", caller: ["SUBSCRIBE": 2, "200 NOTIFY": 4], callee: ["200 SUBSCRIBE": 2, "NOTIFY": 4]),
        ProxiedFlow(
            name: "message-waiting", caller: ["SUBSCRIBE": 2, "200 NOTIFY": 3],
            callee: ["200 SUBSCRIBE": 2, "NOTIFY": 3]),
        ProxiedFlow(name: "publish", caller: ["PUBLISH": 4], callee: ["200 PUBLISH": 4]),
        ProxiedFlow(
            name: "forked-call", caller: call,
            // One phone is cancelled, the other keeps the call.
            callee: ["180 INVITE": 1, "200 INVITE": 1, "487 INVITE": 1, "200 CANCEL": 1, "200 BYE": 1],
            to: "sip:forked@example.test", called: 2, isOpen: true),
        ProxiedFlow(
            name: "forked-answers", caller: ["INVITE": 1, "ACK": 1, "BYE": 1],
            callee: ["200 INVITE": 1, "200 BYE": 1], to: "sip:forked@example.test", called: 2, isOpen: true),
        ProxiedFlow(
            name: "bye-glare", caller: call, callee: ["180 INVITE": 1, "200 INVITE": 1, "BYE": 1], isOpen: true),
        ProxiedFlow(
            name: "reinvite-glare", caller: call.merging(["200 INVITE": 1]) { $1 },
            callee: answered.merging(["INVITE": 1, "ACK": 1]) { $1 }, isOpen: true),
        ProxiedFlow(name: "early-cancel", caller: ["INVITE": 1, "CANCEL": 1, "ACK": 1], callee: [:], isOpen: true),
        ProxiedFlow(name: "cancel-race", caller: ["INVITE": 1, "CANCEL": 1, "ACK": 1], callee: [:], isOpen: true),
    ]

    /// Its parties, for a process that plays them all.
    var parties: String {
        switch name {
        case "fax": "caller,called"
        case "query-bindings", "refresh-binding": "phone,registrar"
        case "presence": "watcher,presentity"
        case "dialog-info": "console,phone"
        case "message-waiting": "phone,mailbox"
        case "publish": "phone,server"
        case "forked-call", "forked-answers": "alice,bob,carol"
        default: "alice,bob"
        }
    }

    /// Those that hang on nothing that is sent once. The 181 of a forwarded call is, and so is the 180 without which this proxy does
    /// not cancel a branch.
    static let reliable = all.filter { $0.name != "forwarded-call" && $0.name != "forked-call" }

    /// Whether the proxy may end the call of itself, before the called side hears of it: a CANCEL that overtakes its INVITE.
    var mayEndEarly: Bool { name == "early-cancel" }
}

extension CarillonCommand {
    /// Its callers come one after the other, so many at once, or `rate` a second.
    static func flow(
        _ flow: ProxiedFlow, to port: UInt16, from local: UInt16, calls: Int, load: [String]
    ) throws -> ChildProcess {
        try ChildProcess(
            "carillon-caller",
            [
                path, "run", flow.name, "127.0.0.1:\(port)", "--local", "127.0.0.1:\(local)", "--workers", "1",
                "--calls",
                "\(calls)", "--seed", "7", "--gso", "off", "--out", "record", "--domain", "example.test", "--to",
                flow.to,
            ] + load)
    }
}

/// The two-party flows of the catalogue through a record-routing Kamailio with two workers, judged on the wire.
@Suite(.serialized, .enabled(if: canRun, "needs carillon run, kamailio, tshark and root"), .timeLimit(.minutes(10)))
struct FlowInteropTests {
    private static let isLong = ProcessInfo.processInfo.environment["CARILLON_TEST_ALL"] != nil

    @Test("Flows of the catalogue through a proxy, as many as come one after the other", arguments: ProxiedFlow.all)
    func throughAProxy(_ flow: ProxiedFlow) async throws {
        try await check(flow, calls: 100, load: ["--concurrency", "20"])
    }

    @Test("The same at 50/s", .enabled(if: isLong), arguments: ProxiedFlow.all)
    func atARate(_ flow: ProxiedFlow) async throws {
        try await check(flow, calls: 500, load: ["--rate", "50/s"])
    }

    @Test(
        "The same at 50/s, with 2 % of the datagrams lost each way", .enabled(if: isLong),
        arguments: ProxiedFlow.reliable)
    func underLoss(_ flow: ProxiedFlow) async throws {
        try await check(flow, calls: 500, load: ["--rate", "50/s"], loss: 0.02)
    }

    private func check(_ flow: ProxiedFlow, calls planned: Int, load: [String], loss: Double = 0) async throws {
        try await withProcesses { start in
            let port = try UDPPorts.free(), proxyPort = try UDPPorts.free(), ours = try UDPPorts.free()
            let relay = loss > 0 ? try LossyRelay(to: proxyPort, loss: loss, seed: 11) : nil
            defer { relay?.stop() }
            let front = relay?.port ?? proxyPort
            _ = start(
                try await Kamailio.proxy(on: proxyPort, to: relay == nil ? port : ours, seenAs: relay?.port))
            let capture = try await WireCapture(
                ports: [port, proxyPort, ours] + (relay.map { [$0.port] } ?? []), start)
            // Behind a relay that knows one client both sides are one process; else they are two.
            let callee =
                relay == nil
                ? start(
                    try await CarillonCommand.callee(
                        on: port, calls: planned * flow.called, playing: flow.name,
                        flow.mayEndEarly ? ["--until-idle", "5s"] : [])) : nil
            let caller = start(
                try CarillonCommand.flow(
                    flow, to: front, from: ours, calls: planned,
                    load: load + (relay == nil ? [] : ["--play", flow.parties])))
            let calls = try await CarillonCommand.succeeded(caller).calls
            if loss == 0, load.first == "--concurrency" { #expect(calls == planned) }
            if let callee {
                let answered = try await CarillonCommand.succeeded(callee).calls
                if flow.mayEndEarly {
                    #expect(answered <= calls)
                } else {
                    #expect(answered == calls * flow.called)
                }
            }
            let wire = try await WireAccount(capture.stop())
            #expect(wire.malformed.isEmpty)
            #expect(wire.callIDs.count == calls)
            if relay == nil, !flow.isOpen {
                #expect(wire.counts(from: ours, to: proxyPort) == flow.caller.mapValues { $0 * calls })
                #expect(wire.counts(from: port, to: proxyPort) == flow.callee.mapValues { $0 * calls })
            } else {
                for kind in flow.caller.keys { #expect(wire.calls(with: kind, from: ours) == calls, "\(kind)") }
                let called = relay == nil ? port : ours
                for kind in flow.callee.keys { #expect(wire.calls(with: kind, from: called) == calls, "\(kind)") }
            }
            if flow.name == "reinvite-glare" {
                // What was overtaken is no glare for the end that had it late: one 491 is sure, two are usual.
                let refused = wire.messages.filter { $0.kind == "491 INVITE" }
                #expect(Set(refused.map(\.callID)).count == calls)
            }
            checkEnds(wire, flow, ours: ours)
            if let relay { #expect(relay.losses > calls / 10) }
        }
    }

    /// Every call that was set up is over, and every INVITE of the caller has its one end: both sides are at rest.
    private func checkEnds(_ wire: WireAccount, _ flow: ProxiedFlow, ours: UInt16) {
        var outcomes: [String: Int] = [:]
        for (callID, call) in wire.calls where call.contains(where: { $0.kind == "INVITE" }) {
            let heard = Set(call.filter { $0.destination == ours }.map(\.kind))
            let sent = Set(call.filter { $0.source == ours }.map(\.kind))
            let isAnswered = heard.contains("200 INVITE")
            #expect(isAnswered || heard.contains("487 INVITE"), "\(flow.name) \(callID): no end, \(heard)")
            #expect(sent.contains("ACK"), "\(flow.name) \(callID): no ACK")
            if isAnswered {
                #expect(
                    sent.contains("BYE") && heard.contains { $0.hasSuffix(" BYE") }, "\(flow.name) \(callID): \(heard)")
            }
            outcomes[isAnswered ? "answered" : "cancelled", default: 0] += 1
        }
        if flow.name == "early-cancel" { #expect(outcomes["answered"] == nil) }
    }
}
