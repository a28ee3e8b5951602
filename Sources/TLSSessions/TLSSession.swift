import CTLSSessions

public enum TLSHandshake: Sendable, Equatable {
    /// Octets may have come with the last of it: read before waiting for the descriptor.
    case done
    case wantsRead
    case wantsWrite
    case failed(TLSFailure)
}

public enum TLSReading: Sendable, Equatable, BitwiseCopyable {
    /// > 0.
    case octets(Int)
    case wantsRead
    /// A key update (RFC 8446 §4.6.3) waits for room in the socket.
    case wantsWrite
    /// The peer sends no more; whether it said so (close_notify) or only ended the connection.
    case ended(notified: Bool)
    /// `TLSSession.failure` says why.
    case failed
}

public enum TLSWriting: Sendable, Equatable, BitwiseCopyable {
    /// > 0. Fewer than given: as after `wantsWrite`.
    case octets(Int)
    case wantsRead
    /// The next write must begin with the octets not taken, wherever they are by then, and not be shorter: a record of them,
    /// of at most 16,384, is made already.
    case wantsWrite
    case failed
}

public enum TLSClosing: Sendable, Equatable, BitwiseCopyable {
    case sent
    case wantsWrite
    case failed
}

/// TLS over one connected stream socket, which stays its owner's: never closed here. Nothing blocks, whatever the
/// descriptor's mode, and nothing raises SIGPIPE. OpenSSL reads from and writes to the descriptor itself.
public struct TLSSession: ~Copyable {
    private let pointer: OpaquePointer

    /// The side that connects.
    public init(_ context: borrowing TLSContext, to target: TLSContext.Target, descriptor: Int32) {
        precondition(context.end == .client)
        pointer = Self.make(context, target.index, descriptor)
    }

    /// The side that accepted.
    public init(answering context: borrowing TLSContext, descriptor: Int32) {
        precondition(context.end == .server)
        pointer = Self.make(context, -1, descriptor)
    }

    private static func make(_ context: borrowing TLSContext, _ target: Int32, _ descriptor: Int32) -> OpaquePointer {
        guard let made = cts_session_create(context.pointer, target, descriptor) else {
            preconditionFailure("no memory for a TLS session")
        }
        return made
    }

    /// Frees the session without a word to the peer; `close` first where it should hear one.
    deinit { cts_session_destroy(pointer) }

    /// To be called until it is done or failed, each time when the descriptor is ready for what it wants.
    public mutating func handshake() -> TLSHandshake {
        switch cts_session_handshake(pointer) {
        case 0: .done
        case Int32(CTS_WANTS_READ): .wantsRead
        case Int32(CTS_WANTS_WRITE): .wantsWrite
        default: .failed(failure)
        }
    }

    /// Reads until the room is full or nothing is left of what one receive brought. With a level-triggered wait it is enough to
    /// call again while `hasMore`; with an edge-triggered one, until `wantsRead`. Only after the handshake.
    public mutating func read(into room: UnsafeMutableRawBufferPointer) -> TLSReading {
        guard let start = room.baseAddress, room.count > 0 else { preconditionFailure("no room to read into") }
        let result = cts_session_read(pointer, start, room.count)
        if result > 0 { return .octets(result) }
        switch result {
        case Int(CTS_WANTS_READ): return .wantsRead
        case Int(CTS_WANTS_WRITE): return .wantsWrite
        case Int(CTS_CLOSED): return .ended(notified: true)
        case Int(CTS_TRUNCATED): return .ended(notified: false)
        default: return .failed
        }
    }

    /// Makes records of up to 16,384 octets each and sends each at once: what a round has for a connection should come in one
    /// call. Only after the handshake.
    public mutating func write(_ octets: UnsafeRawBufferPointer) -> TLSWriting {
        guard let start = octets.baseAddress, octets.count > 0 else { preconditionFailure("nothing to write") }
        let result = cts_session_write(pointer, start, octets.count)
        if result > 0 { return .octets(result) }
        switch result {
        case Int(CTS_WANTS_READ): return .wantsRead
        case Int(CTS_WANTS_WRITE): return .wantsWrite
        default: return .failed
        }
    }

    /// Tells the peer that we send no more (close_notify); reading goes on until `ended`.
    public mutating func close() -> TLSClosing {
        switch cts_session_close(pointer) {
        case 0: .sent
        case Int32(CTS_WANTS_WRITE): .wantsWrite
        default: .failed
        }
    }

    /// Whether another read may bring something although the descriptor is not readable any more.
    public var hasMore: Bool { cts_session_has_more(pointer) }

    public var isResumed: Bool { cts_session_resumed(pointer) }

    /// nil before the handshake.
    public var version: TLSSettings.ProtocolVersion? {
        TLSSettings.ProtocolVersion(rawValue: cts_session_version(pointer))
    }

    /// In OpenSSL's words. Cold: allocates.
    public var cipher: String { String(cString: cts_session_cipher(pointer)) }

    /// X509's verify code of what `insecure` passed over, 0 for nothing.
    public var overlooked: Int32 { cts_session_overlooked(pointer) }

    /// What went wrong, once something did. Cold: allocates.
    public var failure: TLSFailure { TLSFailure(cts_session_report(pointer)) }
}
