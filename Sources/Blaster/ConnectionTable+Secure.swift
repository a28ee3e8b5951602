import CLinuxSockets
import CallEngine
import Glibc
import Measurement
import SIPWire
import TLSSessions

/// How a worker speaks TLS.
public struct TLSOptions: Sendable {
    public var settings: TLSSettings
    /// What was asked for at an address, which its certificate must be for (RFC 5922 §4); others are asked for by their address.
    public var hosts: [TransportAddress: String] = [:]
    /// What every server's certificate must be for instead (`--tls-name`).
    public var name: String?

    public init(settings: TLSSettings) { self.settings = settings }
}

/// Contexts of one worker, and the servers that it has met.
struct TLSDesk: ~Copyable {
    /// What one write may gather from the log: a few records.
    static let gathered = 64 << 10

    private var client: TLSContext
    /// nil: there is no certificate, so that nobody can be answered.
    private let server: UnsafeMutablePointer<TLSContext>?
    private let options: TLSOptions
    private var targets: [TransportAddress: TLSContext.Target] = [:]
    let scratch: UnsafeMutableRawPointer

    private init(
        _ options: TLSOptions, client: consuming TLSContext, server: UnsafeMutablePointer<TLSContext>?
    ) {
        self.options = options
        self.client = client
        self.server = server
        scratch = .allocate(byteCount: Self.gathered, alignment: 64)
    }

    static func make(_ options: TLSOptions) throws(TLSSettingsFault) -> TLSDesk {
        // A certificate is the client's too, where a server asks for one.
        let client = try TLSContext(.client, options.settings)
        guard options.settings.certificateFile != nil else { return TLSDesk(options, client: client, server: nil) }
        let server = try TLSContext(.server, options.settings)
        let place = UnsafeMutablePointer<TLSContext>.allocate(capacity: 1)
        place.initialize(to: server)
        return TLSDesk(options, client: client, server: place)
    }

    deinit {
        server?.deinitialize(count: 1)
        server?.deallocate()
        scratch.deallocate()
    }

    /// A session with a server; freed by `end`.
    mutating func session(to remote: TransportAddress, _ descriptor: Int32) -> UnsafeMutablePointer<TLSSession> {
        let target: TLSContext.Target
        if let known = targets[remote] {
            target = known
        } else {
            target = client.addTarget(host: options.hosts[remote] ?? remote.hostText, name: options.name)
            targets[remote] = target
        }
        let session = UnsafeMutablePointer<TLSSession>.allocate(capacity: 1)
        session.initialize(to: TLSSession(client, to: target, descriptor: descriptor))
        return session
    }

    func answer(_ descriptor: Int32) -> UnsafeMutablePointer<TLSSession>? {
        guard let server else { return nil }
        let session = UnsafeMutablePointer<TLSSession>.allocate(capacity: 1)
        session.initialize(to: TLSSession(answering: server.pointee, descriptor: descriptor))
        return session
    }
}

extension Connection {
    /// Frees the session, where there is one.
    mutating func endSession() {
        tls?.deinitialize(count: 1)
        tls?.deallocate()
        tls = nil
    }
}

/// What a write or a read has come to: octets, or below zero an errno, `EAGAIN` where it has to wait.
typealias StreamOutcome = Int

// Connections under TLS. From the moment that the TCP connection stands until the handshake is done nothing is read as SIP and
// nothing that waits is sent; then they are like others, but for a session between the table and the descriptor.
extension ConnectionTable {
    /// The TCP connection of ours stands: its session begins.
    mutating func beginHandshake(_ place: UInt32, to remote: TransportAddress, _ now: Int64) {
        let connection = connections + Int(place)
        connection.pointee.tls = tls!.pointee.session(to: remote, connection.pointee.descriptor)
        connection.pointee.state = .handshaking
        connection.pointee.began = MonotonicInstant.now().nanoseconds
        shake(place, now)
    }

    /// Goes on with a handshake as far as it goes.
    mutating func shake(_ place: UInt32, _ now: Int64) {
        let connection = connections + Int(place)
        switch connection.pointee.tls!.pointee.handshake() {
        case .wantsRead: watch(place, forWriting: false)
        case .wantsWrite: watch(place, forWriting: true)
        case .failed(let failure): failHandshake(place, failure, now)
        case .done:
            connection.pointee.state = .open
            connection.pointee.lastUsed = now
            counters.tlsHandshakes &+= 1
            if connection.pointee.tls!.pointee.isResumed { counters.tlsResumptions &+= 1 }
            // Not the round's time: much of a handshake may happen within one.
            let took = max(MonotonicInstant.now().nanoseconds &- connection.pointee.began, 1)
            if connection.pointee.flow.isAccepted {
                var peer = clx_address()
                _ = clx_remote_address(connection.pointee.descriptor, &peer)
                notices.append(
                    ConnectionNotice(
                        flow: connection.pointee.flow,
                        event: .accepted(from: TransportAddress(peer), at: reached(connection.pointee.descriptor)),
                        setup: took))
            } else {
                counters.connectionsOpened &+= 1
                notices.append(
                    ConnectionNotice(
                        flow: connection.pointee.flow, event: .opened(nanoseconds: connection.pointee.setup),
                        setup: took))
            }
            drain(place, now: now)
        }
    }

