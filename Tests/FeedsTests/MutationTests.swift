import Feeds
import Testing

/// Whatever the octets are: nothing crashes, and what is accepted means the same when it is written anew.
@Suite struct MutationTests {
    @Test(arguments: 0..<16 as Range<UInt64>)
    func spoiltFiles(_ seed: UInt64) {
        var random = SplitMix(state: seed)
        for number in 0..<25 {
            var octets = RandomFile(number: number, &random).octets
            for _ in 0..<8 {
                mutate(&octets, &random)
                for columns in [nil, ["a", "b"]] {
                    if let wrong = exercise(octets, columns: columns) {
                        Issue.record("\(wrong): \(String(decoding: octets, as: UTF8.self).debugDescription)")
                        return
                    }
                }
            }
        }
    }

    @Test func cutAtEveryLength() {
        var random = SplitMix(state: 3)
        for number in 0..<3 {
            let octets = RandomFile(number: number, &random).octets
            for length in 0...octets.count {
                if let wrong = exercise(Array(octets[..<length])) { Issue.record("\(wrong): cut to \(length)") }
            }
        }
    }

    @Test func nothingButNoise() {
        var random = SplitMix(state: 99)
        let alphabet = Array("\"\";;,\n\n\r#ab".utf8)
        var accepted = 0
        for _ in 0..<6_000 {
            let length = Int.random(in: 0...24, using: &random)
            let noise = (0..<length).map { _ in alphabet.randomElement(using: &random)! }
            if let wrong = exercise(noise) {
                Issue.record("\(wrong): \(String(decoding: noise, as: UTF8.self).debugDescription)")
            }
            if (try? open(noise)) != nil { accepted += 1 }
        }
        #expect(accepted > 30)
    }
}
