import Histogram

/// A delay's samples by bucket (`BucketLayout`), without the empty buckets. Adding two is exact.
public struct SparseHistogram: Sendable, Hashable {
    public struct Bucket: Sendable, Hashable {
        public var index: Int
        public var count: UInt64
    }

    /// Non-empty buckets by rising index.
    public internal(set) var buckets: [Bucket]
    public internal(set) var samples: UInt64

    public init() {
        buckets = []
        samples = 0
    }

    init(buckets: [Bucket]) {
        self.buckets = buckets
        samples = buckets.reduce(0) { $0 &+ $1.count }
    }

    public var isEmpty: Bool { samples == 0 }

    public mutating func add(_ other: SparseHistogram) {
        guard !other.isEmpty else { return }
        guard !isEmpty else {
            self = other
            return
        }
        var merged: [Bucket] = []
        merged.reserveCapacity(max(buckets.count, other.buckets.count) * 3 / 2)
        var i = 0
        var j = 0
        while i < buckets.count, j < other.buckets.count {
            let a = buckets[i]
            let b = other.buckets[j]
            if a.index == b.index {
                merged.append(Bucket(index: a.index, count: a.count &+ b.count))
                i += 1
                j += 1
            } else if a.index < b.index {
                merged.append(a)
                i += 1
            } else {
                merged.append(b)
                j += 1
            }
        }
        merged.append(contentsOf: buckets[i...])
        merged.append(contentsOf: other.buckets[j...])
        buckets = merged
        samples &+= other.samples
    }

    /// The same counts as a histogram of the HdrHistogram package: same layout, so bucket by bucket equal.
    public var histogram: Histogram<UInt64> {
        var histogram = Self.emptyHistogram
        for bucket in buckets { histogram.record(BucketLayout.highestValue(at: bucket.index), count: bucket.count) }
        return histogram
    }

    public static var emptyHistogram: Histogram<UInt64> {
        Histogram<UInt64>(
            lowestDiscernibleValue: BucketLayout.lowestDiscernibleValue,
            highestTrackableValue: BucketLayout.highestTrackableValue, numberOfSignificantValueDigits: .three)
    }

    /// The value that `percentile` percent of the samples do not exceed, in nanoseconds: the upper end of its bucket.
    /// Nil where there are no samples. The same rule as `Histogram.valueAtPercentile`.
    public func value(atPercentile percentile: Double) -> UInt64? {
        guard samples > 0 else { return nil }
        let requested = min(max(percentile.nextDown, 0), 100)
        let rank = max(1, UInt64((requested * Double(samples) / 100).rounded(.up)))
        var seen: UInt64 = 0
        for bucket in buckets {
            seen &+= bucket.count
            if seen >= rank { return BucketLayout.highestValue(at: bucket.index) }
        }
        return maximum
    }

    /// Upper end of the highest bucket with a sample, in nanoseconds.
    public var maximum: UInt64? { buckets.last.map { BucketLayout.highestValue(at: $0.index) } }
    /// Lower end of the lowest bucket with a sample, in nanoseconds.
    public var minimum: UInt64? { buckets.first.map { BucketLayout.lowestValue(at: $0.index) } }

    /// Mean of the samples, each taken as the middle of its bucket, in nanoseconds.
    public var mean: Double? {
        guard samples > 0 else { return nil }
        let sum = buckets.reduce(0.0) { sum, bucket in
            let low = Double(BucketLayout.lowestValue(at: bucket.index))
            let width = Double(BucketLayout.highestValue(at: bucket.index)) + 1 - low
            return sum + (low + width / 2) * Double(bucket.count)
        }
        return sum / Double(samples)
    }
}
