/// How often a basic call fails on a network that loses datagrams: a model of RFC 3261's timers and nothing else, to hold
/// the engine's failures against.
public enum LossModel {
    /// Share of callers whose call fails, by trying `runs` times.
    ///
    /// A message takes no time here; what the engine's network adds in delay (up to tens of milliseconds) is little beside
    /// the half second of the shortest timer.
    public static func basicCallFailures(loss: Double, duplication: Double, runs: Int, seed: UInt64) -> Double {
        var chance = Chance(seed: seed)
        func arrives() -> Bool { chance.fraction() >= loss }
        let inviteTimes: [Double] = [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
        var repeats: [Double] = [0]
        var gap = 0.5
        while repeats.last! + gap < 32 {
            repeats.append(repeats.last! + gap)
            gap = min(gap * 2, 4)
        }
        var failures = 0
        for _ in 0..<runs {
            // The first INVITE that arrives; the 180 and the 200 answer it at once.
            guard let asked = inviteTimes.first(where: { _ in arrives() }) else {
                failures += 1
                continue
            }
            var heard = arrives()  // the 180
            var answered: Double?
            var acknowledged: Double?
            for time in repeats {
                guard acknowledged == nil else { break }
                // Without any response the caller gives up when Timer B fires.
                if !heard && answered == nil && asked + time >= 32 { break }
                guard arrives() else {
                    // A repeated INVITE brings the 180 again while it is still sent.
                    if answered == nil, !heard, inviteTimes.contains(where: { $0 > asked && $0 <= asked + time + 0.5 })
                    {
                        heard = arrives() && arrives()
                    }
                    continue
                }
                if answered == nil { answered = asked + time }
                if arrives() { acknowledged = asked + time }
            }
            guard let answered else {
                failures += 1
                continue
            }
            // The BYE is taken once the ACK has come.
            var ended = false
            for time in repeats {
                guard let acknowledged else { break }
                if arrives(), answered + time >= acknowledged, arrives() {
                    ended = true
                    break
                }
            }
            if !ended { failures += 1 }
        }
        return Double(failures) / Double(runs)
    }

    /// Bounds that 99.9 % of samples of `count` lie in, when each fails with probability `share`; wide enough for what the
    /// model leaves out (`slack`, a share of it).
    public static func bounds(share: Double, count: Int, slack: Double = 0.35) -> ClosedRange<Double> {
        let n = Double(count)
        let low = share * (1 - slack)
        let high = share * (1 + slack)
        let spreadLow = 3.3 * (n * low * (1 - low)).squareRoot()
        let spreadHigh = 3.3 * (n * high * (1 - high)).squareRoot()
        return max(0, n * low - spreadLow - 1)...(n * high + spreadHigh + 3)
    }
}
