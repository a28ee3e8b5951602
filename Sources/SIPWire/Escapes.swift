/// The octets of a URI part without their escapes (RFC 3261 §19.1.2), one after the other. What is no escape stands as it is.
public struct UnescapedOctets: Sequence, IteratorProtocol {
    private let message: UnsafeRawPointer
    private var place: Int
    private let past: Int

    public init(_ message: UnsafeRawPointer, _ range: OctetRange) {
        self.message = message
        place = range.first
        past = range.past
    }

    public mutating func next() -> UInt8? {
        guard place < past else { return nil }
        let octet = message.octet(place)
        place &+= 1
        guard octet == Octet.percent, past &- place >= 2 else { return octet }
        let high = hexValue(message.octet(place))
        let low = hexValue(message.octet(place &+ 1))
        guard high < 16, low < 16 else { return octet }
        place &+= 2
        return high &* 16 &+ low
    }
}
