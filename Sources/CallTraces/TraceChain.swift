/// Handle of one run's recorded messages: 8 octets in the call slot, all zero while nothing is recorded.
///
/// Owned by exactly one slot; every party of the run appends to the same chain. The handle is meaningful only to the
/// `TraceArena` that filled it, and ends in `endWell`, `endFailed`, `take` or `release`, which make it `.none` again.
@frozen
public struct TraceChain: Sendable {
    /// First and last block, counted from 1.
    @usableFromInline var head: UInt32
    @usableFromInline var tail: UInt32

    @inlinable init(head: UInt32, tail: UInt32) {
        self.head = head
        self.tail = tail
    }

    @inlinable public static var none: TraceChain { TraceChain(head: 0, tail: 0) }

    /// The arena was full when the run's first message came: every message of it is cut.
    static let lost: UInt32 = .max
    /// The policy does not choose this run.
    static let notChosen: UInt32 = .max - 1
}

/// Why a run failed, as numbers only: the recording side never builds text. What the codes mean is the engine's affair;
/// the writer turns them into words with the `describe` closure it is given.
public struct TraceVerdict: Sendable, Hashable {
    /// Index of the step in the program.
    public var step: UInt32
    /// What the step wanted, for example a status code, and what came instead, for example 486 or a code for a
    /// time-out.
    public var expected: UInt32
    public var got: UInt32
    /// Nanoseconds from the start of the wait to the failure.
    public var afterNanoseconds: Int64

    public init(step: UInt32, expected: UInt32, got: UInt32, afterNanoseconds: Int64) {
        self.step = step
        self.expected = expected
        self.got = got
        self.afterNanoseconds = afterNanoseconds
    }

    /// The kind of failure, step × expected × got: equal for failures that belong in one group.
    public var kind: UInt64 {
        scrambled(UInt64(step) << 32 | UInt64(expected)) ^ scrambled(UInt64(got) &+ 0x9E37_79B9_7F4A_7C15)
    }
}

/// The finaliser of SplitMix64: a bijection in which every input bit reaches every output bit.
@inline(__always)
func scrambled(_ value: UInt64) -> UInt64 {
    var z = value
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
}
