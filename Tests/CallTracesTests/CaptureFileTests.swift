import Foundation
import Glibc
import Measurement
import SIPWire
import Testing

@testable import CallTraces

/// What the file holds, by the word of readers nobody here wrote: tshark and libpcap.
@Suite struct CaptureFileTests {
    /// Monotonic time 0 is this wall clock: 2025-01-01T00:00:00.000000007Z.
    private let offset: Int64 = 1_735_689_600_000_000_007

    private func options(_ destination: CaptureFileOptions.Destination) -> CaptureFileOptions {
        CaptureFileOptions(
            destination: destination, scenario: "basic-call", commandLine: "carillon run basic-call --seed 42",
            seed: 42,
            wallClockOffsetNanoseconds: offset,
            describe: { verdict, detail in
                "basic-call.swift:24: expected \(verdict.expected), got \(verdict.got)\(detail) after "
                    + "\(verdict.afterNanoseconds / 1_000_000) ms"
            })
    }

    private func end(_ chain: inout TraceChain, of arena: inout TraceArena, isFailed: Bool) {
        if isFailed { arena.endFailed(&chain, verdict: verdict180) } else { arena.endWell(&chain) }
    }

    @Test(.enabled(if: Tshark.path != nil, Comment(rawValue: Tshark.missing)))
    func tsharkReadsExactlyTheFailedCalls() throws {
        let scratch = try ScratchDirectory()
        let outlet = TraceOutlet()
        let writer = try CaptureFileWriter(outlet: outlet, options: options(.file(path: scratch.file("failed.pcapng"))))
        var arena = TraceArena(octets: 1 << 20, policy: .failed, outlet: outlet)
        for run in 0..<100 as Range<UInt64> {
            var chain = TraceChain.none
            for (index, message) in basicCall(number: Int(run)).enumerated() {
                arena.append(
                    &chain, run: run, message.octets, isSent: message.isSent, at: Int64(index) * 1_000_000,
                    isRetransmission: run == 1 && index == 4)
                if index == 1 && run % 10 == 1 { arena.markFailure(chain) }
            }
            end(&chain, of: &arena, isFailed: run % 10 == 1)
        }
        basicCall(number: 7777)[2].octets.withUnsafeBytes {
            arena.appendStray(.noCall, octets: $0, from: callee, to: caller, at: MonotonicInstant(nanoseconds: 5))
        }
        arena.close()
        let report = writer.finish()
        #expect(report.error == nil)
        #expect(report.runsWritten == 10 && report.packets == 61 && report.strayMessages == 1)
        let path = try #require(report.path)
        #expect(scratch.contents == ["failed.pcapng"])

        #expect(try Tshark.faults(path) == [])
        let fields = [
            "frame.time_epoch", "ip.src", "udp.srcport", "ip.dst", "udp.dstport", "sip.Method", "sip.Status-Code",
            "frame.packet_flags_direction", "ip.checksum.status", "udp.checksum.status", "sip.Call-ID",
        ]
        let rows = try Tshark.rows(path, fields)
        #expect(rows.count == 61)
        let sent = ["127.0.0.1", "15060", "127.0.0.2", "5060"]
        let received = ["127.0.0.2", "5060", "127.0.0.1", "15060"]
        func row(_ nanoseconds: Int, _ addresses: [String], _ method: String, _ status: String, _ direction: String)
            -> [String]
        {
            let time = String(1_000_000_007 + nanoseconds).dropFirst()
            return ["1735689600.\(time)"] + addresses + [method, status, direction, "1", "1"]
        }
        let expected = [
            row(0, sent, "INVITE", "", "0x00000002"), row(1_000_000, received, "", "180", "0x00000001"),
            row(2_000_000, received, "", "200", "0x00000001"), row(3_000_000, sent, "ACK", "", "0x00000002"),
            row(4_000_000, sent, "BYE", "", "0x00000002"), row(5_000_000, received, "", "200", "0x00000001"),
        ]
        for call in 0..<10 {
            for index in 0..<6 where rows.count == 61 {
                #expect(rows[call * 6 + index] == expected[index] + ["\(call * 10 + 1)@127.0.0.1"])
            }
        }

        // Failures are found by what they say.
        let firsts = try Tshark.rows(
            path, ["sip.Method", "frame.comment"],
            filter: "frame.comment contains \"expected 180\" && sip.Method == INVITE")
        #expect(
            firsts
                == (0..<10).map {
                    [
                        "INVITE",
                        "run \($0 * 10 + 1), scenario basic-call, basic-call.swift:24: expected 180, got 486 after 12 ms",
                    ]
                })
        let failedHere = try Tshark.rows(
            path, ["sip.Status-Code"], filter: "frame.comment contains \"run 31 failed here\"")
        #expect(failedHere == [["180"]])
        let again = try Tshark.rows(path, ["sip.Method"], filter: "frame.comment contains \"retransmission\"")
        #expect(again == [["BYE"]])
        let strays = try Tshark.rows(
            path, ["sip.Call-ID"], filter: "frame.comment contains \"no run: belongs to no call\"")
        #expect(strays == [["7777@127.0.0.1"]])

