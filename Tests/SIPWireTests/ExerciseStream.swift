import SIPWire

// Cuts a stream into messages in one piece and in many, and says where the two differ or what contradicts itself. Shared by the
// tests of the framer and by Fuzz/, which compiles this file.

/// An event with its octets copied, so that events can be kept and compared.
enum FramedEvent: Equatable {
    case message([UInt8])
    case ping
    case pong
    case fault(StreamFault)
    /// What `end` said.
    case end(StreamFault?)
}

/// Feeds the pieces to a framer, one after the other, and ends the stream.
///
/// Every piece lies in memory of exactly its length, gone when the next one comes: a sanitizer sees an octet read too far
/// or too late.
func framed(
    _ pieces: [ArraySlice<UInt8>], _ pool: inout StreamBufferPool, pongs: Int = 0
) -> [FramedEvent] {
    var framer = StreamFramer()
    var events: [FramedEvent] = []
    for _ in 0..<pongs { framer.awaitPong() }
    for piece in pieces {
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: piece.count, alignment: 1)
        defer { room.deallocate() }
        room.copyBytes(from: piece)
        var input = StreamInput(UnsafeRawBufferPointer(room))
        while let event = framer.next(&input, &pool) {
            switch event {
            case .message(let octets): events.append(.message(Array(octets)))
            case .ping: events.append(.ping)
            case .pong: events.append(.pong)
            case .fault(let fault): events.append(.fault(fault))
            }
        }
        if input.count > 0 { events.append(.message(Array("octets left behind".utf8))) }
    }
    events.append(.end(framer.end(&pool)))
    return events
}

/// Cuts the octets where the numbers say: pieces of 1 to `longest` octets, by turns of the generator.
func pieces(_ octets: [UInt8], longest: Int, _ next: () -> UInt64) -> [ArraySlice<UInt8>] {
    var pieces: [ArraySlice<UInt8>] = []
    var place = 0
    while place < octets.count {
        let length = min(1 + Int(next() % UInt64(longest)), octets.count - place)
        pieces.append(octets[place..<place + length])
        place += length
    }
    return pieces
}

/// - Returns: what is wrong with how this stream is cut; nil where nothing is.
func exerciseStream(
    _ octets: [UInt8], _ pool: inout StreamBufferPool, _ scanner: inout MessageScanner, pongs: Int = 0,
    _ next: () -> UInt64
) -> String? {
    let whole = framed([octets[...]], &pool, pongs: pongs)
    if pool.used != 0 { return "a block is not given back" }
    if framed(octets.indices.map { octets[$0...$0] }, &pool, pongs: pongs) != whole {
        return "other events octet by octet than in one piece"
    }
    for longest in [2, 7, 80, 600] {
        let cut = pieces(octets, longest: longest, next)
        if framed(cut, &pool, pongs: pongs) != whole {
            return "other events in pieces of \(cut.map(\.count)) octets than in one piece"
        }
    }
    if pool.used != 0 { return "a block is not given back" }
    // A block is less than twice what it holds, and while a message moves to the next larger one there are two.
    let most = pool.limits.head + max(pool.limits.body, 2048)
    if pool.mostUsed > max(3 * most, 2 * StreamBufferPool.smallestBlock) {
        return "one stream took \(pool.mostUsed) octets"
    }

    var isClosed = false
    var lengths = 0
    for event in whole {
        switch event {
        case .message(let message):
            if isClosed { return "a message after the stream was closed" }
            lengths += message.count
            if message.count > pool.limits.head + pool.limits.body { return "a message above the limits" }
            if let wrong = message.withUnsafeBytes({ disagreement(&scanner, $0) }) { return wrong }
        case .fault(let fault):
            if isClosed { return "a fault after the stream was closed" }
            isClosed = !fault.goesOn
            if fault.description.isEmpty { return "a fault without words" }
        case .ping, .pong: if isClosed { return "a keep-alive after the stream was closed" }
        case .end(let fault): if isClosed, fault != nil { return "closed, and ended within a message" }
        }
    }
    return lengths > octets.count ? "more octets than there were" : nil
}

/// The scanner must find the length that the framer found.
private func disagreement(_ scanner: inout MessageScanner, _ message: UnsafeRawBufferPointer) -> String? {
    let verdict = scanner.scan(message)
    switch verdict {
    case .keepAlive: return "a message that is none"
    case .malformed(.tooManyHeaders, _): return nil
    case .malformed(.contentLength, _): return "a message whose Content-Length the scanner cannot read"
    case .malformed(.contentLengthBeyondMessage, _): return "a message shorter than the scanner wants it"
    case .malformed(.headersNotEnded, _): return "a message without an empty line"
    case .malformed, .message: break
    }
    return Int(scanner.index.messageEnd) == message.count ? nil : "a message longer than the scanner finds it"
}
