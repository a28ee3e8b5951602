import Glibc
import SIPWire

/// A socket that could not be made ready, before a run starts.
public struct SocketError: Error, Equatable, CustomStringConvertible {
    public enum Operation: Sendable, Equatable { case open, localAddress, buffers, marks, memory }

    public var operation: Operation
    public var address: TransportAddress
    public var errno: Int32
    public var transport = "UDP"

    public var description: String {
        let reason = String(cString: strerror(errno))
        switch operation {
        case .open: return "cannot bind \(transport) \(address.text): \(reason)"
        case .localAddress: return "cannot read the local address of \(transport) \(address.text): \(reason)"
        case .buffers: return "cannot set the buffers of \(transport) \(address.text): \(reason)"
        case .marks: return "cannot set DSCP or MTU discovery of \(transport) \(address.text): \(reason)"
        case .memory: return "no memory for the batches of \(transport) \(address.text)"
        }
    }
}
