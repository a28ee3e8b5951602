import CLinuxSockets
import Testing

@testable import Blaster

/// Queues of several connections against arrays of octets, with random lengths.
@Suite("Send queues")
struct SendQueuesTests {
    private struct Chance {
        var state: UInt64
        mutating func next(_ below: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int((state >> 33) % UInt64(below))
        }
    }

    private func contents(_ queues: borrowing SendQueues, _ queue: SendQueue) -> [UInt8] {
        withUnsafeTemporaryAllocation(of: clx_piece.self, capacity: 1024) { pieces in
            let count = queues.pieces(of: queue, into: pieces.baseAddress!, room: 1024)
            return (0..<count).flatMap {
                Array(UnsafeRawBufferPointer(start: pieces[$0].octets, count: pieces[$0].length))
            }
        }
    }

    @Test("keep what was put in, in order, whatever the lengths", arguments: [1, 2, 3, 4, 5] as [UInt64])
    func model(seed: UInt64) {
        var chance = Chance(state: seed)
        var queues = SendQueues(octets: 4 << 20)
        var real = [SendQueue](repeating: SendQueue(), count: 5)
        var model = [[UInt8]](repeating: [], count: 5)
        for _ in 0..<2000 {
            let number = chance.next(5)
            switch chance.next(5) {
            case 0, 1, 2:
                let length = chance.next(4) == 0 ? chance.next(60_000) : chance.next(900) + 1
                guard model[number].count + length < 400_000 else { continue }
                let octets = (0..<length).map { _ in UInt8(truncatingIfNeeded: chance.next(256)) }
                let isIn = octets.withUnsafeBytes {
                    length == 0 || queues.append($0.baseAddress!, length, to: &real[number])
                }
                if isIn { model[number] += octets }
            case 3:
                let some = model[number].isEmpty ? 0 : chance.next(model[number].count + 1)
                queues.remove(some, from: &real[number])
                model[number].removeFirst(some)
            default:
                if chance.next(20) == 0 {
                    queues.clear(&real[number])
                    model[number] = []
                }
            }
            #expect(real[number].octets == model[number].count)
            #expect(contents(queues, real[number]) == model[number])
        }
        for number in 0..<5 { queues.clear(&real[number]) }
        // Everything is free again: as much as ever goes in.
        var one = SendQueue()
        let octets = [UInt8](repeating: 1, count: 1 << 20)
        let isIn = octets.withUnsafeBytes { queues.append($0.baseAddress!, $0.count, to: &one) }
        #expect(isIn)
    }

    @Test("a queue that takes half of all leaves each other one its first 64 KiB")
    func assuredRoom() {
        var queues = SendQueues(octets: 2 << 20)
        var greedy = SendQueue()
        let much = [UInt8](repeating: 7, count: 100_000)
        var taken = 0
        while much.withUnsafeBytes({ queues.append($0.baseAddress!, $0.count, to: &greedy) }) { taken += much.count }
        #expect(taken <= 1 << 20)
        for _ in 0..<16 {
            var modest = SendQueue()
            let some = [UInt8](repeating: 9, count: 60_000)
            let isIn = some.withUnsafeBytes { queues.append($0.baseAddress!, $0.count, to: &modest) }
            #expect(isIn)
        }
    }
}
