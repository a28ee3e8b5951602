import SimulatedNetwork
import Testing

@Suite("The model that failures are held against")
struct ModelTests {
    @Test("Without loss no call fails; with nothing but loss every call does")
    func ends() {
        var good = LossModel(Impairment(loss: 0), longestHold: 5_000_000_000)
        good.tryCalls(500, seed: 1)
        #expect(good.failed == 0)
        var bad = LossModel(Impairment(loss: 1), longestHold: 5_000_000_000)
        bad.tryCalls(500, seed: 1)
        #expect(bad.failed == 500)
    }

    @Test("More loss, more failures")
    func grows() {
        let shares = [0.3, 0.45, 0.6, 0.75].map { loss in
            var model = LossModel(Impairment(loss: loss), longestHold: 5_000_000_000)
            model.tryCalls(2_000, seed: 3)
            return model.share
        }
        #expect(shares == shares.sorted())
        #expect(shares[3] > 0.5)
    }

    /// Values from tables of the binomial distribution.
    @Test("Binomial sums", arguments: [(3, 10, 0.5, 0.171875), (0, 20, 0.1, 0.12157665), (2, 100, 0.03, 0.41977508)])
    func sums(k: Int, n: Int, p: Double, expected: Double) {
        #expect(abs(BinomialBounds.cumulative(k, n, p) - expected) < 1e-7)
    }

    @Test("A share that a count excludes lies outside its bounds")
    func shares() {
        let bounds = BinomialBounds.shares(10, of: 1_000, tail: 0.0005)
        #expect(bounds.contains(0.01))
        #expect(bounds.lowerBound > 0.002 && bounds.upperBound < 0.03)
        #expect(BinomialBounds.shares(0, of: 1_000, tail: 0.0005).lowerBound == 0)
    }

    @Test("An engine that fails too often or never is found out")
    func excludes() {
        var model = LossModel(Impairment(loss: 0.45), longestHold: 5_000_000_000)
        model.tryCalls(4_000, seed: 9)
        let allowed = BinomialBounds.failures(of: 2_000, model: model)
        let mean = Int(model.share * 2_000)
        #expect(allowed.contains(mean))
        #expect(!allowed.contains(0))
        #expect(!allowed.contains(mean * 2))
    }
}
