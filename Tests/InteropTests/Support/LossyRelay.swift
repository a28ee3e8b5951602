import Foundation
import Synchronization

/// A relay between one client and one server on this machine that loses datagrams by a seeded draw, in both directions: what netem
/// would do where there is one.
final class LossyRelay: Sendable {
    /// Where the client sends to.
    let port: UInt16
    private let front: UDPSocket
    private let back: UDPSocket
    private let isOver = Atomic<Bool>(false)
    private let lost = Atomic<Int>(0)
    private let passed = Atomic<Int>(0)
    private let ended = DispatchSemaphore(value: 0)

    /// Datagrams lost so far.
    var losses: Int { lost.load(ordering: .relaxed) }
    var passes: Int { passed.load(ordering: .relaxed) }

    /// - Parameter loss: the share of datagrams lost in each direction.
    init(to server: UInt16, at host: Loopback = .ipv4, loss: Double, seed: UInt64) throws {
        port = try UDPPorts.free()
        guard let front = UDPSocket(port: port, at: host), let back = UDPSocket(port: 0, at: host) else {
            throw InteropError("no sockets for the relay")
        }
        self.front = front
        self.back = back
        Thread.detachNewThread { [self] in
            var random = SplitMix(state: seed)
            var client: UInt16?
            while !isOver.load(ordering: .relaxed) {
                for (socket, isFront) in [(front, true), (back, false)] {
                    while let (octets, from) = socket.take() {
                        if isFront { client = from }
                        guard Double(random.next() >> 11) * 0x1p-53 >= loss else {
                            lost.add(1, ordering: .relaxed)
                            continue
                        }
                        passed.add(1, ordering: .relaxed)
                        if isFront {
                            back.send(octets, to: server)
                        } else if let client {
                            front.send(octets, to: client)
                        }
                    }
                }
                UDPSocket.wait(for: [front, back], milliseconds: 50)
            }
            ended.signal()
        }
    }

    func stop() {
        isOver.store(true, ordering: .relaxed)
        ended.wait()
        front.close()
        back.close()
    }
}
