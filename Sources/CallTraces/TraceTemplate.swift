/// One piece of an outbound template as the trace knows it: enough to rebuild a sent message from its values.
public enum TraceTemplateSegment: Sendable {
    /// Octets that are the same in every message of the template.
    case literal([UInt8])
    /// The next so many octets of the values.
    case fixed(Int)
    /// A length in the values, UInt16 little-endian, then so many octets.
    case variable
}

/// A registered template.
struct TraceTemplate {
    let segments: [TraceTemplateSegment]
    let literalOctets: Int

    init(_ segments: [TraceTemplateSegment]) {
        self.segments = segments
        var octets = 0
        for case .literal(let literal) in segments { octets += literal.count }
        literalOctets = octets
    }

    /// No message of this template with so many octets of values is longer than this.
    func longestMessage(values: Int) -> Int { literalOctets + values }

    /// Writes the message these values make.
    ///
    /// - Parameter destination: room for `longestMessage(values: values.count)` octets.
    /// - Returns: the message's length, or nil when the values do not fit the template.
    func rebuild(values: UnsafeRawBufferPointer, into destination: UnsafeMutableRawPointer) -> Int? {
        var read = 0
        var written = 0
        for segment in segments {
            switch segment {
            case .literal(let literal):
                literal.withUnsafeBytes { octets in
                    guard let base = octets.baseAddress else { return }
                    (destination + written).copyMemory(from: base, byteCount: octets.count)
                }
                written += literal.count
            case .fixed, .variable:
                var length = 0
                if case .fixed(let count) = segment {
                    length = count
                } else {
                    guard values.count - read >= 2 else { return nil }
                    length = Int(UInt16(littleEndian: values.loadUnaligned(fromByteOffset: read, as: UInt16.self)))
                    read += 2
                }
                guard length >= 0, values.count - read >= length else { return nil }
                if length > 0 {
                    (destination + written).copyMemory(from: values.baseAddress! + read, byteCount: length)
                }
                read += length
                written += length
            }
        }
        return read == values.count ? written : nil
    }
}
