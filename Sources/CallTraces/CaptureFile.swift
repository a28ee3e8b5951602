import Glibc
import Measurement
import SIPWire

/// One capture file while it is written: batches in, packets with their comments out.
struct CaptureFile: ~Copyable {
    static let partial = ".partial"
    private static let mostExamples = 64
    private static let longestExample = 256 << 10

    private let options: CaptureFileOptions
    private let limits: TraceLimits
    private let name: String
    private var output: CaptureOutput
    private var report = CaptureFileReport()
    private var identification: UInt16 = 0
    private var sequences = StreamSequences()

    init(options: CaptureFileOptions, limits: TraceLimits, descriptor: Int32, name: String) {
        self.options = options
        self.limits = limits
        self.name = name
        output = CaptureOutput(descriptor: descriptor)
        output.writeSectionHeader(
            comment: "IP, UDP and TCP headers synthesised, not a wire capture. Scenario: \(options.scenario). "
                + "Command: \(options.commandLine). Seed: \(options.seed).",
            application: "Carillon")
        output.writeInterface(name: "carillon")
    }

    mutating func write(_ batch: TraceBatch) {
        var offset = 0
        while offset < batch.used {
            let image = UnsafeRawPointer(batch.base + offset)
            let head = image.load(as: RunImage.self)
            offset += head.octets
            writeRun(head, image)
        }
    }

    /// Flushes, closes, and gives the file its name.
    mutating func finish() -> CaptureFileReport {
        let failure = output.close()
        report.octets = output.written
        report.packets = output.inFile.packets
        report.runsWritten = output.inFile.runs
        report.strayMessages = output.inFile.strays
        report.runsAfterError += output.lost.runs
        if let failure {
            report.error = CaptureFileError(step: .write, file: name, errno: failure)
        }
        if case .file(let path) = options.destination {
            if report.packets == 0 {
                unlink(path + Self.partial)
            } else if rename(path + Self.partial, path) == 0 {
                report.path = path
            } else if report.error == nil {
                report.error = CaptureFileError(step: .rename, file: path + Self.partial, errno: errno)
            }
        }
        return report
    }

    private mutating func writeRun(_ head: RunImage, _ image: UnsafeRawPointer) {
        if output.failure != nil {
            if head.kind != .strays { report.runsAfterError += 1 }
            return
        }
        if output.octetsSoFar >= limits.fileOctets {
            if head.kind != .strays { report.runsBeyondFileLimit += 1 }
            return
        }
        if head.kept == 0 {
            report.runsWithoutMessages += 1
            return
        }
        var messages = MessageImages(image)
        let verdict =
            head.kind == .failed ? options.describe(head.verdict, String(decoding: messages.detail, as: UTF8.self)) : ""
        if head.kind == .failed { keepExample(head, image) }

        var ordinalBefore: UInt32 = 0
        var isFirst = true
        var left = head.kept
        while let (message, octets) = messages.next() {
            left -= 1
            var comment = Comment()
            if head.kind == .strays {
                comment.add("no run: \(StrayReason(rawValue: message.reason)?.words ?? "reason \(message.reason)")")
            } else {
                if isFirst { comment.add(runComment(head, verdict)) }
                if message.ordinal == head.failedAt { comment.add("run \(head.run) failed here: \(verdict)") }
                let cut = message.ordinal &- ordinalBefore &- 1
                if cut > 0 { comment.add(Self.notKept(cut, of: head.run, "before")) }
                if left == 0, head.messages > message.ordinal {
                    comment.add(Self.notKept(head.messages - message.ordinal, of: head.run, "after"))
                }
                ordinalBefore = message.ordinal
            }
            isFirst = false
            writeMessage(message, octets, comment)
        }
        if head.kind == .strays { output.inBuffer.strays += UInt64(head.kept) } else { output.inBuffer.runs += 1 }
    }

    private static func notKept(_ count: UInt32, of run: UInt64, _ side: String) -> String {
        "\(counted(UInt64(count), "message")) of run \(run) \(side) this one \(count == 1 ? "is" : "are") not kept"
    }

    private func runComment(_ head: RunImage, _ verdict: String) -> String {
        var text = "run \(head.run), scenario \(options.scenario)"
        text += head.kind == .failed ? ", \(verdict)" : ", ended well"
        if head.cutByFullArena > 0 {
            text += " (\(counted(UInt64(head.cutByFullArena), "message")) not kept: trace arena full)"
        }
        return text
    }

    private mutating func writeMessage(_ message: MessageImage, _ octets: UnsafeRawBufferPointer, _ text: Comment) {
        var comment = text
        let isSent = message.flags & RecordHead.sent != 0
        if message.flags & RecordHead.retransmission != 0 { comment.add("retransmission") }
        if message.flags & RecordHead.damaged != 0 {
            comment.add(
                octets.isEmpty
                    ? "octets lost: the values kept do not fit the template"
                    : "cut: only the first \(octets.count) octets were kept")
        }
        let wall = UInt64(max(0, message.at &+ options.wallClockOffsetNanoseconds))
        let source = isSent ? message.local : message.remote
        let destination = isSent ? message.remote : message.local
        if message.flags & RecordHead.stream != 0 {
            writeSegments(octets, from: source, to: destination, wall, isSent, comment)
            return
        }
        var payload = octets
        let longest = SynthesizedDatagram.longestPayload(isIPv6: message.local.isIPv6 || message.remote.isIPv6)
        if payload.count > longest {
            report.messagesCut += 1
            comment.add("cut to the \(longest) octets a datagram carries, of \(payload.count)")
            payload = UnsafeRawBufferPointer(rebasing: payload[..<longest])
        }
        identification &+= 1
        output.writePacket(
            SynthesizedDatagram(
                source: source, destination: destination, payload: payload, identification: identification),
            wallNanoseconds: wall, isSent: isSent, comment: comment.text)
        output.inBuffer.packets += 1
    }

    /// One message of a stream, as one packet or, where that is too short, as several. The remarks stand at the first.
    private mutating func writeSegments(
        _ octets: UnsafeRawBufferPointer, from source: TransportAddress, to destination: TransportAddress,
        _ wall: UInt64, _ isSent: Bool, _ comment: Comment
    ) {
        var offset = 0
        repeat {
            let part = min(octets.count - offset, SynthesizedSegment.longestPayload)
            let numbers = sequences.take(from: source, to: destination, part)
            identification &+= 1
            output.writePacket(
                SynthesizedSegment(
                    source: source, destination: destination,
                    payload: UnsafeRawBufferPointer(rebasing: octets[offset..<offset + part]),
                    sequence: numbers.sequence, acknowledgement: numbers.acknowledgement,
                    identification: identification),
                wallNanoseconds: wall, isSent: isSent, comment: offset == 0 ? comment.text : "")
            output.inBuffer.packets += 1
            offset += part
        } while offset < octets.count
    }

    private mutating func keepExample(_ head: RunImage, _ image: UnsafeRawPointer) {
        guard head.octets <= Self.longestExample, report.examples.count < Self.mostExamples,
            report.examples[head.verdict.kind] == nil
        else { return }
        report.examples[head.verdict.kind] = CallTranscript(image: image)
    }
}

/// Remarks on one packet, joined: not every reader shows more than one comment.
private struct Comment {
    private(set) var text = ""

    mutating func add(_ remark: String) {
        if !text.isEmpty { text += "; " }
        text += remark
    }
}