        // The first of the kind is kept for the failure screen.
        let example = try #require(report.examples[verdict180.kind])
        #expect(example.run == 1 && example.messages.count == 6 && example.messages[1].isWhereItFailed)
    }

    @Test func theSectionSaysThatItsHeadersAreMadeUp() throws {
        let scratch = try ScratchDirectory()
        let outlet = TraceOutlet()
        let writer = try CaptureFileWriter(outlet: outlet, options: options(.file(path: scratch.file("a.pcapng"))))
        var arena = TraceArena(octets: 1 << 20, policy: .all, outlet: outlet)
        var chain = TraceChain.none
        arena.appendBasicCall(&chain, run: 3)
        arena.endWell(&chain)
        arena.close()
        let path = try #require(writer.finish().path)
        let octets = try Data(contentsOf: URL(fileURLWithPath: path))
        for words in [
            "headers synthesised, not a wire capture", "carillon run basic-call --seed 42", "Seed: 42",
            "run 3, scenario basic-call, ended well",
        ] {
            #expect(octets.range(of: Data(words.utf8)) != nil, "\(words)")
        }
    }

    /// Sizes around every border, both address families, octets that are no SIP at all: libpcap gives back what went
    /// in.
    @Test(arguments: 1...3 as ClosedRange<UInt64>)
    func libpcapReadsBackHostileSizes(seed: UInt64) throws {
        let scratch = try ScratchDirectory()
        var limits = TraceLimits()
        limits.firstMessages = 100
        let outlet = TraceOutlet(limits: limits)
        let writer = try CaptureFileWriter(outlet: outlet, options: options(.file(path: scratch.file("a.pcapng"))))
        var arena = TraceArena(octets: 32 << 20, policy: .all, limits: limits, outlet: outlet)
        var generator = SeededGenerator(seed: seed)
        let six = TransportAddress(ipv6High: 0x2001_0DB8 << 32, ipv6Low: 1, port: 5060)
        let sixToo = TransportAddress(ipv6High: 0x2001_0DB8 << 32, ipv6Low: 2, port: 65_535)
        var sizes = [
            0, 1, 2, 3, 4, 5, 7, 8, 9, 1471, 1472, 1473, 65_506, 65_507, 65_508, 65_527, 65_528, 65_535, 131_072,
        ]
        for _ in 0..<40 { sizes.append(Int.random(in: 0...3000, using: &generator)) }
        sizes.shuffle(using: &generator)
        var expected: [[UInt8]] = []
        var cut: UInt64 = 0
        var run: UInt64 = 0
        for isIPv6 in [false, true] {
            for size in sizes {
                let octets = generator.octets(size)
                var chain = TraceChain.none
                arena.append(
                    &chain, run: run, octets, isSent: run % 2 == 0, at: Int64(run), local: isIPv6 ? six : caller,
                    remote: isIPv6 ? sixToo : callee)
                arena.endWell(&chain)
                arena.flush()
                run += 1
                let longest = isIPv6 ? 65_527 : 65_507
                if size > longest { cut += 1 }
                expected.append(Array(octets.prefix(longest)))
            }
        }
        arena.close()
        let report = writer.finish()
        #expect(report.error == nil)
        #expect(report.messagesCut == cut)
        let path = try #require(report.path)
        let read = try Libpcap.read(path)
        #expect(read.linkType == 12 || read.linkType == 101, "DLT_RAW, which Linux calls 12, or LINKTYPE_RAW")
        #expect(UInt64(read.packets.count) == report.packets)
        let heads = [28, 48]
        #expect(
            read.packets.enumerated().map { Array($1.octets.dropFirst(heads[$0 / sizes.count])) } == expected,
            "seed \(seed)")
        #expect(read.packets.map(\.seconds).allSatisfy { $0 == 1_735_689_600 })
        #expect(read.packets.map(\.nanoseconds) == (0..<Int(run)).map { 7 + $0 })
        if Tshark.path != nil {
            // What is no SIP may look wrong to a dissector; the layers that we made up must not.
            let bad = try Tshark.rows(
                path, ["frame.number"],
                filter: "ip.checksum.status == \"Bad\" || udp.checksum.status == \"Bad\" || !udp || udp.length < 8")
            #expect(bad == [])
            let cutRows = try Tshark.rows(
                path, ["frame.number"], filter: "frame.comment contains \"octets a datagram carries\"")
            #expect(UInt64(cutRows.count) == cut)
        }
    }

    @Test func aLongRunSaysWhatIsMissing() throws {
        let scratch = try ScratchDirectory()
        let outlet = TraceOutlet()
        let writer = try CaptureFileWriter(outlet: outlet, options: options(.file(path: scratch.file("a.pcapng"))))
        var arena = TraceArena(octets: 1 << 20, policy: .failed, outlet: outlet)
        var chain = TraceChain.none
        for index in 0..<200 { arena.append(&chain, run: 9, Array("\(index)".utf8), isSent: true, at: Int64(index)) }
        arena.endFailed(&chain, verdict: verdict180)
        arena.close()
        let report = writer.finish()
        #expect(report.packets == 64)
        let octets = try Data(contentsOf: URL(fileURLWithPath: try #require(report.path)))
        #expect(octets.range(of: Data("136 messages of run 9 before this one are not kept".utf8)) != nil)
    }

    @Test func noFailureLeavesNoFile() throws {
        let scratch = try ScratchDirectory()
        let outlet = TraceOutlet()
        let writer = try CaptureFileWriter(outlet: outlet, options: options(.file(path: scratch.file("failed.pcapng"))))
        var arena = TraceArena(octets: 1 << 20, policy: .failed, outlet: outlet)
        var chain = TraceChain.none
        arena.appendBasicCall(&chain, run: 3)
        arena.endWell(&chain)
        arena.close()
        let report = writer.finish()
        #expect(report.path == nil && report.error == nil && report.packets == 0)
        #expect(scratch.contents == [])
    }

    @Test func aPlaceThatCannotBeWrittenIsToldAtOnce() throws {
        let scratch = try ScratchDirectory()
        let path = scratch.file("no/such/directory/failed.pcapng")
        #expect(throws: CaptureFileError(step: .create, file: path + ".partial", errno: ENOENT)) {
            _ = try CaptureFileWriter(outlet: TraceOutlet(), options: options(.file(path: path)))
        }
        #expect(
            CaptureFileError(step: .write, file: "failed.pcapng", errno: ENOSPC).description
                == "cannot write failed.pcapng: No space left on device")
    }

    /// More than a buffer, so that the disk is found full in the middle of the run and not only at its end.
    @Test(arguments: [10, 3000] as [UInt64])
    func aFullDiskEndsTheTracingAndNotTheLoad(runs: UInt64) throws {
        let outlet = TraceOutlet()
        let full = open("/dev/full", O_WRONLY | O_CLOEXEC)
        try #require(full >= 0)
        let writer = try CaptureFileWriter(outlet: outlet, options: options(.descriptor(full)))
        var arena = TraceArena(octets: 1 << 20, policy: .all, outlet: outlet)
        for run in 0..<runs {
            var chain = TraceChain.none
            arena.appendBasicCall(&chain, run: run)
            arena.endWell(&chain)
        }
        arena.close()
        let report = writer.finish()
        #expect(report.error == CaptureFileError(step: .write, file: "descriptor \(full)", errno: ENOSPC))
        #expect(report.runsWritten == 0 && report.packets == 0 && report.octets == 0)
        #expect(report.runsAfterError == runs)
        #expect(arena.counts.runsHandedOver == runs)
        #expect(arena.octetsInUse == 0)
    }

    /// A file that may not grow beyond its size: the write that fails stops half-way, and what it left is taken off.
    @Test func aDiskThatFillsUpLeavesAReadableFile() throws {
        let file = try sealableFile()
        defer { close(file) }
        #expect(ftruncate(file, 1_500_000) == 0)
        // F_ADD_SEALS and F_SEAL_GROW, which are macros Swift does not see.
        #expect(fcntl(file, 1033, 4) == 0)
        let outlet = TraceOutlet()
        let writer = try CaptureFileWriter(outlet: outlet, options: options(.descriptor(dup(file))))
        var arena = TraceArena(octets: 1 << 20, policy: .all, outlet: outlet)
        for run in 0..<1000 as Range<UInt64> {
            var chain = TraceChain.none
            arena.appendBasicCall(&chain, run: run)
            arena.endWell(&chain)
        }
        arena.close()
        let report = writer.finish()
        #expect(report.error?.errno == EPERM)
        #expect(report.runsWritten > 0)
        #expect(report.runsWritten + report.runsAfterError == 1000)
        let read = try Libpcap.read("/proc/self/fd/\(file)")
        #expect(UInt64(read.packets.count) == report.packets)
    }

    /// A file in memory that accepts seals, by `memfd_create`, which the Glibc overlay hides.
    private func sealableFile() throws -> Int32 {
        typealias Create = @convention(c) (UnsafePointer<CChar>, UInt32) -> Int32
        let symbol = try #require(dlsym(dlopen(nil, RTLD_NOW), "memfd_create"))
        // MFD_CLOEXEC and MFD_ALLOW_SEALING.
        let file = unsafeBitCast(symbol, to: Create.self)("carillon-traces", 3)
        try #require(file >= 0)
        return file
    }

    @Test func theFileHasAnEnd() throws {
        let scratch = try ScratchDirectory()
        var limits = TraceLimits()
        limits.fileOctets = 100_000
        let outlet = TraceOutlet(limits: limits)
        let writer = try CaptureFileWriter(outlet: outlet, options: options(.file(path: scratch.file("a.pcapng"))))
        var arena = TraceArena(octets: 1 << 20, policy: .all, limits: limits, outlet: outlet)
        for run in 0..<200 as Range<UInt64> {
            var chain = TraceChain.none
            arena.appendBasicCall(&chain, run: run)
            arena.endWell(&chain)
        }
        arena.close()
        let report = writer.finish()
        #expect(report.octets >= 100_000 && report.octets < 110_000)
        #expect(report.runsBeyondFileLimit > 0)
        #expect(report.runsWritten + report.runsBeyondFileLimit == 200)
        #expect(try Libpcap.read(try #require(report.path)).packets.count == Int(report.packets))
    }

    /// Several workers hand over at once; every run is in the file once and whole.
    @Test func workersShareOneFile() async throws {
        let scratch = try ScratchDirectory()
        let outlet = TraceOutlet()
        let writer = try CaptureFileWriter(outlet: outlet, options: options(.file(path: scratch.file("a.pcapng"))))
        let handed = await withTaskGroup(of: UInt64.self) { group in
            for worker in 0..<4 as Range<UInt64> {
                group.addTask {
                    var arena = TraceArena(octets: 1 << 20, policy: .all, outlet: outlet)
                    for run in 0..<250 as Range<UInt64> {
                        var chain = TraceChain.none
                        arena.appendBasicCall(&chain, run: worker * 250 + run)
                        arena.endWell(&chain)
                        if run % 16 == 0 { arena.flush() }
                    }
                    arena.close()
                    return arena.counts.runsHandedOver
                }
            }
            return await group.reduce(0, +)
        }
        let report = writer.finish()
        #expect(handed == 1000 && report.runsWritten == 1000)
        let read = try Libpcap.read(try #require(report.path)).packets
        #expect(read.count == 6000)
        let bodies = read.map { Array($0.octets.dropFirst(28)) }
        let calls = stride(from: 0, to: bodies.count, by: 6).map { Array(bodies[$0..<min($0 + 6, bodies.count)]) }
        #expect(Set(calls) == Set((0..<1000).map { basicCall(number: $0).map(\.octets) }))
    }
}
