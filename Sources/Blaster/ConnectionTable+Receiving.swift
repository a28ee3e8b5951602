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
        let count = Int(clx_watch_look(watch, readiness, UInt32(Self.looks)))
        var messages = 0
        for number in 0..<count {
            let found = readiness[number]
            if found.mark >= Self.publishedMark {
                acceptAll(found.mark == Self.listenerMark ? listener : published, into: &engine, now)
                continue
            }
            let place = found.mark
            // Ended earlier in this round.
            guard Int(place) < most, connections[Int(place)].descriptor >= 0 else { continue }
            if connections[Int(place)].state == .connecting {
                conclude(place, now)
                guard connections[Int(place)].state == .open else { continue }
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
        _ listener: Int32, into engine: inout Engine, _ now: MonotonicInstant
    ) {
        for _ in 0..<Self.acceptsPerRound {
            var peer = clx_address()
            let descriptor = clx_stream_accept(listener, &peer)
            if descriptor >= 0 {
                guard let flow = accept(descriptor, now: now.nanoseconds) else { continue }
                var here = clx_address()
                let hasLocal = local.isUnspecified && clx_local_address(descriptor, &here) == 0
                engine.flow(
                    flow, did: .accepted(from: TransportAddress(peer), at: hasLocal ? TransportAddress(here) : nil),
                    now: now)
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

    /// A connection of ours stands, or not.
    private mutating func conclude(_ place: UInt32, _ now: MonotonicInstant) {
        let connection = connections + Int(place)
        let outcome = clx_stream_outcome(connection.pointee.descriptor)
        guard outcome == 0 else {
            abandon(place, errno: -outcome, now: now.nanoseconds)
            return
        }
        connection.pointee.state = .open
        connection.pointee.lastUsed = now.nanoseconds
        counters.connectionsOpened &+= 1
        notices.append(
            ConnectionNotice(
                flow: connection.pointee.flow,
                event: .opened(nanoseconds: now.nanoseconds &- connection.pointee.began)))
        drain(place, now: now.nanoseconds)
    }

    private mutating func read<Engine: LoadEngine & ~Copyable>(
        _ place: UInt32, into engine: inout Engine, _ now: MonotonicInstant
    ) -> Int {
        let connection = connections + Int(place)
        let count = Int(clx_stream_read(connection.pointee.descriptor, input, Self.readOctets))
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
                close(place, errno: EPROTO, now: now.nanoseconds)
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
