import CallEngine
import Glibc
import SIPWire
import TLSSessions

/// One connection, or what is known of one that is to be opened again.
struct Connection: ~Copyable {
    enum State: UInt8 {
        case free
        /// Begun, and its outcome not known.
        case connecting
        /// The TCP connection stands, and TLS is being agreed on.
        case handshaking
        case open
        /// Of ours, not open: to be opened when there is something to send, or at `retry` when something waits.
        case idle
    }

    var framer = StreamFramer()
    var queue = SendQueue()
    /// What stands between it and its descriptor; its own.
    var tls: UnsafeMutablePointer<TLSSession>?
    var flow = Flow(index: .max)
    var descriptor: Int32 = -1
    var state = State.free
    /// Closed when its queue is empty: the call that it was for is over.
    var isClosing = false
    /// The watch tells when it can be written.
    var watchesWriting = false
    /// Something has come on it since it was opened: the peer is more than a port.
    var hasReceived = false
    /// `queueFull` has been told and not taken back.
    var isFull = false
    /// A ping of ours awaits its pong.
    var awaitsPong = false
    /// Messages in its queue since before it stood.
    var waiting: UInt32 = 0
    /// Times in a row that it could not be opened or brought nothing.
    var failures: UInt8 = 0
    /// Reused places have another generation.
    var generation: UInt16 = 0
    /// How long the TCP connection below TLS took.
    var setup: Int64 = 0
    /// When it was begun, or its handshake was; of an idle one, when it may be begun again.
    var began: Int64 = 0
    /// When the last ping was sent.
    var pinged: Int64 = 0
    /// When something was last sent, for keep-alives, and when it was last open.
    var lastUsed: Int64 = 0
    /// Its entries in this round's log, as numbers; `Connection.none`: none.
    var firstEntry = Connection.none
    var lastEntry = Connection.none

    static let none = UInt32.max

    init() {}

    @inline(__always)
    var isSecure: Bool { flow.isSecure }
}

/// A connection's change that the engine has to hear of.
struct ConnectionNotice {
    var flow: Flow
    var event: FlowEvent
    /// How long its TLS handshake took; 0: it had none.
    var setup: Int64 = 0
    /// What is to be said of an errno that is more than the network's.
    var errno: Int32 = 0
    var words: String?
}

/// A message that was dropped, and whose.
struct DroppedMessage {
    var flow: Flow
    var owner: UInt32
    var errno: Int32
}
