import CallTraces
import Foundation
import Measurement
import SIPWire
import ScenarioDSL
import Testing

@testable import CallEngine

/// One engine and a peer that a test plays by hand: what the engine sends is taken, what it hears is written.
final class Exchange {
    var engine: CallEngine
    var now = MonotonicInstant(nanoseconds: 1_000_000_000)
    static let local = TransportAddress(ipv4: 0x0A00_0001, port: 5060)
    static let peer = TransportAddress(ipv4: 0x0A00_0002, port: 5060)
    let outlet = TraceOutlet()
    /// Where the messages taken last went, in their order.
    private(set) var destinations: [TransportAddress] = []

    /// - Parameter plays: the parties that the engine plays; the others are the test's.
    init(_ scenario: Scenario, plays: Set<String>? = nil, settings change: (inout EngineSettings) -> Void = { _ in })
        throws
    {
        let (program, diagnostics) = ScenarioCompiler.compile([scenario.tree])
        let errors = diagnostics.filter { $0.severity == .error }.map(\.description)
        try #require(errors.isEmpty, "\(errors)")
        var settings = EngineSettings(
            local: Self.local, target: Self.peer, targetText: "10.0.0.2:5060", nonce: RunNonce(0xC0FF_EE02), seed: 1)
        settings.mostSlots = 1000
        settings.plays = plays
        change(&settings)
        engine = try CallEngine(
            program: program!, settings: settings,
            recorder: WorkerRecorder(layout: program!.recorderLayout(), epoch: now),
            traces: TraceArena(octets: 1 << 20, policy: .failed, outlet: outlet), epoch: now)
    }

    /// What a report would be made of. The engine has ended with this.
    func record(feeds: [FeedRecord] = []) -> RunRecord {
        engine.cutOff()
        return RunRecord(
            merging: [engine.takeRecord(at: now)],
            identity: RunIdentity(version: "test", scenario: "test", command: [], seed: 1, runID: "r"),
            plan: PlannedLoad(arrivals: .poisson),
            clock: RunClock(epoch: .zero, epochUTCNanoseconds: 0, stampUncertaintyNanoseconds: 0), end: .finished,
            loadNanoseconds: 1, feeds: feeds)
    }

    /// The failed run whose messages are kept. The engine has ended with this.
    func transcript() throws -> CallTranscript? {
        let descriptor = open("/dev/null", O_WRONLY | O_CLOEXEC)
        let writer = try CaptureFileWriter(
            outlet: outlet,
            options: CaptureFileOptions(
                destination: .descriptor(descriptor), scenario: "", commandLine: "", seed: 1,
                wallClockOffsetNanoseconds: 0, describe: { _, _ in "" }))
        engine.traces.close()
        return writer.finish().examples.values.first
    }

    func start(_ number: UInt64 = 0) throws {
        let hasStarted = engine.startRun(number: number, due: now, now: now)
        try #require(hasStarted)
    }
    func mayStart(_ number: UInt64) -> Bool { engine.mayStart(number) }
    func count(_ counter: Counter) -> UInt64 { engine.recorder.value(of: counter) }
    var liveRuns: Int { engine.liveRuns }
    var liveSlots: Int { engine.liveSlots }
    func drain(_ count: Int) -> Int { engine.drain(count, now: now) }

    /// What the engine has sent since the last call of this.
    func take() -> [SentMessage] {
        var messages: [SentMessage] = []
        for index in 0..<engine.outbound.count {
            let entry = engine.outbound[index]
            let octets = UnsafeRawBufferPointer(start: engine.outbound.octets + entry.offset, count: entry.length)
            messages.append(
                SentMessage(
                    text: String(decoding: octets, as: UTF8.self), to: engine.address(of: entry.flow), flow: entry.flow,
                    from: engine.localAddress(of: entry.flow))
            )
        }
        engine.outbound.removeAll()
        return messages
    }

    /// The one message that the engine has sent since the last `take`.
    func takeOne(_ place: SourceLocation = #_sourceLocation) throws -> SentMessage {
        let sent = take()
        try #require(sent.count == 1, "\(sent.map(\.start))", sourceLocation: place)
        return sent[0]
    }

    /// The engine receives a message.
    func hear(_ message: String, from source: TransportAddress = Exchange.peer) {
        now = now.advanced(byNanoseconds: 10_000)
        Array(message.utf8).withUnsafeBytes { engine.receive($0, from: source, received: now, now: now) }
    }

    /// The engine receives a message that was sent to one of its several addresses.
    func hear(_ message: String, from source: TransportAddress = Exchange.peer, at local: TransportAddress) {
        now = now.advanced(byNanoseconds: 10_000)
        Array(message.utf8).withUnsafeBytes { engine.receive($0, from: source, at: local, received: now, now: now) }
    }

    /// The engine receives a message on a connection.
    func hear(_ message: String, on flow: Flow) {
        now = now.advanced(byNanoseconds: 10_000)
        Array(message.utf8).withUnsafeBytes { engine.receive($0, on: flow, received: now, now: now) }
    }

    /// The transport says what became of a flow.
    func tell(_ flow: Flow, _ event: FlowEvent) { engine.flow(flow, did: event, now: now) }

    /// Time goes by and timers fire. What is sent meanwhile is for the next `take`.
    func pass(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        let end = now.advanced(byNanoseconds: seconds * 1_000_000_000 + attoseconds / 1_000_000_000)
        while engine.nextDeadline <= end {
            now = max(now, engine.nextDeadline)
            engine.advance(to: now)
        }
        now = end
        engine.advance(to: now)
    }
}

/// A message of the engine, as a peer reads it.
struct SentMessage {
    var text: String
    var to: TransportAddress
    var flow: Flow
    var from: TransportAddress

    /// "INVITE" or "200".
    var start: String {
        let words = text.split(separator: " ", maxSplits: 2)
        return String(words[0] == "SIP/2.0" ? words[1] : words[0])
    }
    var requestURI: String { String(text.split(separator: " ", maxSplits: 2)[1]) }

    func headers(_ name: String) -> [String] {
        text.components(separatedBy: "\r\n").filter { $0.hasPrefix(name + ": ") }.map {
            String($0.dropFirst(name.count + 2))
        }
    }
    func header(_ name: String) -> String { headers(name).first ?? "" }

    /// A response to it, with a tag where it has none.
    func response(_ line: String, _ more: String..., tag: String = "peer", body: String = "") -> String {
        var lines = ["SIP/2.0 \(line)"]
        for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
            for value in headers(name) {
                lines.append("\(name): \(value)\(name == "To" && !value.contains("tag=") ? ";tag=\(tag)" : "")")
            }
        }
        return (lines + more + ["Content-Length: \(body.utf8.count)", "", body]).joined(separator: "\r\n")
    }
}

/// A request of the peer's.
func request(
    _ method: String, uri: String = "sip:bob@10.0.0.1:5060", branch: String, from: String, to: String, callID: String,
    cseq: String, _ more: String...
) -> String {
    ([
        "\(method) \(uri) SIP/2.0", "Via: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bK\(branch)", "Max-Forwards: 70",
        "From: \(from)", "To: \(to)", "Call-ID: \(callID)", "CSeq: \(cseq)",
    ] + more + ["Content-Length: 0", "", ""]).joined(separator: "\r\n")
}
