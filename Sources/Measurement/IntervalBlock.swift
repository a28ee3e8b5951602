/// Writes an unsigned integer in groups of seven bits, lowest first (LEB128).
@inline(__always)
func appendVarint(_ value: UInt64, to octets: inout [UInt8]) {
    var rest = value
    while rest >= 0x80 {
        octets.append(UInt8(truncatingIfNeeded: rest) | 0x80)
        rest >>= 7
    }
    octets.append(UInt8(truncatingIfNeeded: rest))
}

/// Reads what `appendVarint` wrote. Only for blocks that this process wrote itself.
private struct VarintReader {
    let octets: UnsafeBufferPointer<UInt8>
    var position = 0

    init(_ octets: UnsafeBufferPointer<UInt8>) { self.octets = octets }

    @inline(__always)
    mutating func next() -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while position < octets.count {
            let octet = octets[position]
            position += 1
            value |= UInt64(octet & 0x7F) << shift
            if octet < 0x80 { break }
            shift += 7
        }
        return value
    }
}

/// The sum of two interval blocks (`IntervalStore` states their form).
func mergeIntervalBlocks(
    _ a: UnsafeBufferPointer<UInt8>, _ b: UnsafeBufferPointer<UInt8>, into result: inout [UInt8]
) {
    var left = VarintReader(a)
    var right = VarintReader(b)
    mergePairs(&left, &right, into: &result)
    var leftDelay = left.next()
    var rightDelay = right.next()
    while leftDelay != 0 || rightDelay != 0 {
        if rightDelay == 0 || (leftDelay != 0 && leftDelay < rightDelay) {
            appendVarint(leftDelay, to: &result)
            copyPairs(&left, into: &result)
            leftDelay = left.next()
        } else if leftDelay == 0 || rightDelay < leftDelay {
            appendVarint(rightDelay, to: &result)
            copyPairs(&right, into: &result)
            rightDelay = right.next()
        } else {
            appendVarint(leftDelay, to: &result)
            mergePairs(&left, &right, into: &result)
            leftDelay = left.next()
            rightDelay = right.next()
        }
    }
    result.append(0)
}

private func mergePairs(_ left: inout VarintReader, _ right: inout VarintReader, into result: inout [UInt8]) {
    var leftStep = left.next()
    var rightStep = right.next()
    var leftIndex = leftStep
    var rightIndex = rightStep
    var previous: UInt64 = 0
    while leftStep != 0 || rightStep != 0 {
        let takeLeft = leftStep != 0 && (rightStep == 0 || leftIndex <= rightIndex)
        let takeRight = rightStep != 0 && (leftStep == 0 || rightIndex <= leftIndex)
        let index = takeLeft ? leftIndex : rightIndex
        var amount: UInt64 = 0
        if takeLeft {
            amount &+= left.next()
            leftStep = left.next()
            leftIndex &+= leftStep
        }
        if takeRight {
            amount &+= right.next()
            rightStep = right.next()
            rightIndex &+= rightStep
        }
        appendVarint(index &- previous, to: &result)
        appendVarint(amount, to: &result)
        previous = index
    }
    result.append(0)
}

private func copyPairs(_ reader: inout VarintReader, into result: inout [UInt8]) {
    while true {
        let step = reader.next()
        appendVarint(step, to: &result)
        guard step != 0 else { return }
        appendVarint(reader.next(), to: &result)
    }
}

/// What an interval block says, unpacked.
struct IntervalContents {
    /// By `Counter.rawValue`.
    var counters = [UInt64](repeating: 0, count: Counter.allCases.count)
    /// By `DelayIndex.rawValue`, only those with samples.
    var delays: [Int: SparseHistogram] = [:]

    init(_ octets: [UInt8]) {
        octets.withUnsafeBufferPointer { buffer in
            var reader = VarintReader(buffer)
            for pair in Self.pairs(&reader) { counters[pair.index] = pair.count }
            while true {
                let delay = reader.next()
                guard delay != 0 else { return }
                delays[Int(delay) - 1] = SparseHistogram(buckets: Self.pairs(&reader))
            }
        }
    }

    private static func pairs(_ reader: inout VarintReader) -> [SparseHistogram.Bucket] {
        var result: [SparseHistogram.Bucket] = []
        var index = -1
        while true {
            let step = reader.next()
            guard step != 0 else { return result }
            index += Int(step)
            result.append(SparseHistogram.Bucket(index: index, count: reader.next()))
        }
    }
}
