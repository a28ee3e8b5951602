import CallEngine
import Glibc
import SIPWire

// What is looked at from time to time: retries, pings, what is long gone; and what there is at the end of a run.
extension ConnectionTable {
    /// Something waits to be sent.
    var hasQueued: Bool {
        for place in 0..<Int(touched) where !connections[place].queue.isEmpty { return true }
        return false
    }

    /// Messages that wait for a connection to stand.
    var waiting: UInt64 {
        var count: UInt64 = 0
        for place in 0..<Int(touched) { count &+= UInt64(connections[place].waiting) }
        return count
    }

    /// Connections of ours that are being set up.
    var unfinished: UInt64 {
        var count: UInt64 = 0
        for place in 0..<Int(touched) where !connections[place].flow.isAccepted {
            if connections[place].state == .connecting || connections[place].state == .handshaking { count &+= 1 }
        }
        return count
    }

    /// Opens what waits for it, pings what is idle, forgets what is long gone.
    mutating func look(now: Int64, to flows: borrowing some FlowAddresses & ~Copyable) {
        if now >= acceptsAgain {
            acceptsAgain = .max
            watchListeners()
        }
        guard now >= nextRetry || now >= nextLook else { return }
        let isLook = now >= nextLook
        if isLook { nextLook = now &+ Self.tick }
        nextRetry = .max
        for place in 0..<touched {
            let connection = connections + Int(place)
            switch connection.pointee.state {
            case .idle:
                if connection.pointee.queue.isEmpty {
                    // Its failures are forgotten with it.
                    if isLook, now &- connection.pointee.lastUsed > 12 &* options.longestRetry { forget(place) }
                } else if connection.pointee.began <= now {
                    begin(place, to: flows, now: now)
                } else {
                    awaitRetry(place)
                }
            case .open: if isLook, let keepAlive = options.keepAlive { ping(place, keepAlive, now) }
            case .handshaking: if isLook { limitHandshake(place, now) }
            case .connecting, .free: break
            }
        }
    }

    private mutating func ping(_ place: UInt32, _ keepAlive: Int64, _ now: Int64) {
        let connection = connections + Int(place)
        let idle = now &- connection.pointee.lastUsed
        if connection.pointee.awaitsPong {
            // However much else is sent meanwhile (RFC 5626 §4.4.1).
            if now &- connection.pointee.pinged > options.pongLimit { close(place, errno: ETIMEDOUT, now: now) }
            return
        }
        guard !connection.pointee.flow.isAccepted, idle >= keepAlive else { return }
        connection.pointee.awaitsPong = true
        connection.pointee.pinged = now
        connection.pointee.framer.awaitPong()
        writeControl("\r\n\r\n", to: place, now: now)
    }
}
