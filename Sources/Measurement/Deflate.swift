import CZlib

/// zlib streams (RFC 1950) of small buffers.
enum Deflate {
    static func compress(_ octets: [UInt8]) -> [UInt8] {
        var length = compressBound(uLong(octets.count))
        var result = [UInt8](repeating: 0, count: Int(length))
        let status = compress2(&result, &length, octets, uLong(octets.count), Z_DEFAULT_COMPRESSION)
        // The only failure left with a buffer of compressBound octets is no memory, which nothing here can survive.
        precondition(status == Z_OK, "zlib cannot compress: status \(status)")
        result.removeLast(result.count - Int(length))
        return result
    }

    /// Nil when `octets` is no zlib stream, is cut off, or unpacks to more than `limit` octets.
    static func decompress(_ octets: ArraySlice<UInt8>, limit: Int) -> [UInt8]? {
        var length = uLongf(limit)
        var result = [UInt8](repeating: 0, count: limit)
        let status = Array(octets).withUnsafeBufferPointer {
            uncompress(&result, &length, $0.baseAddress, uLong($0.count))
        }
        guard status == Z_OK else { return nil }
        result.removeLast(limit - Int(length))
        return result
    }
}

/// RFC 4648 §4.
enum Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    private static let padding = UInt8(ascii: "=")
    private static let values: [UInt8] = {
        var values = [UInt8](repeating: 0xFF, count: 256)
        for (value, character) in alphabet.enumerated() { values[Int(character)] = UInt8(value) }
        return values
    }()

    static func encode(_ octets: [UInt8]) -> String {
        var text: [UInt8] = []
        text.reserveCapacity((octets.count + 2) / 3 * 4)
        var i = 0
        while i < octets.count {
            let left = octets.count - i
            let a = octets[i]
            let b = left > 1 ? octets[i + 1] : 0
            let c = left > 2 ? octets[i + 2] : 0
            text.append(alphabet[Int(a >> 2)])
            text.append(alphabet[Int((a & 3) << 4 | b >> 4)])
            text.append(left > 1 ? alphabet[Int((b & 15) << 2 | c >> 6)] : padding)
            text.append(left > 2 ? alphabet[Int(c & 63)] : padding)
            i += 3
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Nil when `text` is not base64 with its padding.
    static func decode(_ text: Substring.UTF8View) -> [UInt8]? {
        guard text.count % 4 == 0 else { return nil }
        var octets: [UInt8] = []
        octets.reserveCapacity(text.count / 4 * 3)
        var bits: UInt32 = 0
        var characters = 0
        var pads = 0
        for character in text {
            var value = values[Int(character)]
            if character == padding {
                pads += 1
                value = 0
            } else if pads > 0 {
                return nil
            }
            guard value != 0xFF else { return nil }
            bits = bits << 6 | UInt32(value)
            characters += 1
            if characters % 4 == 0 {
                octets.append(UInt8(truncatingIfNeeded: bits >> 16))
                octets.append(UInt8(truncatingIfNeeded: bits >> 8))
                octets.append(UInt8(truncatingIfNeeded: bits))
            }
        }
        guard pads <= 2 else { return nil }
        octets.removeLast(pads)
        return octets
    }
}
