import SIPWire

// Messages written: responses of our own, and what is forwarded with its changes.

extension [UInt8] {
    mutating func put(_ text: String) { append(contentsOf: text.utf8) }

    mutating func put(_ text: StaticString) {
        append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    mutating func putLine(_ name: StaticString, _ value: String) {
        put(name)
        put(": ")
        put(value)
        put("\r\n")
    }

    /// The line with some of its octets replaced.
    mutating func putLine(_ line: HeaderLine, of message: ElementMessage, without range: OctetRange, _ with: [UInt8]) {
        append(contentsOf: message.octets[Int(line.line.offset)..<Int(range.offset)])
        append(contentsOf: with)
        append(contentsOf: message.octets[Int(range.end)..<Int(line.line.end)])
    }
}

extension ElementMessage {
    /// A response to this request (RFC 3261 §8.2.6.2).
    ///
    /// - Parameters:
    ///   - via: the topmost via-parm as it goes back.
    ///   - tag: of the To, where the request has none; none for 100.
    ///   - more: further header fields, whole lines.
    func response(_ status: UInt16, via: [UInt8], tag: String?, more: [UInt8] = []) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(octets.count + 128 + more.count)
        text.put("SIP/2.0 \(status) ")
        text.put(StatusCode.reasonPhrase(status))
        text.put("\r\n")
        for line in lines {
            switch line.name {
            case .via where line.value.offset <= index.topmostVia.offset && index.topmostVia.end <= line.value.end:
                text.putLine(line, of: self, without: index.topmostVia, via)
            case .to:
                guard let tag, !line.value.isEmpty, self.tag(line.value) == nil else { fallthrough }
                let end = OctetRange(offset: line.value.end, length: 0)
                text.putLine(line, of: self, without: end, Array(";tag=\(tag)".utf8))
            case .via, .from, .callID, .cseq: text.append(contentsOf: octets(line.line))
            default: break
            }
        }
        text.append(contentsOf: more)
        text.put("Content-Length: 0\r\n\r\n")
        return text
    }

    /// This response without its topmost Via (RFC 3261 §16.7 step 3).
    ///
    /// - Parameter more: further header fields, whole lines.
    func withoutTopmostVia(more: [UInt8] = []) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(octets.count + more.count)
        var isFirst = true
        let start = lines.first.map { Int($0.line.offset) } ?? octets.count
        text.append(contentsOf: octets[..<start])
        for line in lines {
            if line.name == .via, isFirst {
                isFirst = false
                // What stands after the comma in the same line is the next Via.
                let rest = octets[Int(index.topmostVia.end)..<Int(line.value.end)]
                if let comma = rest.firstIndex(of: UInt8(ascii: ",")), rest[(comma + 1)...].contains(where: { $0 > 32 })
                {
                    text.put("Via:")
                    text.append(contentsOf: octets[(comma + 1)..<Int(line.line.end)])
                }
            } else {
                text.append(contentsOf: octets(line.line))
            }
        }
        text.append(contentsOf: more)
        putEnd(&text)
        return text
    }

    /// The empty line and the body; a length where there was none, since it may go over a stream (RFC 3261 §18.3).
    func putEnd(_ text: inout [UInt8]) {
        if !index.has(.contentLength) { text.put("Content-Length: \(index.body.length)\r\n") }
        text.put("\r\n")
        text.append(contentsOf: octets(index.body))
    }

    /// How a request is forwarded (RFC 3261 §16.6).
    struct Forwarding {
        var uri: String
        /// Our via-parm.
        var via: String
        /// The topmost via-parm as received, with received and rport.
        var below: [UInt8]
        var maxForwards: UInt32
        /// Values of Record-Route, the topmost first.
        var recordRoutes: [String] = []
        /// The whole route set; nil: as it is.
        var routes: [String]?
        /// Lines of Proxy-Authorization that were meant for us.
        var leavesOut: Set<UInt32> = []
    }

    func forwarded(_ how: Forwarding) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(octets.count + 256)
        text.append(contentsOf: octets(index.methodRange))
        text.put(" ")
        text.put(how.uri)
        text.put(" SIP/2.0\r\n")
        text.putLine("Via", how.via)
        for value in how.recordRoutes { text.putLine("Record-Route", value) }
        for value in how.routes ?? [] { text.putLine("Route", value) }
        text.putLine("Max-Forwards", "\(how.maxForwards)")
        for line in lines {
            switch line.name {
            case .via where line.value.offset <= index.topmostVia.offset && index.topmostVia.end <= line.value.end:
                text.putLine(line, of: self, without: index.topmostVia, how.below)
            case .maxForwards: break
            case .route where how.routes != nil: break
            case .proxyAuthorization where how.leavesOut.contains(line.line.offset): break
            default: text.append(contentsOf: octets(line.line))
            }
        }
        putEnd(&text)
        return text
    }

    /// CANCEL for this request as we sent it (RFC 3261 §9.1), or with a response's To the ACK for a final response other than 2xx
    /// (§17.1.1.3).
    func companion(_ method: StaticString, to: ArraySlice<UInt8>? = nil) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(octets.count)
        text.put(method)
        text.put(" ")
        text.append(contentsOf: octets(index.requestURI))
        text.put(" SIP/2.0\r\nVia: ")
        text.append(contentsOf: octets(index.topmostVia))
        text.put("\r\nMax-Forwards: 70\r\n")
        for line in lines {
            switch line.name {
            case .to where to != nil:
                text.put("To: ")
                text.append(contentsOf: to!)
                text.put("\r\n")
            case .from, .to, .callID, .route: text.append(contentsOf: octets(line.line))
            default: break
            }
        }
        text.put("CSeq: \(index.cseqNumber) ")
        text.put(method)
        text.put("\r\nContent-Length: 0\r\n\r\n")
        return text
    }
}
