import CLinuxSockets
import Glibc
import SIPWire

/// Where a worker is reached.
public struct WorkerAddress: Sendable, Equatable {
    /// Over UDP and TCP, or over TLS where it speaks nothing else.
    public var local: TransportAddress
    /// Over TLS, where that has a port of its own.
    public var secure: TransportAddress?

    public init(local: TransportAddress, secure: TransportAddress? = nil) {
        self.local = local
        self.secure = secure
    }
}

/// What a worker is reached at, before it has started: a datagram socket, a listener, or both at one port (RFC 3261 §18.2.1), and a
/// listener for TLS beside them.
struct WorkerSockets: ~Copyable {
    private var socket: UDPSocket?
    private(set) var listener: Int32 = -1
    private(set) var secureListener: Int32 = -1
    /// Worker 0's listeners, again under numbers of this worker's own; -1: none.
    private(set) var published: Int32 = -1
    private(set) var securePublished: Int32 = -1
    private(set) var address: WorkerAddress
    /// `listener` is for TLS.
    let listensSecurely: Bool

    /// Ports that are tried when the kernel chooses: the one that is free for datagrams may not be so for streams.
    private static let attempts = 32

    init(plan: RunPlan, worker: Int) throws(SocketError) {
        let wanted = plan.address(ofWorker: worker)
        listensSecurely = plan.transports == .tls
        address = WorkerAddress(local: wanted)
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
            if plan.transports.contains(.tcp) || listensSecurely {
                do throws(SocketError) {
                    (listener, place) = try Self.listen(place, plan, transport: listensSecurely ? "TLS" : "TCP")
                } catch {
                    if error.errno == EADDRINUSE, plan.speaksDatagrams, left > 0 { continue }
                    throw error
                }
            }
            self.socket = consume socket
            address = WorkerAddress(local: place)
            break
        }
        guard plan.hasSecurePort else { return }
        do throws(SocketError) {
            (secureListener, address.secure) = try Self.listen(
                plan.secureAddress(ofWorker: worker), plan, transport: "TLS")
        } catch {
            if listener >= 0 { clx_close(listener) }
            throw error
        }
    }

    private static func listen(
        _ place: TransportAddress, _ plan: RunPlan, transport: String
    ) throws(SocketError) -> (Int32, TransportAddress) {
        var name = clx_address(place)
        let descriptor = clx_stream_listen(&name)
        guard descriptor >= 0 else {
            throw SocketError(operation: .open, address: place, errno: -descriptor, transport: transport)
        }
        // The answer to a connection's first segment is the listener's.
        if plan.streams.trafficClass != 0 { _ = clx_set_traffic_class(descriptor, plan.streams.trafficClass) }
        let failed = clx_local_address(descriptor, &name)
        guard failed == 0 else {
            clx_close(descriptor)
            throw SocketError(operation: .localAddress, address: place, errno: -failed, transport: transport)
        }
        return (descriptor, TransportAddress(name))
    }

    /// Connections to worker 0's ports are taken from here too.
    mutating func publish(_ listener: Int32, secure: Int32) {
        published = listener >= 0 ? dup(listener) : -1
        securePublished = secure >= 0 ? dup(secure) : -1
    }

    /// The datagram socket, or what stands in its place.
    mutating func takeSocket() -> UDPSocket { socket.take() ?? UDPSocket(absentAt: address.local) }
}
