import Blaster
import CLinuxSockets
import Glibc
import RTPMedia
import SIPWire

/// Which ports media take.
public enum MediaPortChoice: Sendable, Equatable {
    /// So many pairs, wherever they are free below the ports that the system hands out by itself.
    case pairs(Int)
    /// All pairs of a range, as far as they are free.
    case range(ClosedRange<UInt16>)

    public static let standard = MediaPortChoice.pairs(2000)
}

/// Why there are no media ports.
public struct MediaPortError: Error, CustomStringConvertible {
    public var description: String
}

/// Bound pairs of sockets: RTP at an even port, RTCP at the next (RFC 3550 §11).
struct MediaPorts: ~Copyable {
    struct Pair {
        var port: UInt16
        var media: Int32
        var control: Int32
    }

    private(set) var pairs: [Pair] = []

    /// Where a search begins and turns: above what needs privileges and what servers like, below the ports that the kernel gives by itself.
    private static let searched: ClosedRange<UInt16> = 10_000...32_767

    init(_ choice: MediaPortChoice, at local: TransportAddress) throws(MediaPortError) {
        let range: ClosedRange<UInt16>
        let wanted: Int
        switch choice {
        case .pairs(let count):
            range = Self.searched
            wanted = count
        case .range(let asked):
            range = asked
            wanted = .max
        }
        let first = Int(range.lowerBound + (range.lowerBound & 1))
        let places = max((Int(range.upperBound) - first + 1) / 2, 0)
        let most = min(places, wanted)
        let limit = Int(clx_raise_descriptor_limit())
        // Some are for everything else.
        guard limit - 256 >= 2 * most else {
            throw MediaPortError(
                description: "\(most) pairs of media ports need \(2 * most) file descriptors, and the process may have"
                    + " \(limit): raise ulimit -n, or ask for fewer with --media-ports")
        }
        // Two processes that begin at once look for theirs at different places.
        var place = wanted == .max ? 0 : Int(UInt32(truncatingIfNeeded: clx_monotonic() / 1000)) % max(places, 1)
        pairs.reserveCapacity(most)
        var refused: Int32 = 0
        for _ in 0..<places where pairs.count < wanted {
            let port = UInt16(first + 2 * place)
            place = place + 1 == places ? 0 : place + 1
            switch Self.open(local, port) {
            case .success(let pair): pairs.append(pair)
            case .failure(let error): refused = error.number
            }
            // Only a port that is taken says nothing of the next.
            if refused != 0 && refused != EADDRINUSE && refused != EACCES { break }
        }
        let isShort = wanted == .max ? pairs.isEmpty : pairs.count < wanted
        guard isShort else { return }
        let text = refused == 0 ? "the range has no more" : String(cString: strerror(refused))
        let count = pairs.count
        close()
        throw MediaPortError(
            description:
                "media ports at \(local.hostText), \(range.lowerBound) to \(range.upperBound): \(count) pairs are free"
                + (wanted == .max ? "" : " and \(wanted) are wanted (--media-ports)") + ": \(text)")
    }

    private struct Refusal: Error { var number: Int32 }

    private static func open(_ local: TransportAddress, _ port: UInt16) -> Result<Pair, Refusal> {
        var name = clx_address(local)
        name.port = port
        let media = clx_udp_open(&name)
        guard media >= 0 else { return .failure(Refusal(number: -media)) }
        name.port = port + 1
        let control = clx_udp_open(&name)
        guard control >= 0 else {
            clx_close(media)
            return .failure(Refusal(number: -control))
        }
        return .success(Pair(port: port, media: media, control: control))
    }

    mutating func close() {
        for pair in pairs {
            clx_close(pair.media)
            clx_close(pair.control)
        }
        pairs = []
    }
}
