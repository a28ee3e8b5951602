import SIPWire

/// Walks the records of a chain: a head, then its octets read or skipped, then the next head.
///
/// It keeps indexes only; the blocks are handed to each call.
struct ChainReader {
    private let state: ChainState
    private let tail: UInt32
    private var block: UInt32
    private var offset: Int
    private var pending = 0
    /// 0 in the first section of the chain, 1 or 2 in the later ones.
    private(set) var section = 0
    /// Addresses of the last head read.
    private(set) var addresses: RecordAddresses
    private let pathsOfArena: UnsafePointer<TracePaths.Path>

    init(arena: borrowing TraceArena, chain: TraceChain) {
        state = arena.state(chain.head).pointee
        tail = chain.tail
        block = chain.head
        offset = ChainState.octets
        pathsOfArena = arena.paths.all
        let nowhere = TransportAddress(ipv4: 0, port: 0)
        addresses = RecordAddresses(local: nowhere, remote: nowhere)
    }

    static func recordsAfterFirstSection(arena: borrowing TraceArena, chain: TraceChain) -> Int {
        var records = 0
        var reader = ChainReader(arena: arena, chain: chain)
        if reader.state.sectionsClosed == 0 { return 0 }
        while reader.nextHead(arena.blocks) != nil {
            if reader.section > 0 { records += 1 }
            reader.skipOctets(arena.blocks)
        }
        return records
    }

    /// The next record's head, or nil at the end of the chain.
    mutating func nextHead(_ blocks: borrowing TraceBlocks) -> RecordHead? {
        assert(pending == 0, "the octets of the record before were neither read nor skipped")
        while isAtEndOfSection {
            if section == Int(state.sectionsClosed) || (section + 1 == Int(state.sectionsClosed) && isGrowingEmpty) {
                return nil
            }
            section += 1
            block = blocks.next(block)
            offset = TraceBlocks.linkOctets
        }
        var head = RecordHead(
            at: 0, length: 0, ordinal: 0, template: 0, path: 0, party: 0, flags: 0, spare: 0)
        withUnsafeMutableBytes(of: &head) { read(blocks, into: $0.baseAddress, RecordHead.octets) }
        if head.path == TracePaths.inRecord {
            var inRecord = addresses
            withUnsafeMutableBytes(of: &inRecord) { read(blocks, into: $0.baseAddress, RecordAddresses.octets) }
            addresses = inRecord
        } else {
            let path = pathsOfArena[Int(head.path)]
            addresses = RecordAddresses(local: path.local, remote: path.remote)
        }
        pending = Int(head.length)
        return head
    }

    mutating func readOctets(_ blocks: borrowing TraceBlocks, into destination: UnsafeMutableRawPointer) {
        read(blocks, into: destination, pending)
        pending = 0
    }

    mutating func skipOctets(_ blocks: borrowing TraceBlocks) {
        read(blocks, into: nil, pending)
        pending = 0
    }

    private var isGrowingEmpty: Bool { state.sectionBlocks == 0 }

    private var isAtEndOfSection: Bool {
        if section == Int(state.sectionsClosed) { return block == tail && offset == Int(state.used) }
        if section == 0 { return block == state.firstTail && offset == Int(state.firstUsed) }
        return block == state.middleTail && offset == Int(state.middleUsed)
    }

    private mutating func read(
        _ blocks: borrowing TraceBlocks, into destination: UnsafeMutableRawPointer?, _ count: Int
    ) {
        var done = 0
        while done < count {
            if offset == TraceBlocks.octetsPerBlock {
                block = blocks.next(block)
                offset = TraceBlocks.linkOctets
            }
            let part = min(count - done, TraceBlocks.octetsPerBlock - offset)
            if let destination {
                (destination + done).copyMemory(from: blocks.address(block) + offset, byteCount: part)
            }
            offset += part
            done += part
        }
    }
}
