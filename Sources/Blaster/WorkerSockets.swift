import CLinuxSockets
import Glibc
import SIPWire

/// What a worker is reached at, before it has started: a datagram socket, a listener, or both at one port (RFC 3261 §18.2.1).
struct WorkerSockets: ~Copyable {
    private var socket: UDPSocket?
    let listener: Int32
    /// Worker 0's listener, again under a number of this worker's own; -1: none.
    private(set) var published: Int32 = -1
    let address: TransportAddress

    /// Ports that are tried when the kernel chooses: the one that is free for datagrams may not be so for streams.
    private static let attempts = 32

    init(plan: RunPlan, worker: Int) throws(SocketError) {
        let wanted = plan.address(ofWorker: worker)
        var left = wanted.port == 0 ? Self.attempts : 1
        while true {
            left -= 1
            var place = wanted
            var socket: UDPSocket?
            if plan.speaksDatagrams {
                let opened = try UDPSocket(binding: wanted, options: plan.socket)
                place = opened.localAddress
                socket = consume opened
            }
            guard plan.speaksStreams else {
                self.socket = consume socket
                listener = -1
                address = place
                return
            }
            var name = clx_address(place)
            let descriptor = clx_stream_listen(&name)
            if descriptor == -EADDRINUSE, plan.speaksDatagrams, left > 0 { continue }
            guard descriptor >= 0 else {
                throw SocketError(operation: .open, address: place, errno: -descriptor, transport: "TCP")
            }
            // The answer to a connection's first segment is the listener's.
            if plan.streams.trafficClass != 0 { _ = clx_set_traffic_class(descriptor, plan.streams.trafficClass) }
            let failed = clx_local_address(descriptor, &name)
            guard failed == 0 else {
                clx_close(descriptor)
                throw SocketError(operation: .localAddress, address: place, errno: -failed, transport: "TCP")
            }
            address = TransportAddress(name)
            listener = descriptor
            self.socket = consume socket
            return
        }
    }

    /// Connections to worker 0's port are taken from here too.
    mutating func publish(_ listener: Int32) { published = listener >= 0 ? dup(listener) : -1 }

    /// The datagram socket, or what stands in its place.
    mutating func takeSocket() -> UDPSocket { socket.take() ?? UDPSocket(absentAt: address) }
}
