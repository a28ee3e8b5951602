import Glibc
import SIPWire

/// Failed runs of one kind: same step, same expectation, same evidence.
public struct FailureGroup: Sendable, Hashable, Codable {
    /// Nil for the group that takes what came after 256 groups were in use.
    public var step: StepDescription?
    /// Completes "expected …".
    public var expected: String
    /// Completes "got …".
    public var got: String
    public var rule: String
    public var count: UInt64
    /// The earliest, at most 16 of a group and 1,000 of a run.
    public var examples: [FailureExample]
    /// Of the response that came; nil where it was something else.
    public var status: Int?

    /// Where it failed, as file:line; empty for the group of all others.
    public var place: String { step.map { "\($0.file):\($0.line)" } ?? "" }

    /// The one line that explains an example:
    /// `basic-call.swift:24: expected 200 to INVITE, got 486 Busy Here after 812 ms (call 1042, Call-ID …, RFC 3261 §13.2.2)`.
    public func sentence(_ example: FailureExample, noun: String = "call") -> String {
        "\(place.isEmpty ? "" : place + ": ")expected \(expected), got \(example.got)"
            + waitedText(example.afterNanoseconds)
            + " (\(noun) \(example.run)\(example.rowsText), Call-ID \(example.callID)\(rule.isEmpty ? "" : ", \(rule)"))"
    }
}

/// One failed run, with what finds it in a server's log.
public struct FailureExample: Sendable, Hashable, Codable {
    /// The arrival's place in the whole plan.
    public var run: UInt64
    public var got: String
    public var callID: String
    public var fromTag: String
    public var localAddress: String
    public var remoteAddress: String
    /// RFC 3339, of the failure.
    public var atUTC: String
    /// From the start of the run's load to the failure.
    public var atNanoseconds: Int64
    /// From the start of the wait to the failure.
    public var afterNanoseconds: Int64
    /// The rows of feeds that the run had; nil where it had none.
    public var rows: [RowReference]?

    /// `, users.csv:18`, for each feed.
    public var rowsText: String { (rows ?? []).map { ", \($0.text)" }.joined() }
}

extension FailureGroup {
    /// The group of failures that found no group of their own any more.
    static let othersText = "various: more than \(FailureTable.mostGroups) kinds of failure came"

    static func merge(
        _ tables: [[FailureKey: FailureTally]], layout: RecorderLayout, clock: RunClock, feeds: [String]
    ) -> [FailureGroup] {
        var merged: [FailureKey: FailureTally] = [:]
        for table in tables {
            for (key, tally) in table {
                merged[key, default: FailureTally(count: 0, kept: [])].count &+= tally.count
                merged[key]!.kept += tally.kept
            }
        }
        var left = FailureTable.mostKept
        return merged.map { key, tally -> FailureGroup in
            let kept = tally.kept.sorted { ($0.at, $0.run) < ($1.at, $1.run) }.prefix(FailureTable.mostKeptPerGroup)
            let known = layout.expectations.indices.contains(key.expectation)
            return FailureGroup(
                step: layout.steps.indices.contains(key.step) ? layout.steps[key.step] : nil,
                expected: known ? layout.expectations[key.expectation].text : "something else",
                got: key == .others
                    ? othersText : key.got.text(detail: kept.first?.detail ?? "", faults: layout.faults),
                rule: known ? layout.expectations[key.expectation].rule : "", count: tally.count,
                examples: kept.map { FailureExample($0, got: key.got, layout: layout, clock: clock, feeds: feeds) },
                status: key.got.status)
        }
        .sorted { a, b in
            // The largest first; a fixed order among equals, so that equal runs read equal.
            a.count != b.count ? a.count > b.count : (a.place, a.expected, a.got) < (b.place, b.expected, b.got)
        }
        .map { group in
            var group = group
            group.examples = Array(group.examples.prefix(left))
            left -= group.examples.count
            return group
        }
    }
}

extension FailureExample {
    init(_ kept: KeptFailure, got: FailureEvidence, layout: RecorderLayout, clock: RunClock, feeds: [String]) {
        run = kept.run
        self.got = got.text(detail: kept.detail, faults: layout.faults)
        callID = kept.callID
        fromTag = kept.fromTag
        localAddress = kept.local.text
        remoteAddress = kept.remote.text
        atUTC = utcText(clock.utcNanoseconds(of: kept.at))
        atNanoseconds = kept.at.nanoseconds - clock.epochMonotonicNanoseconds
        afterNanoseconds = kept.afterNanoseconds
        let had = zip(feeds, kept.rows).filter { $0.1 != .max }
        rows = had.isEmpty ? nil : had.map { RowReference(feed: $0.0, row: Int($0.1) + 1) }
    }
}

extension FailureEvidence {
    var status: Int? { if case .response(let status) = self { Int(status) } else { nil } }

    /// Completes "got …".
    public func text(detail: String, faults: [String]) -> String {
        switch self {
        case .response(let status): detail.isEmpty ? "\(status)" : "\(status) \(detail)"
        case .request(.other): detail.isEmpty ? "a request with an unknown method" : detail
        case .request(let method): method.reportName
        case .timeout: "nothing"
        case .unread: "nothing: the peer does not read, and what was sent waits on our side of the connection"
        case .misfit: "nothing that fits" + (detail.isEmpty ? "" : ": \(detail)")
        case .transport(EMSGSIZE):
            "a message too long to be sent: a datagram holds 65,507 octets, with --path-mtu discover only what the path takes whole"
        case .transport(ENOTCONN): "no connection: none could be opened, or it had ended"
        case .transport(0): "the connection closed by the peer"
        case .transport(EPROTO):
            "a connection that had to be closed: what came on it cannot be read as SIP"
                + (detail.isEmpty ? "" : ": " + detail)
        case .transport(ENOBUFS): "a connection whose send queue is full: the peer does not read"
        case .transport(let number) where number >= FailureReport.firstTLSError:
            detail.isEmpty ? "no TLS with the peer" : detail
        case .transport(EAFNOSUPPORT): "an address of the other IP family: a run speaks IPv4 or IPv6, not both"
        case .transport(let number)
        where [EINVAL, EACCES, EPERM, EADDRNOTAVAIL, EMFILE, ENFILE, ENOMEM].contains(number):
            "\(String(cString: strerror(number))): this machine did not send it (errno \(number))"
        case .transport(let number): "\(String(cString: strerror(number))) from the network (errno \(number))"
        case .value: detail.isEmpty ? "an empty value" : "“\(detail)”"
        case .absent: detail.isEmpty ? "no value" : detail
        case .malformed(let fault):
            "a malformed message" + (faults.indices.contains(Int(fault)) ? " (\(faults[Int(fault)]))" : "")
        case .contact(let status): "a \(status) whose Contact is not a SIP URI"
        case .secure(let status):
            "a \(status) that leads to TLS (sips: or transport=tls), which this run does not speak: --transport tls"
        case .routes(let status): "a \(status) with a longer Record-Route"
        case .declared: detail.isEmpty ? "the scenario's own Fail" : "the scenario's Fail: \(detail)"
        case .exhausted: "no room for it in the generator"
        case .noMediaPort: "no media port free in the generator (--media-ports)"
        case .tooLarge(let octets):
            "a request of \(grouped(UInt64(octets))) octets: above 1,300, or 200 below the path's MTU, it goes over TCP (RFC 3261 §18.1.1)"
        case .missing: "no value for a part that it is made of"
        case .endless(let steps): "the limit of \(grouped(UInt64(steps))) steps without a wait"
        }
    }
}
