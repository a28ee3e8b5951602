import Glibc

/// What a count of failures may be when the model is right.
public enum BinomialBounds {
    /// ln of the probability of `k` among `n`.
    private static func logMass(_ k: Int, _ n: Int, _ p: Double) -> Double {
        if p <= 0 { return k == 0 ? 0 : -.infinity }
        if p >= 1 { return k == n ? 0 : -.infinity }
        return lgamma(Double(n) + 1) - lgamma(Double(k) + 1) - lgamma(Double(n - k) + 1) + Double(k) * log(p)
            + Double(n - k) * log1p(-p)
    }

    /// Probability of at most `k` among `n`.
    public static func cumulative(_ k: Int, _ n: Int, _ p: Double) -> Double {
        if k < 0 { return 0 }
        if k >= n { return 1 }
        // The terms that matter lie near the mean.
        let mean = Double(n) * p
        let spread = 40 * (mean * (1 - p)).squareRoot() + 60
        let first = max(0, Int(mean - spread))
        guard k >= first else { return 0 }
        var sum = 0.0
        for value in first...k { sum += exp(logMass(value, n, p)) }
        return min(sum, 1)
    }

    /// The smallest share that makes `k` or fewer of `n` as unlikely as `tail`, and the largest for `k` or more
    /// (Clopper and Pearson).
    public static func shares(_ k: Int, of n: Int, tail: Double) -> ClosedRange<Double> {
        func solve(_ isLow: Bool) -> Double {
            var low = 0.0
            var high = 1.0
            for _ in 0..<60 {
                let middle = (low + high) / 2
                let isBelow = isLow ? 1 - cumulative(k - 1, n, middle) < tail : cumulative(k, n, middle) > tail
                if isBelow { low = middle } else { high = middle }
            }
            return (low + high) / 2
        }
        return (k == 0 ? 0 : solve(true))...(k == n ? 1 : solve(false))
    }

    /// How many of `count` calls may fail, at 99.9 %, when the model tried some and saw some of them fail: the bounds of the
    /// binomial distribution with the model's own uncertainty (99.9 % too) added on either side.
    public static func failures(of count: Int, model: LossModel) -> ClosedRange<Int> {
        let shares = shares(model.failed, of: model.tried, tail: 0.0005)
        var low = 0
        while cumulative(low, count, shares.lowerBound) < 0.0005 { low += 1 }
        var high = low
        while 1 - cumulative(high, count, shares.upperBound) > 0.0005 { high += 1 }
        return low...high
    }
}
