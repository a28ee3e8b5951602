/// A reading of CLOCK_MONOTONIC in nanoseconds. The engine never reads it: it is handed in.
public struct MonotonicInstant: Sendable, Hashable, Comparable {
    public var nanoseconds: Int64

    public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    public static let zero = MonotonicInstant(nanoseconds: 0)
    public static let distantFuture = MonotonicInstant(nanoseconds: .max)

    @inlinable public static func < (a: MonotonicInstant, b: MonotonicInstant) -> Bool { a.nanoseconds < b.nanoseconds }

    /// Nanoseconds from `earlier` to here; negative when `earlier` is later.
    @inlinable public func nanoseconds(since earlier: MonotonicInstant) -> Int64 { nanoseconds &- earlier.nanoseconds }

    @inlinable public func advanced(byNanoseconds n: Int64) -> MonotonicInstant {
        MonotonicInstant(nanoseconds: nanoseconds &+ n)
    }
}
