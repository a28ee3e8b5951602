import CLinuxSockets
import CallEngine
import Glibc
import SIPWire

// Sending: the entries of a round's log are dealt out to their connections, and each connection's leave in one write, straight from the
// log. What the kernel does not take, and what waits for a connection to stand, is copied into the connection's queue.
extension ConnectionTable {
    /// Sends what a log had for streams: so many entries, which stand in `entries`.
    mutating func send(
        _ count: Int, in octets: UnsafeRawPointer, to flows: borrowing some FlowAddresses & ~Copyable, now: Int64
    ) {
        // What it named may have ended since.
        forgetLast()
        for number in 0..<count {
            let flow = entries[number].flow
            guard flow != OutboundLog.abandoned else {
                if entries[number].length > 0 { counters.sendsDropped &+= 1 }
                continue
            }
            if flow != lastFlow {
                lastPlace = findPlace(flow, isEmpty: entries[number].length == 0, to: flows, now)
                lastFlow = lastPlace == Connection.none ? Flow(index: .max) : flow
            }
            guard lastPlace != Connection.none else {
                drop(entries[number], ENOTCONN)
                continue
            }
            let connection = connections + Int(lastPlace)
            nextEntry[number] = Connection.none
            if connection.pointee.firstEntry == Connection.none {
                connection.pointee.firstEntry = UInt32(number)
                dirty.append(lastPlace)
            } else {
                nextEntry[Int(connection.pointee.lastEntry)] = UInt32(number)
            }
            connection.pointee.lastEntry = UInt32(number)
        }
        for place in dirty { write(place, octets, now) }
        dirty.removeAll(keepingCapacity: true)
        counters.mostQueuedOctets = max(counters.mostQueuedOctets, UInt64(queues.mostOctets))
    }

    /// The connection of a flow, opened where there is none.
    private mutating func findPlace(
        _ flow: Flow, isEmpty: Bool, to flows: borrowing some FlowAddresses & ~Copyable, _ now: Int64
    ) -> UInt32 {
        if let place = place(of: flow) {
            if connections[Int(place)].state == .idle {
                if connections[Int(place)].began <= now { begin(place, to: flows, now: now) }
            }
        } else {
            guard !flow.isAccepted, !isEmpty, open(flow, to: flows, now: now) != nil else {
                return Connection.none
            }
        }
        // It may have failed at once: a lane tries again later, a call's own connection does not.
        guard let place = place(of: flow) else { return Connection.none }
        if connections[Int(place)].state == .idle { awaitRetry(place) }
        return place
    }

    private mutating func drop(_ entry: OutboundLog.Entry, _ errno: Int32) {
        // The sign that a call is over, which had no connection.
        guard entry.length > 0 else { return }
        counters.sendsDropped &+= 1
        guard dropped.count < Self.mostDropped else { return }
        dropped.append(DroppedMessage(flow: entry.flow, owner: entry.owner, errno: errno))
    }

    /// One connection's entries of this round.
    private mutating func write(_ place: UInt32, _ octets: UnsafeRawPointer, _ now: Int64) {
        let connection = connections + Int(place)
        var number = connection.pointee.firstEntry
        connection.pointee.firstEntry = Connection.none
        connection.pointee.lastEntry = Connection.none
        if connection.pointee.state == .open { connection.pointee.lastUsed = now }
        let isSecure = connection.pointee.isSecure
        while number != Connection.none, connection.pointee.state == .open, connection.pointee.queue.isEmpty,
            !connection.pointee.isClosing
        {
            // What stands together in the log is one piece.
            var count = 0
            var length = 0
            var end = number
            while end != Connection.none {
                let entry = entries[Int(end)]
                if entry.length == 0 { break }
                // A session copies its pieces into one place of so many octets.
                if isSecure, count > 0, length &+ entry.length > TLSDesk.gathered { break }
                let start = octets + entry.offset
                if count > 0, pieces[count &- 1].octets + pieces[count &- 1].length == start {
                    pieces[count &- 1].length &+= entry.length
                } else {
                    guard count < Int(CLX_MOST_PIECES) else { break }
                    pieces[count] = clx_piece(octets: start, length: entry.length)
                    count &+= 1
                }
                length &+= entry.length
                end = nextEntry[Int(end)]
            }
            guard count > 0 else { break }
            var written = put(place, count, length)
            counters.streamWrites &+= 1
            if written < 0 {
                guard written == -Int(EAGAIN) else {
                    close(place, errno: Int32(-written), now: now)
                    return
                }
                counters.sendsBlocked &+= 1
                written = 0
            }
            counters.octetsSent &+= UInt64(written)
            if written == length {
                number = end
                continue
            }
            if written > 0 { counters.streamWritesShort &+= 1 }
            if isSecure {
                // A record is made of what was not taken, and it cannot be unmade: all of it waits first.
                guard queue(place, count, beyond: written) else {
                    close(place, errno: ENOBUFS, now: now)
                    return
                }
                number = end
                break
            }
            // The message that left in part, then the others.
            while written >= entries[Int(number)].length {
                written &-= entries[Int(number)].length
                number = nextEntry[Int(number)]
            }
            if written > 0 {
                let entry = entries[Int(number)]
                guard
                    queues.append(
                        octets + entry.offset + written, entry.length &- written, to: &connection.pointee.queue)
                else {
                    close(place, errno: ENOBUFS, now: now)
                    return
                }
                number = nextEntry[Int(number)]
            }
            break
        }
        keep(number, of: place, octets)
        if connection.pointee.isClosing, connection.pointee.queue.isEmpty, connection.pointee.state != .connecting,
            connection.pointee.state != .handshaking
        {
            close(place, errno: 0, tells: false, now: now)
            return
        }
        watchWriting(place)
    }

