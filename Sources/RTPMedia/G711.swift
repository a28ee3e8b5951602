import Glibc

/// G.711: sixteen bits of linear sound to one octet (ITU-T G.711; RFC 3551 §4.5.14).
public enum G711: UInt8, Sendable, CaseIterable {
    /// PCMU, payload type 0.
    case muLaw = 0
    /// PCMA, payload type 8.
    case aLaw = 8

    /// The octet of a sample that stands for nothing heard.
    public var silence: UInt8 { self == .muLaw ? 0xFF : 0xD5 }

    public func octet(of sample: Int16) -> UInt8 { self == .muLaw ? Self.muLaw(sample) : Self.aLaw(sample) }

    private static func muLaw(_ sample: Int16) -> UInt8 {
        let bias = 0x84, clip = 32_635
        let sign: UInt8 = sample < 0 ? 0x80 : 0
        let magnitude = min(abs(Int(sample)), clip) + bias
        // The segment is the place of the highest bit, from that of the bias on.
        let segment = max(Int.bitWidth - 1 - magnitude.leadingZeroBitCount - 7, 0)
        let mantissa = UInt8(magnitude >> (segment + 3) & 0x0F)
        return ~(sign | UInt8(segment) << 4 | mantissa)
    }

    private static func aLaw(_ sample: Int16) -> UInt8 {
        let sign: UInt8 = sample < 0 ? 0 : 0x80
        // Thirteen bits; a negative value is the complement, so that both halves have the same steps.
        let magnitude = Int(sample < 0 ? ~sample : sample) >> 3
        let segment = max(Int.bitWidth - 1 - magnitude.leadingZeroBitCount - 4, 0)
        let mantissa = UInt8(segment == 0 ? magnitude >> 1 & 0x0F : magnitude >> segment & 0x0F)
        return (sign | UInt8(segment) << 4 | mantissa) ^ 0x55
    }
}

/// What a party sends without being asked: payloads of 20 ms at 8,000 Hz, made once.
public struct MediaPayloads: Sendable {
    public static let samples = 160
    /// 440 Hz in 20 ms are 8.8 periods: five payloads, and the sixth is the first again. No tone of DTMF, no call progress tone of one frequency
    /// that a gateway listens for (1,100 Hz, 2,100 Hz).
    public static let tonePayloads = 5
    public static let toneHertz = 440.0
    /// About 10 dB below the loudest: a voice that nobody clips.
    static let amplitude = 10_000.0

    private let octets: [UInt8]

    public init() {
        var octets: [UInt8] = []
        for law in G711.allCases {
            for sample in 0..<Self.samples * Self.tonePayloads {
                let value = Self.amplitude * sin(2 * Double.pi * Self.toneHertz * Double(sample) / 8000)
                octets.append(law.octet(of: Int16(value.rounded())))
            }
            octets += [UInt8](repeating: law.silence, count: Self.samples)
        }
        self.octets = octets
    }

    /// Copies one payload of the tone.
    public func copyTone(_ number: Int, _ law: G711, to target: UnsafeMutableRawPointer) {
        copy(number % Self.tonePayloads, law, to: target)
    }

    public func copySilence(_ law: G711, to target: UnsafeMutableRawPointer) {
        copy(Self.tonePayloads, law, to: target)
    }

    private func copy(_ number: Int, _ law: G711, to target: UnsafeMutableRawPointer) {
        let place = ((law == .muLaw ? 0 : Self.tonePayloads + 1) + number) * Self.samples
        octets.withUnsafeBytes { _ = memcpy(target, $0.baseAddress! + place, Self.samples) }
    }
}
