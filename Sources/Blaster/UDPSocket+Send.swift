import CLinuxSockets
import CallEngine
import Glibc
import SIPWire

// Sending a log: windows of it are arranged (SegmentGrouping), headers are prepared over the arranged messages without
// copying, and the kernel takes as many headers as it likes. What it does not take stays prepared for the next round.
extension UDPSocket {
    /// Times one header is tried again after an ICMP error that belonged to an earlier datagram: the kernel tells such an
    /// error by failing the next call, which then did not happen.
    private static let mostAttempts = 8

    /// Sends what is in the log from where the last call stopped, at most `burst` messages.
    ///
    /// The log may grow between calls and must only be emptied after `.sent` or `discard`. Octets are not copied. What is for streams is left
    /// alone.
    public mutating func send<Flows: FlowAddresses & ~Copyable>(
        _ log: borrowing OutboundLog, to flows: borrowing Flows
    ) -> SendOutcome {
        var budget = burst
        while true {
            if windowSent == windowCount {
                if arranged >= log.datagrams {
                    forgetLog()
                    return .sent
                }
                arrangeWindow(log)
            }
            if budget <= 0 { return .burstSpent }
            if headersSent == headerCount { prepareHeaders(log, to: flows, atMost: budget) }
            let sent = clx_sender_transmit(
                sender, isToFavoured ? favouredDescriptor : descriptor, UInt32(headersSent))
            counters.sendCalls &+= 1
            if sent > 0 {
                if Int(sent) < headerCount &- headersSent { counters.shortSends &+= 1 }
                for _ in 0..<sent { budget &-= leave(log) }
                attempts = 0
            } else if !goOn(after: reason(-sent, log, flows), log) {
                return .blocked
            }
        }
    }

    /// Gives up what has not left: counted, and told to its flows as `.queueFull`. The caller empties the log.
    public mutating func discard(_ log: borrowing OutboundLog) {
        while windowSent < windowCount {
            giveUp(log[Int(order[windowSent])], .queueFull)
            windowSent &+= 1
            counters.sendsDropped &+= 1
        }
        for i in arranged..<max(arranged, log.datagrams) {
            giveUp(log[i], .queueFull)
            counters.sendsDropped &+= 1
        }
        forgetLog()
    }

    private var segmentNow: Int { sendsAlone ? 0 : largestSegment }

    private mutating func forgetLog() {
        arranged = 0
        windowCount = 0
        windowSent = 0
        headerCount = 0
        headersSent = 0
    }

    private mutating func arrangeWindow(_ log: borrowing OutboundLog) {
        let count = min(log.datagrams &- arranged, SegmentGrouping.window)
        if segmentNow > 0 && count > 1 {
            grouping.arrange(log, first: arranged, count: count, order: order)
        } else {
            for i in 0..<count { order[i] = UInt32(truncatingIfNeeded: arranged &+ i) }
        }
        arranged &+= count
        windowCount = count
        windowSent = 0
        headerCount = 0
        headersSent = 0
    }

    /// Prepares headers over the window's unsent messages, one for each run of equal ones, as long as they leave by the same
    /// socket.
    private mutating func prepareHeaders<Flows: FlowAddresses & ~Copyable>(
        _ log: borrowing OutboundLog, to flows: borrowing Flows, atMost budget: Int
    ) {
        clx_sender_clear(sender)
        headersSent = 0
        headerCount = 0
        let end = min(windowCount, windowSent &+ budget)
        var next = windowSent
        while next < end {
            let first = log[Int(order[next])]
            let address = flows.address(of: first.flow)
            let isFavoured = favoured == address
            if headerCount == 0 {
                isToFavoured = isFavoured
            } else if isFavoured != isToFavoured {
                return
            }
            let start = next
            var most = 1
            if first.length <= segmentNow && first.length > 0 {
                most = min(SegmentGrouping.mostSegments, SegmentGrouping.mostOctets / first.length)
            }
            next &+= 1
            while next < end, next &- start < most {
                let entry = log[Int(order[next])]
                guard entry.length == first.length, entry.flow == first.flow else { break }
                next &+= 1
            }
            let segment = next &- start > 1 ? UInt16(truncatingIfNeeded: first.length) : 0
            if isFavoured {
                clx_sender_open(sender, nil, nil, segment)
            } else {
                var destination = clx_address(address)
                if namesSources {
                    var source = clx_address(flows.localAddress(of: first.flow))
                    clx_sender_open(sender, &destination, &source, segment)
                } else {
                    clx_sender_open(sender, &destination, nil, segment)
                }
            }
            for i in start..<next {
                let entry = log[Int(order[i])]
                clx_sender_add(sender, log.octets + entry.offset, entry.length)
            }
            headerMessages[headerCount] = UInt16(truncatingIfNeeded: next &- start)
            headerCount &+= 1
        }
    }

    /// The first unsent header has left.
    /// - Returns: its messages.
    private mutating func leave(_ log: borrowing OutboundLog) -> Int {
        let messages = Int(headerMessages[headersSent])
        counters.datagramsSent &+= UInt64(messages)
        counters.octetsSent &+= UInt64(messages &* log[Int(order[windowSent])].length)
        if messages > 1 { counters.segmentedSends &+= 1 }
        windowSent &+= messages
        headersSent &+= 1
        return messages
    }

    /// The kernel took nothing and says why.
    /// - Returns: false when the send buffer is full and the rest must wait.
    private mutating func goOn(after error: Int32, _ log: borrowing OutboundLog) -> Bool {
        let messages = Int(headerMessages[headersSent])
        let first = log[Int(order[windowSent])]
        switch error {
        case EINTR: return true
        case EAGAIN, ENOBUFS, ENOMEM:
            counters.sendsBlocked &+= 1
            return false
        case EIO where messages > 1:
            // The device cannot checksum what it would have to cut.
            largestSegment = 0
            headerCount = headersSent
            return true
        case EINVAL where messages > 1, EMSGSIZE where messages > 1:
            // A segment longer than the path takes: such messages go one by one, and the kernel fragments them.
            largestSegment = min(largestSegment, first.length &- 1)
            headerCount = headersSent
            return true
        case ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EHOSTDOWN, ENETDOWN, ENOPROTOOPT, EPROTO, ECONNRESET, EACCES,
            EOPNOTSUPP, EMSGSIZE:
            hasErrors = true
            attempts &+= 1
            if attempts < Self.mostAttempts { return true }
        default: break
        }
        attempts = 0
        counters.sendsFailed &+= UInt64(messages)
        giveUp(first, .refused(errno: error))
        windowSent &+= messages
        headersSent &+= 1
        return true
    }

    /// The kernel says EINVAL where a source is no address of this machine any more: that is no matter of segments.
    private func reason<Flows: FlowAddresses & ~Copyable>(
        _ error: Int32, _ log: borrowing OutboundLog, _ flows: borrowing Flows
    ) -> Int32 {
        guard namesSources, error == EINVAL || error == ENETUNREACH else { return error }
        var source = clx_address(flows.localAddress(of: log[Int(order[windowSent])].flow))
        return clx_probe_local(&source) == 0 ? error : EADDRNOTAVAIL
    }

    private mutating func giveUp(_ entry: OutboundLog.Entry, _ event: FlowEvent) {
        guard failureCount < Self.mostFailures else { return }
        failures[failureCount] = Failure(flow: entry.flow, owner: entry.owner, event: event)
        failureCount &+= 1
    }
}
