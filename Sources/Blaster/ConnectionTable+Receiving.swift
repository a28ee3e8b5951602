import CLinuxSockets
import CallEngine
import Glibc
import Measurement
import SIPWire

// Receiving: what the watch says is ready is read, one read for each connection and round, cut into messages and given to the engine.
extension ConnectionTable {
    /// Takes what has come on all connections.
    /// - Returns: how many messages.
    mutating func receive<Engine: LoadEngine & ~Copyable>(
        into engine: inout Engine, now: MonotonicInstant
    ) -> Int {
        isBehind = false
        var early = 0
        if !unread.isEmpty {
            let places = unread
            unread.removeAll(keepingCapacity: true)
            for place in places where connections[Int(place)].state == .open && hasMore(place) {
                early &+= read(place, into: &engine, now)
            }
        }
        let count = Int(clx_watch_look(watch, readiness, UInt32(Self.looks)))
        var messages = early
        for number in 0..<count {
            let found = readiness[number]
            if found.mark >= Self.firstListenerMark {
                acceptAll(found.mark, into: &engine, now)
                continue
            }
            let place = found.mark
            // Ended earlier in this round.
            guard Int(place) < most, connections[Int(place)].descriptor >= 0 else { continue }
            if connections[Int(place)].state == .connecting {
                conclude(place, now)
                guard connections[Int(place)].state == .open else { continue }
            } else if connections[Int(place)].state == .handshaking {
                shake(place, now.nanoseconds)
                guard connections[Int(place)].state == .open else { continue }
                // Of a peer's own the engine hears before its first message; and what came with the end of the handshake has left
                // the descriptor.
                tellAccepted(into: &engine, now)
                messages &+= read(place, into: &engine, now)
                continue
            } else if found.ready & UInt32(CLX_WRITABLE) != 0 {
                drain(place, now: now.nanoseconds)
                guard connections[Int(place)].state == .open else { continue }
            }
            if found.ready & UInt32(CLX_READABLE | CLX_BROKEN) != 0 {
                messages &+= read(place, into: &engine, now)
            }
        }
        return messages
    }

    private mutating func acceptAll<Engine: LoadEngine & ~Copyable>(
        _ mark: UInt32, into engine: inout Engine, _ now: MonotonicInstant
    ) {
        let listener =
            switch mark {
            case Self.listenerMark: self.listener
            case Self.publishedMark: published
            case Self.secureListenerMark: secureListener
            default: securePublished
            }
        let isSecure = listensSecurely || mark == Self.secureListenerMark || mark == Self.securePublishedMark
        for _ in 0..<Self.acceptsPerRound {
            var peer = clx_address()
            let descriptor = clx_stream_accept(listener, &peer)
            if descriptor >= 0 {
                guard let flow = accept(descriptor, tls: isSecure, now: now.nanoseconds), !isSecure else { continue }
                engine.flow(
                    flow, did: .accepted(from: TransportAddress(peer), at: reached(descriptor)), now: now)
                continue
            }
            switch -descriptor {
            case EMFILE, ENFILE, ENOBUFS, ENOMEM: cannotAccept(now: now.nanoseconds)
            // It was given up before it was taken.
            case ECONNABORTED, EPROTO: continue
            default: break
            }
            return
        }
    }

    /// Which of our addresses a connection came to, where that has to be asked.
    func reached(_ descriptor: Int32) -> TransportAddress? {
        var here = clx_address()
        return local.isUnspecified && clx_local_address(descriptor, &here) == 0 ? TransportAddress(here) : nil
    }

    /// A connection of ours stands, or not.
    private mutating func conclude(_ place: UInt32, _ now: MonotonicInstant) {
        let connection = connections + Int(place)
        let outcome = clx_stream_outcome(connection.pointee.descriptor)
        guard outcome == 0 else {
            abandon(place, errno: -outcome, now: now.nanoseconds)
            return
        }
        if connection.pointee.isSecure {
            connection.pointee.setup = now.nanoseconds &- connection.pointee.began
            var peer = clx_address()
            _ = clx_remote_address(connection.pointee.descriptor, &peer)
            beginHandshake(place, to: TransportAddress(peer), now.nanoseconds)
            return
        }
        counters.connectionsOpened &+= 1
        connection.pointee.state = .open
        connection.pointee.lastUsed = now.nanoseconds
        notices.append(
            ConnectionNotice(
                flow: connection.pointee.flow,
                event: .opened(nanoseconds: now.nanoseconds &- connection.pointee.began)))
        drain(place, now: now.nanoseconds)
    }

