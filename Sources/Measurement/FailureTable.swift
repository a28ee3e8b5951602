import SIPWire

/// Failures of one kind: same step, same expectation, same evidence.
struct FailureKey: Sendable, Hashable {
    var step: Int
    var expectation: Int
    var got: FailureEvidence
    /// FNV-1a of the detail where the evidence alone does not tell kinds apart (a value or its absence, an unknown method, `Fail`, why
    /// a challenge was not answered).
    var detail: UInt64

    /// Takes what finds no group any more.
    static let others = FailureKey(step: -1, expectation: -1, got: .value, detail: 0)
}

/// One failure kept in full.
struct KeptFailure: Sendable {
    var run: UInt64
    var detail: String
    var callID: String
    var fromTag: String
    var local: TransportAddress
    var remote: TransportAddress
    var afterNanoseconds: Int64
    var at: MonotonicInstant
}

struct FailureTally: Sendable {
    var count: UInt64
    var kept: [KeptFailure]
}

/// Groups failures as they come. Bounded: so many groups, so many failures kept in full, the rest is counted.
struct FailureTable {
    static let mostGroups = 256
    static let mostKeptPerGroup = 16
    static let mostKept = 1_000
    static let longestText = FailureReport.longestText

    private(set) var groups: [FailureKey: FailureTally] = [:]
    private var kept = 0

    mutating func add(_ failure: borrowing FailureReport) {
        var key = FailureKey(step: failure.step, expectation: failure.expectation, got: failure.got, detail: 0)
        switch failure.got {
        case .value, .absent, .declared, .request(.other), .response(401), .response(407):
            key.detail = Self.hash(failure.detail)
        default: break
        }
        if groups[key] == nil, groups.count >= Self.mostGroups { key = .others }
        // One look-up and no copy where the group exists and is full: the case that repeats.
        groups[key, default: FailureTally(count: 0, kept: [])].count &+= 1
        guard kept < Self.mostKept, groups[key]!.kept.count < Self.mostKeptPerGroup else { return }
        kept += 1
        groups[key]!.kept.append(
            KeptFailure(
                run: failure.run, detail: Self.text(failure.detail), callID: Self.text(failure.callID),
                fromTag: Self.text(failure.fromTag), local: failure.local, remote: failure.remote,
                afterNanoseconds: failure.afterNanoseconds, at: failure.at))
    }

    private static func text(_ octets: UnsafeRawBufferPointer) -> String {
        String(decoding: octets.prefix(longestText), as: UTF8.self)
    }

    private static func hash(_ octets: UnsafeRawBufferPointer) -> UInt64 {
        octets.prefix(longestText).reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    }
}
