/// What is wrong with an encoded histogram or a histogram log.
public struct HistogramFormatError: Error, Hashable, CustomStringConvertible {
    /// Line of the log, from 1; nil for a histogram that stands alone.
    public var line: Int?
    public var problem: String

    public var description: String { (line.map { "line \($0): " } ?? "") + problem }
}

/// HdrHistogram's V2 compressed form: base64 of a cookie, a length and a zlib stream, in which the counts stand as ZigZag
/// LEB128 integers, a negative one for a run of empty buckets. All fixed-width fields are big-endian.
extension SparseHistogram {
    private static let plainCookie: UInt32 = 0x1C84_9313
    private static let compressedCookie: UInt32 = 0x1C84_9314
    private static let headerOctets = 40
    /// No honest histogram of our layout is longer: every bucket with a count of nine octets.
    private static let mostOctets = headerOctets + BucketLayout.count * 9

    /// The text that stands in an `.hlog` line. It begins with HISTFA.
    public var encodedV2: String {
        var body: [UInt8] = []
        var next = 0
        for bucket in buckets {
            let empty = bucket.index - next
            if empty == 1 { Self.appendZigZag(0, to: &body) }
            if empty > 1 { Self.appendZigZag(-Int64(empty), to: &body) }
            Self.appendZigZag(Int64(clamping: bucket.count), to: &body)
            next = bucket.index + 1
        }
        var plain: [UInt8] = []
        plain.reserveCapacity(Self.headerOctets + body.count)
        Self.append(Self.plainCookie, to: &plain)
        Self.append(UInt32(body.count), to: &plain)
        Self.append(UInt32(0), to: &plain)
        Self.append(UInt32(BucketLayout.significantDigits), to: &plain)
        Self.append(BucketLayout.lowestDiscernibleValue, to: &plain)
        Self.append(BucketLayout.highestTrackableValue, to: &plain)
        Self.append((1.0).bitPattern, to: &plain)
        plain += body
        let stream = Deflate.compress(plain)
        var result: [UInt8] = []
        Self.append(Self.compressedCookie, to: &result)
        Self.append(UInt32(stream.count), to: &result)
        return Base64.encode(result + stream)
    }

    /// Reads what `encodedV2` or another HdrHistogram writes, where the layout is ours (lowest discernible value 1,000, three
    /// significant digits). Nothing of `text` is trusted.
    public init(encodedV2 text: Substring) throws(HistogramFormatError) {
        func broken(_ problem: String) -> HistogramFormatError { HistogramFormatError(line: nil, problem: problem) }
        guard let outer = Base64.decode(text.utf8) else { throw broken("the histogram is not base64, or cut off") }
        guard outer.count > 8 else { throw broken("the histogram is cut off after \(outer.count) octets") }
        let cookie: UInt32 = Self.read(outer, at: 0)
        guard cookie == Self.compressedCookie else {
            throw broken(
                "expected a V2 compressed histogram (cookie 1c849314), got cookie \(String(cookie, radix: 16))")
        }
        let length: UInt32 = Self.read(outer, at: 4)
        guard Int(length) == outer.count - 8 else {
            throw broken("the histogram says \(length) compressed octets and has \(outer.count - 8)")
        }
        guard let plain = Deflate.decompress(outer[8...], limit: Self.mostOctets) else {
            throw broken("the compressed part is damaged, or unpacks to more than \(Self.mostOctets) octets")
        }
        guard plain.count >= Self.headerOctets else {
            throw broken("the header is cut off after \(plain.count) octets")
        }
        let plainCookie: UInt32 = Self.read(plain, at: 0)
        guard plainCookie == Self.plainCookie else {
            throw broken("expected a V2 histogram (cookie 1c849313), got cookie \(String(plainCookie, radix: 16))")
        }
        let bodyLength: UInt32 = Self.read(plain, at: 4)
        guard Int(bodyLength) == plain.count - Self.headerOctets else {
            throw broken("the header says \(bodyLength) octets of counts, \(plain.count - Self.headerOctets) follow")
        }
        let offset: UInt32 = Self.read(plain, at: 8)
        let digits: UInt32 = Self.read(plain, at: 12)
        let lowest: UInt64 = Self.read(plain, at: 16)
        guard offset == 0, digits == BucketLayout.significantDigits, lowest == BucketLayout.lowestDiscernibleValue
        else {
            throw broken(
                "expected 3 significant digits, lowest value 1000, offset 0; got \(digits), \(lowest), \(offset)")
        }
        var buckets: [Bucket] = []
        var index = 0
        var position = Self.headerOctets
        var samples: UInt64 = 0
        while position < plain.count {
            guard let number = Self.readZigZag(plain, at: &position) else { throw broken("the last count is cut off") }
            // Compared before adding: a hostile run length must not overflow.
            let covered = number < 0 ? number.magnitude : 1
            guard covered <= UInt64(BucketLayout.count - index) else {
                throw broken("more counts than the \(BucketLayout.count) buckets of the layout")
            }
            if number > 0 {
                let (sum, overflow) = samples.addingReportingOverflow(UInt64(number))
                guard !overflow else { throw broken("the counts add up to more than 64 bits hold") }
                samples = sum
                buckets.append(Bucket(index: index, count: UInt64(number)))
            }
            index += Int(covered)
        }
        self.buckets = buckets
        self.samples = samples
    }

    private static func append<T: FixedWidthInteger>(_ value: T, to octets: inout [UInt8]) {
        withUnsafeBytes(of: value.bigEndian) { octets.append(contentsOf: $0) }
    }

    private static func read<T: FixedWidthInteger>(_ octets: [UInt8], at offset: Int) -> T {
        octets[offset..<offset + MemoryLayout<T>.size].reduce(0) { $0 << 8 | T($1) }
    }

    /// At most nine octets: the ninth carries eight bits.
    private static func appendZigZag(_ value: Int64, to octets: inout [UInt8]) {
        var rest = UInt64(bitPattern: (value << 1) ^ (value >> 63))
        var written = 0
        while rest >= 0x80, written < 8 {
            octets.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
            written += 1
        }
        octets.append(UInt8(truncatingIfNeeded: rest))
    }

    private static func readZigZag(_ octets: [UInt8], at position: inout Int) -> Int64? {
        var value: UInt64 = 0
        for read in 0..<9 {
            guard position < octets.count else { return nil }
            let octet = octets[position]
            position += 1
            if read == 8 {
                value |= UInt64(octet) << 56
                break
            }
            value |= UInt64(octet & 0x7F) << UInt64(7 * read)
            if octet < 0x80 { break }
        }
        return Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1)
    }
}
