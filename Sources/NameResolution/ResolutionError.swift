import SIPWire

/// Why a name has no address that could be sent to.
public struct ResolutionError: Error, Sendable, Hashable, CustomStringConvertible {
    public enum Reason: Sendable, Hashable {
        /// RCODE 3, NXDOMAIN.
        case noSuchName
        /// The name exists and has neither A nor AAAA records.
        case noAddress
        /// An SRV record whose target is the root: the service is decidedly not offered (RFC 2782).
        case noService
        /// SRV records, none of whose targets has an address; which targets, and why.
        case noTarget([String])
        /// The server answers with an error; its text.
        case refused(String)
        /// No answer came.
        case silent
        /// The server's host says that nobody listens there.
        case unreachable
        /// Answers came, but not all that were needed before the time limit.
        case timeLimit
        /// An answer that cannot be read.
        case malformed
        /// Not a name that DNS can have (RFC 1035 §2.3.4).
        case notAName
        /// The resolver itself could not be set up; why.
        case unusable(String)
    }

    public var reason: Reason
    /// What was asked for.
    public var name: String
    /// The servers that were asked, as text; empty: none was.
    public var servers: String
    /// Nanoseconds.
    public var limit: Int64
    /// What went wrong before.
    public var notes: [String] = []

    public var description: String { ([what] + notes).joined(separator: "; ") }

    private var what: String {
        let server = servers.isEmpty ? "the DNS server" : "the DNS server \(servers)"
        switch reason {
        case .noSuchName: return "the name \"\(name)\" does not exist, says \(server) (NXDOMAIN, RFC 1035 §4.1.1)"
        case .noAddress:
            return "the name \"\(name)\" exists and has no address: neither A nor AAAA records, says \(server)"
        case .noService:
            return "\"\(name)\" says that this service is not offered: the target of its SRV record is \".\" (RFC 2782)"
        case .noTarget(let targets):
            return "no target of the SRV records of \"\(name)\" has an address: \(targets.joined(separator: "; "))"
        case .refused(let text): return "\(server) does not answer for \"\(name)\": \(text)"
        case .silent: return "no answer for \"\(name)\" from \(server) within \(milliseconds)"
        case .unreachable: return "\(server) cannot be reached for \"\(name)\": nobody listens there"
        case .timeLimit:
            return "resolving \"\(name)\" took longer than \(milliseconds): \(server) had not given all answers by then"
        case .malformed: return "the answer for \"\(name)\" from \(server) cannot be read (RFC 1035 §4)"
        case .notAName:
            return "\"\(name)\" is no name that DNS can have: labels of 1 to 63 octets, 253 in all (RFC 1035 §2.3.4)"
        case .unusable(let text): return "the resolver cannot be used: \(text)"
        }
    }

    private var milliseconds: String {
        limit % 1_000_000_000 == 0 ? "\(limit / 1_000_000_000) s" : "\(limit / 1_000_000) ms"
    }
}