    /// Tells of peers' connections whose handshake is done.
    private mutating func tellAccepted<Engine: LoadEngine & ~Copyable>(
        into engine: inout Engine, _ now: MonotonicInstant
    ) {
        guard let last = notices.last, case .accepted = last.event else { return }
        if last.setup > 0 { engine.recordHandshake(last.setup) }
        engine.flow(last.flow, did: last.event, now: now)
        notices.removeLast()
    }

    private mutating func read<Engine: LoadEngine & ~Copyable>(
        _ place: UInt32, into engine: inout Engine, _ now: MonotonicInstant
    ) -> Int {
        let flow = connections[Int(place)].flow
        var messages = readOnce(place, into: &engine, now)
        // What a session has taken from its descriptor does not make that readable again.
        var reads = 1
        while hasMore(place), connections[Int(place)].flow == flow {
            guard reads < Self.readsPerRound else {
                // Others have their turn first.
                unread.append(place)
                isBehind = true
                break
            }
            reads &+= 1
            messages &+= readOnce(place, into: &engine, now)
        }
        return messages
    }

    private mutating func readOnce<Engine: LoadEngine & ~Copyable>(
        _ place: UInt32, into engine: inout Engine, _ now: MonotonicInstant
    ) -> Int {
        let connection = connections + Int(place)
        let count = take(place)
        guard count > 0 else {
            if count == -Int(EAGAIN) { return 0 }
            tellEnd(place, into: &engine)
            close(place, errno: Int32(-count), now: now.nanoseconds)
            return 0
        }
        if count == Self.readOctets { isBehind = true }
        counters.octetsReceived &+= UInt64(count)
        connection.pointee.hasReceived = true
        connection.pointee.failures = 0
        let flow = connection.pointee.flow
        var messages = 0
        var octets = StreamInput(UnsafeRawBufferPointer(start: input, count: count))
        while let event = connection.pointee.framer.next(&octets, &pool) {
            switch event {
            case .message(let message):
                messages &+= 1
                engine.receive(message, on: flow, received: now, now: now)
                if engine.wantsFlush { engine.flush(into: &self, now: now) }
                // A flush may have found the connection broken.
                guard connection.pointee.state == .open, connection.pointee.flow == flow else { return messages }
            case .ping:
                counters.pingsReceived &+= 1
                writeControl("\r\n", to: place, now: now.nanoseconds)
                guard connection.pointee.state == .open, connection.pointee.flow == flow else { return messages }
            case .pong:
                counters.pongsReceived &+= 1
                connection.pointee.awaitsPong = false
            case .fault(let fault):
                engine.countStreamFault(fault.rule)
                guard !fault.goesOn else { continue }
                brokenWords =
                    !fault.isTLS
                    ? fault.finding
                    : "TLS on a connection without it: "
                        + (flow.isAccepted
                            ? "the peer should connect to the port that `serve` has for TLS"
                            : "the server speaks TLS on this port: --transport tls")
                close(place, errno: fault.isTLS ? FailureReport.unaskedTLS : EPROTO, now: now.nanoseconds)
                return messages
            }
        }
        counters.streamMessagesReceived &+= UInt64(messages)
        counters.mostPartOctets = max(counters.mostPartOctets, UInt64(pool.mostUsed))
        return messages
    }

    /// The stream ends within a message: counted by its rule.
    private mutating func tellEnd<Engine: LoadEngine & ~Copyable>(_ place: UInt32, into engine: inout Engine) {
        if let fault = connections[Int(place)].framer.end(&pool) { engine.countStreamFault(fault.rule) }
    }
}
