import Foundation
import Testing

private let peersAreInstalled = isInstalled("sipp") && isInstalled("kamailio") && isInstalled("gcc")

/// The other parties prove each other first, so that a failure of ours is not looked for in them.
@Suite(.serialized, .enabled(if: peersAreInstalled, "needs sipp, kamailio and gcc"), .timeLimit(.minutes(3)))
struct FixtureTests {
    @Test func theCCallerCompletesEveryCallWithSIPpsCallee() async throws {
        try await withProcesses { start in
            let port = try UDPPorts.free()
            let callee = start(try await SIPp.callee(on: port, calls: 300))
            let caller = start(try await CPeer.caller(to: port, calls: 300))
            #expect(try await caller.exit(within: .seconds(100)) == 0)
            #expect(try CPeer.account(of: caller).calls == 300)
            #expect(try await callee.exit(within: .seconds(100)) == 0)
            #expect(try SIPp.account(of: callee) == SIPp.Account(successful: 300, failed: 0, retransmissions: 0))
        }
    }

    @Test func theCCalleeCompletesEveryCallOfSIPpsCaller() async throws {
        try await withProcesses { start in
            let port = try UDPPorts.free()
            let callee = start(try await CPeer.callee(on: port, calls: 300))
            let caller = start(try SIPp.caller(to: port, calls: 300))
            #expect(try await caller.exit(within: .seconds(100)) == 0)
            let account = try SIPp.account(of: caller)
            #expect(account.successful == 300 && account.failed == 0)
            #expect(try await callee.exit(within: .seconds(100)) == 0)
            #expect(try CPeer.account(of: callee).calls == 300)
        }
    }

    @Test func callersThatFollowTheRouteSetComeThroughKamailio() async throws {
        try await withProcesses { start in
            let port = try UDPPorts.free(), proxyPort = try UDPPorts.free()
            _ = start(try await Kamailio.proxy(on: proxyPort, to: port))
            let callee = start(try await CPeer.callee(on: port, calls: 300))
            let caller = start(try await CPeer.caller(to: proxyPort, calls: 300))
            #expect(try await caller.exit(within: .seconds(100)) == 0)
            #expect(try CPeer.account(of: caller).calls == 300)
            #expect(try await callee.exit(within: .seconds(100)) == 0)
        }
    }

    @Test func sippThroughKamailioToSIPp() async throws {
        try await withProcesses { start in
            let port = try UDPPorts.free(), proxyPort = try UDPPorts.free()
            _ = start(try await Kamailio.proxy(on: proxyPort, to: port))
            let callee = start(try await SIPp.callee(on: port, calls: 200, routed: true))
            let caller = start(try SIPp.caller(to: proxyPort, calls: 200, routed: true))
            #expect(try await caller.exit(within: .seconds(100)) == 0)
            #expect(try SIPp.account(of: caller).successful == 200)
            #expect(try await callee.exit(within: .seconds(100)) == 0)
            #expect(try SIPp.account(of: callee).successful == 200)
        }
    }

    @Test func kamailioRefusesACallerThatIgnoresTheRouteSet() async throws {
        try await withProcesses { start in
            let port = try UDPPorts.free(), proxyPort = try UDPPorts.free()
            _ = start(try await Kamailio.proxy(on: proxyPort, to: port))
            _ = start(try await CPeer.callee(on: port, calls: 5))
            let caller = start(try SIPp.caller(to: proxyPort, calls: 5))  // SIPp's built-in uac sends no Route
            #expect(try await caller.exit(within: .seconds(100)) != 0)
            #expect(try SIPp.account(of: caller).failed == 5)
        }
    }

    @Test func aRefusedCallIsCountedAndToldByTheCCaller() async throws {
        try await withProcesses { start in
            let port = try UDPPorts.free(), proxyPort = try UDPPorts.free()
            _ = start(try await Kamailio.proxy(on: proxyPort, to: port))
            let caller = start(try await CPeer.caller(to: proxyPort, calls: 20, user: "nobody"))
            #expect(try await caller.exit(within: .seconds(100)) == 1)
            let account = try CPeer.account(of: caller)
            #expect(account.calls == 0 && account.refused == 20)
        }
    }

    @Test func theCCallerSaysWhichCallsAreMissing() async throws {
        try await withProcesses { start in
            let caller = start(try await CPeer.caller(to: try UDPPorts.free(), calls: 3))  // nobody listens there
            #expect(try await caller.exit(within: .seconds(100)) == 1)
            #expect(try CPeer.account(of: caller).missing == 3)
            #expect(caller.errors.contains("3 calls missing"))
        }
    }