    /// Puts what is left of `pieces` into the queue of their connection, as far as nothing may be dropped of it.
    private mutating func queue(_ place: UInt32, _ count: Int, beyond written: Int) -> Bool {
        var left = written
        for number in 0..<count {
            let piece = pieces[number]
            if left >= piece.length {
                left &-= piece.length
                continue
            }
            guard
                queues.append(piece.octets + left, piece.length &- left, to: &connections[Int(place)].queue)
            else { return false }
            left = 0
        }
        return true
    }

    /// Puts entries into the queue of their connection, as far as there is room.
    private mutating func keep(_ first: UInt32, of place: UInt32, _ octets: UnsafeRawPointer) {
        let connection = connections + Int(place)
        var number = first
        while number != Connection.none {
            let entry = entries[Int(number)]
            number = nextEntry[Int(number)]
            if entry.length == 0 {
                connection.pointee.isClosing = true
                continue
            }
            guard !connection.pointee.isClosing,
                connection.pointee.queue.octets &+ entry.length <= options.sendQueue,
                queues.append(octets + entry.offset, entry.length, to: &connection.pointee.queue)
            else {
                drop(entry, ENOBUFS)
                continue
            }
            if connection.pointee.state != .open { connection.pointee.waiting &+= 1 }
        }
        if !connection.pointee.isFull, connection.pointee.queue.octets > options.sendQueue / 2 {
            connection.pointee.isFull = true
            notices.append(ConnectionNotice(flow: connection.pointee.flow, event: .queueFull))
        }
    }

    private mutating func watchWriting(_ place: UInt32) {
        let connection = connections + Int(place)
        guard connection.pointee.state == .open else { return }
        let wants = !connection.pointee.queue.isEmpty
        guard wants != connection.pointee.watchesWriting else { return }
        connection.pointee.watchesWriting = wants
        notices.append(ConnectionNotice(flow: connection.pointee.flow, event: wants ? .stalled : .flowing))
        _ = clx_watch_change(
            watch, connection.pointee.descriptor, place, UInt32(wants ? CLX_READABLE | CLX_WRITABLE : CLX_READABLE))
    }

    /// The kernel takes octets again, or the connection stands now: the queue goes.
    mutating func drain(_ place: UInt32, now: Int64) {
        let connection = connections + Int(place)
        connection.pointee.waiting = 0
        while !connection.pointee.queue.isEmpty {
            let count = queues.pieces(
                of: connection.pointee.queue, into: pieces,
                room: connection.pointee.isSecure ? TLSDesk.gathered / SendQueues.blockOctets : Int(CLX_MOST_PIECES))
            var length = 0
            for number in 0..<count { length &+= pieces[number].length }
            let written = put(place, count, length)
            counters.streamWrites &+= 1
            if written < 0 {
                if written == -Int(EAGAIN) {
                    counters.sendsBlocked &+= 1
                    break
                }
                close(place, errno: Int32(-written), now: now)
                return
            }
            counters.octetsSent &+= UInt64(written)
            queues.remove(written, from: &connection.pointee.queue)
            connection.pointee.lastUsed = now
        }
        if connection.pointee.isFull, connection.pointee.queue.octets < options.sendQueue / 4 {
            connection.pointee.isFull = false
            notices.append(ConnectionNotice(flow: connection.pointee.flow, event: .writable))
        }
        if connection.pointee.isClosing, connection.pointee.queue.isEmpty {
            close(place, errno: 0, tells: false, now: now)
            return
        }
        watchWriting(place)
    }

    /// Sends what no engine asked for: a ping or a pong (RFC 5626 §4.4.1). A peer that does not read gets none.
    mutating func writeControl(_ text: StaticString, to place: UInt32, now: Int64) {
        let connection = connections + Int(place)
        guard connection.pointee.queue.octets < options.sendQueue / 2,
            queues.append(text.utf8Start, text.utf8CodeUnitCount, to: &connection.pointee.queue)
        else { return }
        drain(place, now: now)
    }
}
