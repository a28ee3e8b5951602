import RTPMedia
import SIPWire
import Testing

@Suite struct MediaDeskTests {
    @Test func `ports are drawn in turn, each by one stream at a time, and told when there is none`() throws {
        let board = MediaBoard(ports: [10_000, 10_002, 10_004])
        defer { board.destroy() }
        var desk = MediaDesk(board)
        let handles = (0..<3).compactMap { _ in desk.draw() }
        try #require(handles.count == 3)
        #expect(handles.map { desk.port($0) } == [10_000, 10_002, 10_004])
        let none = desk.draw()
        #expect(none == nil)
        #expect(board.counts.exhausted == 1)
        desk.giveBack(handles[1])
        desk.giveBack(handles[0])
        // First given back, first drawn: a port rests as long as it can.
        let again = (0..<2).compactMap { _ in desk.draw() }
        #expect(again.map { desk.port($0) } == [10_002, 10_000])
        #expect(desk.inUse == 3 && board.counts.mostInUse == 3)
    }

    @Test func `of several orders the newest is taken, once`() throws {
        let board = MediaBoard(ports: [10_000, 10_002])
        defer { board.destroy() }
        var desk = MediaDesk(board)
        #expect(board.take() == nil)
        let drawn = desk.draw()
        let handle = try #require(drawn)
        var order = desk.order(handle)
        order.remote = TransportAddress(ipv6High: 0x2001_0DB8_0000_0000, ipv6Low: 0xFFFF_FFFF_0000_0001, port: 65_535)
        order.local = TransportAddress(ipv4: 0x0A00_0001, port: 0)
        order.maySend = true
        order.isSilenced = true
        order.sending = .tone
        order.payloadType = 8
        order.clockRate = 90_000
        desk.give(order, to: handle)
        desk.give(order, to: handle)
        let taken = try #require(board.take())
        #expect(taken.pair == 0 && taken.order == order)
        #expect(board.take() == nil)
        desk.giveBack(handle)
        let closed = try #require(board.take())
        #expect(!closed.order.isOpen && closed.order.generation == order.generation)
        // Another stream at the same ports is another one, and of opening and closing only the last is told.
        let other = desk.draw(), again = desk.draw()
        #expect(other != handle && again == handle)
        let opened = [board.take(), board.take()].compactMap { $0 }
        #expect(opened.allSatisfy { $0.order.isOpen } && opened.first { $0.pair == 0 }?.order.generation == 2)
        desk.giveBack(handle)
        _ = desk.draw()
        let reopened = try #require(board.take())
        #expect(reopened.pair == 0 && reopened.order.isOpen && reopened.order.generation == 3)
        #expect(board.take() == nil)
    }

    /// The worker gives orders without end while the other thread takes them: it sees whole orders only, and the last one in the end.
    @Test func `orders come whole from thread to thread`() async throws {
        let board = MediaBoard(ports: [10_000, 10_002, 10_004, 10_006])
        defer { board.destroy() }
        let rounds = 50_000
        let writer = Task.detached {
            var desk = MediaDesk(board)
            let handles = (0..<4).map { _ in desk.draw()! }
            for round in 1...rounds {
                let handle = handles[round & 3]
                var order = desk.order(handle)
                order.remote = TransportAddress(
                    ipv6High: UInt64(round), ipv6Low: ~UInt64(round), port: UInt16(truncatingIfNeeded: round))
                desk.give(order, to: handle)
            }
            return handles.map { desk.order($0) }
        }
        var last = [MediaOrder](repeating: MediaOrder(), count: 4)
        func take() {
            while let (pair, order) = board.take() {
                if let remote = order.remote {
                    #expect(remote.low == ~remote.high && remote.port == UInt16(truncatingIfNeeded: remote.high))
                    #expect(remote.high >= last[pair].remote?.high ?? 0)
                }
                last[pair] = order
            }
        }
        while last.compactMap({ $0.remote?.high }).max() != UInt64(rounds) { take() }
        let given = await writer.value
        take()
        #expect(last == given)
    }
}