    @Test(.enabled(if: WireCapture.isPossible, "needs tshark and root"))
    func tsharkCountsWhatTheCPeersSent() async throws {
        try await withProcesses { start in
            let port = try UDPPorts.free()
            let capture = try await WireCapture(ports: [port], start)
            let callee = start(try await CPeer.callee(on: port, calls: 400))
            let caller = start(try await CPeer.caller(to: port, calls: 400, window: 64))
            #expect(try await caller.exit(within: .seconds(100)) == 0)
            #expect(try await callee.exit(within: .seconds(100)) == 0)
            let seen = try await capture.stop()
            let expected = [
                "INVITE": 400, "180 INVITE": 400, "200 INVITE": 400, "ACK": 400, "BYE": 400, "200 BYE": 400,
            ]
            #expect(try await seen.counts() == expected)
            #expect(try await seen.counts(from: port) == expected.filter { $0.key.first!.isNumber })
            #expect(try await seen.callIdentifiers().count == 400)
            #expect(try await seen.malformed().isEmpty)
        }
    }

    @Test(.enabled(if: isInstalled("tshark"), "needs tshark"))
    func tsharkFindsAMalformedPacket() async throws {
        // pcap 2.4, raw IP, one packet of 10 octets: an IPv4 header that claims a length of 60
        let header: [UInt8] = [
            0xD4, 0xC3, 0xB2, 0xA1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0, 0, 101, 0, 0, 0,
        ]
        let packet: [UInt8] = [1, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 0, 10, 0, 0, 0, 0x45, 0, 0, 60, 0, 0, 0, 0, 64, 17]
        let folder = try ChildProcess.newFolder("malformed")
        let file = folder.appendingPathComponent("malformed.pcap")
        try Data(header + packet).write(to: file)
        #expect(try await SIPCapture(file: file, ports: []).malformed().count == 1)
        try FileManager.default.removeItem(at: folder)
    }
}

struct ChildProcessTests {
    @Test func aProcessThatDoesNotEndIsKilledAtTheLimit() async throws {
        let sleeper = try ChildProcess("sleeper", ["sleep", "1000"])
        await #expect(throws: InteropError.self) { try await sleeper.exit(within: .milliseconds(50)) }
        #expect(sleeper.exitStatus == 128 + SIGKILL)
        #expect(kill(sleeper.identifier, 0) != 0)
        await sleeper.discard()
    }

    @Test func whatItForkedIsKilledWithIt() async throws {
        let parent = try ChildProcess("parent", ["sh", "-c", "sleep 1000 & echo $!; wait"])
        try await wait(for: "the id of the child", within: .seconds(100)) { parent.output.hasSuffix("\n") }
        let child = try #require(pid_t(parent.output.dropLast()))
        #expect(kill(child, 0) == 0)
        await parent.stop(first: SIGKILL)
        try await wait(for: "the child to be gone", within: .seconds(100)) {
            // a killed child that nobody has reaped yet is a zombie, which is gone enough
            let state = (try? String(contentsOfFile: "/proc/\(child)/stat", encoding: .utf8))?.split(separator: " ")
            return state == nil || state?[2] == "Z"
        }
        await parent.discard()
    }

    @Test func statusAndOutputAreKept() async throws {
        let process = try ChildProcess("shell", ["sh", "-c", "echo said; echo complained >&2; exit 3"])
        #expect(try await process.exit(within: .seconds(100)) == 3)
        #expect(process.output == "said\n")
        #expect(process.errors == "complained\n")
        await process.discard()
        #expect(!FileManager.default.fileExists(atPath: process.folder.path))
    }

    @Test func stoppingOneLeavesTheOtherAlone() async throws {
        let one = try ChildProcess("one", ["sleep", "1000"]), other = try ChildProcess("other", ["sleep", "1000"])
        await one.stop(patience: .seconds(100))
        #expect(one.exitStatus == 128 + SIGTERM)
        #expect(other.exitStatus == nil)
        await one.discard()
        await other.discard()
    }

    @Test func freePortsAreDifferentAndUnbound() throws {
        let ports = try (0..<50).map { _ in try UDPPorts.free() }
        #expect(Set(ports).count == 50)
        let socket = try #require(UDPSocket(port: ports[0]))
        #expect(UDPPorts.isBound(ports[0]))
        #expect(UDPSocket(port: ports[0]) == nil)
        socket.close()
        #expect(!UDPPorts.isBound(ports[0]))
    }

    @Test func boundPortsAreSeenAmongMany() throws {
        let sockets = try (0..<100).map { _ in try #require(UDPSocket(port: 0)) }
        defer { for socket in sockets { socket.close() } }
        #expect(sockets.allSatisfy { UDPPorts.isBound($0.port) })
    }
}
