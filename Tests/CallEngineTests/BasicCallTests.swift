import CallTraces
import Measurement
import SIPWire
import ScenarioDSL
import Scenarios
import Testing

@testable import CallEngine

/// One engine whose messages come straight back to it: no loss, no delay.
final class Loopback {
    var engine: CallEngine
    var now = MonotonicInstant(nanoseconds: 1_000_000_000)
    let local = TransportAddress(ipv4: 0x7F00_0001, port: 5070)
    var wire: [String] = []

    init(_ scenario: Scenario, settings change: (inout EngineSettings) -> Void = { _ in }) throws {
        let (program, diagnostics) = ScenarioCompiler.compile([scenario.tree])
        let errors = diagnostics.filter { $0.severity == .error }.map(\.description)
        try #require(errors.isEmpty, "\(errors)")
        var settings = EngineSettings(
            local: local, target: local, targetText: "127.0.0.1:5070", nonce: RunNonce(0xC0FF_EE01), seed: 1)
        settings.mostSlots = 10_000
        settings.feeds = try #require(program!.openFeeds(FeedLocations()).feeds)
        change(&settings)
        let layout = program!.recorderLayout()
        engine = try CallEngine(
            program: program!, settings: settings, recorder: WorkerRecorder(layout: layout, epoch: now),
            traces: TraceArena(octets: 1 << 20, policy: .failed), epoch: now)
    }

    func start(_ number: UInt64) -> Bool { engine.startRun(number: number, due: now, now: now) }
    func count(_ counter: Counter) -> UInt64 { engine.recorder.value(of: counter) }
    func drain(_ count: Int) -> Int { engine.drain(count, now: now) }
    var liveRuns: Int { engine.liveRuns }
    var liveSlots: Int { engine.liveSlots }

    func pump() {
        var rounds = 0
        while !engine.outbound.isEmpty, rounds < 1000 {
            rounds += 1
            var messages: [[UInt8]] = []
            for index in 0..<engine.outbound.count {
                let entry = engine.outbound[index]
                messages.append(
                    Array(UnsafeRawBufferPointer(start: engine.outbound.octets + entry.offset, count: entry.length)))
            }
            engine.outbound.removeAll()
            for message in messages {
                wire.append(String(decoding: message, as: UTF8.self))
                now = now.advanced(byNanoseconds: 10_000)
                message.withUnsafeBytes { engine.receive($0, from: local, received: now, now: now) }
            }
        }
    }

    func run(for nanoseconds: Int64) {
        let end = now.advanced(byNanoseconds: nanoseconds)
        pump()
        if engine.repeatsUntilEnd {
            _ = engine.endRepeating(.max, now: now)
            pump()
        }
        while engine.nextDeadline < end {
            now = max(now, engine.nextDeadline)
            engine.advance(to: now)
            pump()
        }
        now = end
        engine.advance(to: now)
        pump()
    }
}

@Suite("Scenarios of the catalogue between two parties of one engine")
struct BasicCallTests {
    @Test("A basic call is six messages and succeeds")
    func basicCall() throws {
        let loop = try Loopback(Scenarios.basicCall)
        #expect(loop.start(0))
        loop.pump()
        let starts = loop.wire.map {
            $0.split(separator: "\r\n")[0].split(separator: " ").prefix(2).joined(separator: " ")
        }
        if starts.count != 6 { print(loop.wire.joined(separator: "\n----\n")) }
        #expect(starts.count == 6)
        #expect(loop.count(.runsSucceeded) == 1)
        #expect(loop.liveRuns == 0)
        #expect(loop.liveSlots == 0)
    }

    @Test("Every catalogue scenario runs to its end", arguments: Scenarios.catalogue.map(\.tree.name))
    func every(name: String) throws {
        let scenario = try #require(Scenarios.catalogue.first { $0.tree.name == name })
        let loop = try Loopback(scenario)
        for number in 0..<3 {
            #expect(loop.start(UInt64(number)))
            loop.run(for: 200_000_000_000)
        }
        if loop.count(.runsSucceeded) != 3 {
            print(loop.wire.prefix(20).joined(separator: "\n----\n"))
        }
        #expect(loop.count(.runsSucceeded) == 3)
        #expect(loop.count(.runsFailed) == 0)
        #expect(loop.liveSlots == 0)
    }
}

@Suite("What a call leaves in memory")
struct MemoryTests {
    @Test("Nothing, once it has ended", arguments: Scenarios.catalogue.map(\.tree.name))
    func nothing(name: String) throws {
        let scenario = try #require(Scenarios.catalogue.first { $0.tree.name == name })
        let loop = try Loopback(scenario)
        for number in 0..<20 {
            #expect(loop.start(UInt64(number)))
            loop.run(for: 200_000_000_000)
        }
        let blocks = loop.engine.arena.blocks
        let octets = loop.engine.arena.octetsInUse
        let lingering = loop.engine.linger.count
        // One run at a time: as many slots as one run has parties, and what waits for repeats beside it.
        let touched = loop.engine.slots.touched
        #expect(touched <= 6)
        #expect(blocks == 0)
        #expect(octets == 0)
        #expect(lingering == 0)
        #expect(loop.liveSlots == 0)
    }
}