    private func watch(_ place: UInt32, forWriting: Bool) {
        let connection = connections + Int(place)
        guard forWriting != connection.pointee.watchesWriting else { return }
        connection.pointee.watchesWriting = forWriting
        _ = clx_watch_change(
            watch, connection.pointee.descriptor, place,
            UInt32(forWriting ? CLX_READABLE | CLX_WRITABLE : CLX_READABLE))
    }

    private mutating func failHandshake(_ place: UInt32, _ failure: TLSFailure, _ now: Int64) {
        counters.tlsHandshakesFailed &+= 1
        let errno = failure.errno
        let words = "TLS: " + failure.description
        if connections[Int(place)].flow.isAccepted {
            // The engine has never heard of it, but whoever reads the report should.
            notices.append(ConnectionNotice(flow: .datagram, event: .writable, errno: errno, words: words))
            close(place, errno: errno, tells: false, now: now)
        } else {
            abandon(place, errno: errno, words: words, now: now)
        }
    }

    /// Handshakes that take too long are given up.
    mutating func limitHandshake(_ place: UInt32, _ now: Int64) {
        let connection = connections + Int(place)
        guard now &- connection.pointee.began > Int64(options.handshakePatience) &* 1_000_000 else { return }
        counters.tlsHandshakesFailed &+= 1
        if connection.pointee.flow.isAccepted {
            close(place, errno: ETIMEDOUT, tells: false, now: now)
        } else {
            abandon(
                place, errno: FailureReport.handshakeTimeout,
                words:
                    "TLS: the handshake has not ended after \(options.handshakePatience / 1000) s; does the server speak TLS on this port?",
                now: now)
        }
    }

    /// A session has broken: what there is to say of it, once for the next notice of its connection.
    mutating func breakSession(_ place: UInt32) -> Int32 {
        let failure = connections[Int(place)].tls!.pointee.failure
        brokenWords = "TLS: " + failure.description
        return failure.errno
    }

    // MARK: Octets

    /// Reads what has come on a connection into `input`.
    /// - Returns: how many octets, 0 at the end of the stream, or an errno below zero.
    @inline(__always)
    mutating func take(_ place: UInt32) -> StreamOutcome {
        let connection = connections + Int(place)
        guard connection.pointee.isSecure else {
            return Int(clx_stream_read(connection.pointee.descriptor, input, Self.readOctets))
        }
        return takeSecure(place)
    }

    @inline(never)
    private mutating func takeSecure(_ place: UInt32) -> StreamOutcome {
        let room = UnsafeMutableRawBufferPointer(start: input, count: Self.readOctets)
        switch connections[Int(place)].tls!.pointee.read(into: room) {
        case .octets(let count): return count
        case .wantsRead: return -Int(EAGAIN)
        case .wantsWrite:
            watch(place, forWriting: true)
            return -Int(EAGAIN)
        // Who ends the connection without saying so first ends it all the same: SIP tells by itself where a message ends.
        case .ended: return 0
        case .failed: return -Int(breakSession(place))
        }
    }

    /// Whether another read may bring octets without the descriptor being readable.
    @inline(__always)
    func hasMore(_ place: UInt32) -> Bool {
        let connection = connections + Int(place)
        return connection.pointee.isSecure && connection.pointee.state == .open
            && connection.pointee.tls!.pointee.hasMore
    }

    /// Writes `count` pieces, of so many octets together.
    /// - Returns: how many octets were taken, or an errno below zero.
    @inline(__always)
    mutating func put(_ place: UInt32, _ count: Int, _ octets: Int) -> StreamOutcome {
        let connection = connections + Int(place)
        guard connection.pointee.isSecure else {
            return Int(clx_stream_write(connection.pointee.descriptor, pieces, UInt32(count)))
        }
        return putSecure(place, count, octets)
    }

    /// What is written at once goes into as few records as it fits in, whose making is most of what TLS costs.
    @inline(never)
    private mutating func putSecure(_ place: UInt32, _ count: Int, _ octets: Int) -> StreamOutcome {
        var start = pieces[0].octets!
        if count > 1 {
            precondition(octets <= TLSDesk.gathered, "more octets for one write under TLS than its place holds")
            var filled = 0
            for number in 0..<count {
                memcpy(tls!.pointee.scratch + filled, pieces[number].octets, pieces[number].length)
                filled &+= pieces[number].length
            }
            start = UnsafeRawPointer(tls!.pointee.scratch)
        }
        switch connections[Int(place)].tls!.pointee.write(UnsafeRawBufferPointer(start: start, count: octets)) {
        case .octets(let taken): return taken
        case .wantsRead, .wantsWrite: return -Int(EAGAIN)
        case .failed: return -Int(breakSession(place))
        }
    }
}

extension TLSFailure {
    /// What stands for it where the network's own failures have an errno: beyond those of Linux.
    var errno: Int32 { FailureReport.firstTLSError + Int32(kind.rawValue) }
}
