/// The bucket layout of every delay histogram: HdrHistogram's, for nanoseconds, lowest discernible value 1,000, three
/// significant digits, highest trackable value 2^47 - 1 (39 hours).
///
/// Why these numbers: the kernel's stamps and the clock reads around a batch are no better than a microsecond, so buckets
/// of 512 ns below 1 ms and of 0.1 % above lose nothing, and they keep the buckets a loopback run touches (20 to 300 µs) in
/// 2 KiB of cache, a fifth of what a lowest value of 1 ns would touch. The upper end costs address space only: pages
/// that no sample touches are never resident.
public enum BucketLayout {
    /// Smallest value told apart from 0, in nanoseconds.
    public static let lowestDiscernibleValue: UInt64 = 1_000
    /// Largest value recorded as it is, in nanoseconds.
    public static let highestTrackableValue: UInt64 = (1 << 47) - 1
    public static let significantDigits = 3
    /// Buckets of one histogram.
    public static let count = 29 * 1_024

    /// log2 of the width of the first buckets: 512 ns.
    @usableFromInline static let unitMagnitude = 9
    /// log2 of half the sub-buckets that one power of two holds.
    @usableFromInline static let halfMagnitude = 10
    /// The largest value of the first, linear part.
    @usableFromInline static let linearMask: UInt64 = (1 << 20) - 1
    /// Leading zeros of `linearMask`.
    @usableFromInline static let linearLeadingZeros = 44

    /// The bucket of `value`, which must not exceed `highestTrackableValue`.
    @inlinable @inline(__always)
    public static func index(of value: UInt64) -> Int { index(of: value, zeros: zeros(of: value)) }

    /// Names the power of two that `value` lies in: 44 for the linear part, down to 17 for the last.
    @inlinable @inline(__always)
    static func zeros(of value: UInt64) -> Int { (value | linearMask).leadingZeroBitCount }

    @inlinable @inline(__always)
    static func index(of value: UInt64, zeros: Int) -> Int {
        let octave = linearLeadingZeros &- zeros
        return (octave &<< halfMagnitude) &+ Int(truncatingIfNeeded: value &>> UInt64(octave &+ unitMagnitude))
    }

    /// The buckets of the values that `zeros` names.
    static func indices(zeros: Int) -> Range<Int> {
        let octave = linearLeadingZeros - zeros
        let half = 1 << halfMagnitude
        return (octave == 0 ? 0 : (octave + 1) * half)..<(octave + 2) * half
    }

    /// The smallest value of a bucket, in nanoseconds.
    public static func lowestValue(at index: Int) -> UInt64 {
        let octave = max(0, (index >> halfMagnitude) - 1)
        return UInt64(index - (octave << halfMagnitude)) << UInt64(octave + unitMagnitude)
    }

    /// The largest value of a bucket, in nanoseconds: what a percentile that falls into the bucket is reported as.
    public static func highestValue(at index: Int) -> UInt64 {
        let octave = max(0, (index >> halfMagnitude) - 1)
        return lowestValue(at: index) + (1 << UInt64(octave + unitMagnitude)) - 1
    }
}
