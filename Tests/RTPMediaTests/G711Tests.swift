import RTPMedia
import Testing

@Suite struct G711Tests {
    /// The digital milliwatt of ITU-T G.711, table 5 and 6: 1 kHz, eight octets. Its samples are those that the octets stand for.
    @Test(
        arguments: [
            (
                G711.muLaw, [-8828, -20_860, -20_860, -8828, 8828, 20_860, 20_860, 8828],
                [0x1E, 0x0B, 0x0B, 0x1E, 0x9E, 0x8B, 0x8B, 0x9E]
            ),
            (
                G711.aLaw, [-8960, -20_992, -20_992, -8960, 8960, 20_992, 20_992, 8960],
                [0x34, 0x21, 0x21, 0x34, 0xB4, 0xA1, 0xA1, 0xB4]
            ),
        ] as [(G711, [Int16], [UInt8])])
    func `the digital milliwatt is that of the recommendation`(_ law: G711, _ samples: [Int16], _ octets: [UInt8]) {
        #expect(samples.map { law.octet(of: $0) } == octets)
    }

    @Test func `extremes and silence have their octets`() {
        #expect(G711.muLaw.octet(of: 0) == 0xFF && G711.muLaw.silence == 0xFF)
        #expect(G711.aLaw.octet(of: 0) == 0xD5 && G711.aLaw.silence == 0xD5)
        #expect(G711.muLaw.octet(of: .max) == 0x80 && G711.muLaw.octet(of: .min) == 0x00)
        #expect(G711.aLaw.octet(of: .max) == 0xAA && G711.aLaw.octet(of: .min) == 0x2A)
    }

    /// What an octet stands for, from the recommendation's decision values.
    static func value(_ octet: UInt8, _ law: G711) -> Int {
        if law == .muLaw {
            let code = ~octet
            let magnitude = ((Int(code & 0x0F) << 3) + 0x84) << Int(code >> 4 & 7) - 0x84
            return code & 0x80 != 0 ? -magnitude : magnitude
        }
        let code = octet ^ 0x55
        let segment = Int(code >> 4 & 7)
        let base = Int(code & 0x0F) << 4
        let magnitude = segment == 0 ? base + 8 : (base + 0x108) << (segment - 1)
        return code & 0x80 != 0 ? magnitude : -magnitude
    }

    @Test(arguments: G711.allCases)
    func `every sample comes back within half a step`(_ law: G711) {
        for sample in stride(from: -32_000, through: 32_000, by: 7) {
            let error = abs(Self.value(law.octet(of: Int16(sample)), law) - sample)
            // Steps are a sixteenth of the least value of their segment: of the value, and of µ-law's value and its bias of 132.
            let halfStep = law == .muLaw ? (abs(sample) + 132) / 32 : max(abs(sample) / 32, 8)
            #expect(error <= halfStep + 1, "\(sample) by \(error)")
        }
    }

    /// The payloads stand one after the other without a jump: the sixth goes on where the fifth ends.
    @Test(arguments: G711.allCases)
    func `the tone is one of 440 Hz`(_ law: G711) {
        let payloads = MediaPayloads()
        var octets = [UInt8](repeating: 0, count: 6 * MediaPayloads.samples)
        octets.withUnsafeMutableBytes { target in
            for number in 0..<6 {
                payloads.copyTone(number, law, to: target.baseAddress! + number * MediaPayloads.samples)
            }
        }
        let samples = octets.map { Self.value($0, law) }
        let rises = (1..<samples.count).filter { samples[$0 - 1] < 0 && samples[$0] >= 0 }.count
        // 960 samples are 120 ms: 52.8 periods.
        #expect((52...53).contains(rises))
        let jumps = (1..<samples.count).map { abs(samples[$0] - samples[$0 - 1]) }
        #expect(jumps.max()! < 4500)
        payloads.copySilence(law, to: &octets)
        #expect(octets.prefix(MediaPayloads.samples).allSatisfy { $0 == law.silence })
    }
}
