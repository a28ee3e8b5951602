/// A hash: 16 octets for MD5, 32 else. Trivial, made to be kept by whoever needs it again: HA1 for a user's further
/// requests, HA2 for further requests of one method to one URI.
public struct HashValue: Sendable, BitwiseCopyable {
    /// In memory order; the last two are 0 for MD5.
    var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    public let function: HashFunction

    /// All zeros: nobody's HA1.
    init(_ function: HashFunction) { self.function = function }

    /// From its hexadecimal digits in any case, as password files hold HA1; nil where there are not exactly as many as
    /// the function has, or others.
    public init?(_ function: HashFunction, digits: UnsafeRawBufferPointer) {
        self.function = function
        guard digits.count == function.length * 2 else { return nil }
        let isRight = withUnsafeMutableBytes(of: &words) { octets in
            for place in 0..<function.length {
                let high = hexadecimalValue(digits[place &* 2])
                let low = hexadecimalValue(digits[place &* 2 &+ 1])
                guard high < 16, low < 16 else { return false }
                octets[place] = high &<< 4 | low
            }
            return true
        }
        guard isRight else { return nil }
    }

    public var digitCount: Int { function.length * 2 }

    /// Writes `digitCount` lower-case hexadecimal digits.
    public func writeDigits(to place: UnsafeMutableRawPointer) {
        Self.write(words.0, to: place)
        Self.write(words.1, to: place + 16)
        guard function != .md5 else { return }
        Self.write(words.2, to: place + 32)
        Self.write(words.3, to: place + 48)
    }

    @inline(always)
    private static func write(_ word: UInt64, to place: UnsafeMutableRawPointer) {
        place.storeBytes(of: hexadecimalDigits(UInt32(truncatingIfNeeded: word)), as: UInt64.self)
        place.storeBytes(
            of: hexadecimalDigits(UInt32(truncatingIfNeeded: word &>> 32)), toByteOffset: 8, as: UInt64.self)
    }

    /// Takes the same time wherever the two differ.
    public func isEqual(to other: HashValue) -> Bool {
        let difference =
            words.0 ^ other.words.0 | words.1 ^ other.words.1 | words.2 ^ other.words.2 | words.3 ^ other.words.3
        return difference == 0 && function == other.function
    }
}
