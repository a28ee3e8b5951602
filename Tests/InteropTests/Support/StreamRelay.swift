import Foundation
import Synchronization

/// A relay of TCP connections to one server here that treats them as networks and middleboxes do: it tears the stream into
/// pieces, melts messages together, stalls, or resets a connection in the middle of an INVITE.
final class StreamRelay: Sendable {
    enum Manner: Sendable, Equatable {
        /// Octets one by one, and pieces of every size, each in a segment of its own.
        case pieces
        /// What came in a tenth of a second leaves in one segment.
        case merged
        /// Nothing passes, either way, for 0.7 of every two seconds.
        case stalled
        /// Each time so many INVITEs have passed, the next one is cut off half-way and its connection reset on both sides.
        case reset(every: Int)
    }

    /// Where the clients connect to.
    let port: UInt16
    private let isOver = Atomic<Bool>(false)
    private let ended = DispatchSemaphore(value: 0)
    private let account = Mutex(Account())

    struct Account {
        var connections = 0
        /// Segments sent, either way.
        var segments = 0
        var octets = 0
        var largestSegment = 0
        var stalls = 0
        var resets = 0
        /// The clients' ports of the connections that were reset.
        var resetPorts: Set<UInt16> = []
    }

    var counts: Account { account.withLock { $0 } }

    init(to server: UInt16, manner: Manner, seed: UInt64) throws {
        port = try UDPPorts.free()
        guard let listener = Loopback.ipv4.openSocket(SOCK_STREAM) else {
            throw InteropError("no socket for the relay")
        }
        var bound = port
        guard
            Loopback.ipv4.withAddress(&bound, { bind(listener, $0, $1.pointee) == 0 && listen(listener, 100) == 0 })
        else {
            close(listener)
            throw InteropError("the relay cannot listen on TCP \(port)")
        }
        Thread.detachNewThread { [self] in
            var work = Work(listener: listener, server: server, manner: manner, seed: seed)
            while !isOver.load(ordering: .relaxed) {
                work.turn()
                account.withLock { $0 = work.account }
            }
            work.closeAll()
            ended.signal()
        }
    }

    func stop() {
        isOver.store(true, ordering: .relaxed)
        ended.wait()
    }
}

/// One way through a connection.
private struct Passage {
    var source: Int32
    var destination: Int32
    var clientPort: UInt16
    var waiting: [UInt8] = []
    var waitingSince = ContinuousClock.now
    /// The source has said that it sends no more.
    var isEnding = false
    var hasEnded = false
}

/// What the relay's thread works on.
private struct Work {
    let listener: Int32
    let server: UInt16
    let manner: StreamRelay.Manner
    var random: SplitMix
    let began = ContinuousClock.now
    var account = StreamRelay.Account()
    /// Passages of one connection stand side by side: client to server, then back.
    var passages: [Passage] = []
    var invites = 0
    var isStalling = false

    init(listener: Int32, server: UInt16, manner: StreamRelay.Manner, seed: UInt64) {
        self.listener = listener
        self.server = server
        self.manner = manner
        random = SplitMix(state: seed)
    }

    mutating func turn() {
        let stalls =
            manner == .stalled
            && Int((ContinuousClock.now - began) / .milliseconds(100)) % 20 > 12
        if stalls && !isStalling { account.stalls += 1 }
        isStalling = stalls
        let isBusy = passages.contains { !$0.waiting.isEmpty }
        guard !isStalling else {
            usleep(10_000)
            return
        }
        var interests = [pollfd(fd: listener, events: Int16(POLLIN), revents: 0)]
        for passage in passages where !passage.isEnding {
            interests.append(pollfd(fd: passage.source, events: Int16(POLLIN), revents: 0))
        }
        _ = poll(&interests, nfds_t(interests.count), isBusy ? 1 : 50)
        if interests[0].revents != 0 { accept() }
        for number in passages.indices where !passages[number].isEnding { read(number) }
        for number in passages.indices.reversed() where passages.indices.contains(number) { pass(number) }
        for connection in stride(from: passages.count - 2, through: 0, by: -2)
        where passages[connection].hasEnded && passages[connection + 1].hasEnded {
            end(connection, abruptly: false)
        }
    }

    private mutating func accept() {
        var clientPort: UInt16 = 0
        let client = Loopback.ipv4.withAddress(&clientPort) { Glibc.accept(listener, $0, $1) }
        guard client >= 0 else { return }
        var port = server
        guard let onward = Loopback.ipv4.openSocket(SOCK_STREAM),
            Loopback.ipv4.withAddress(&port, { connect(onward, $0, $1.pointee) == 0 })
        else {
            close(client)
            return
        }
        for descriptor in [client, onward] {
            var yes: Int32 = 1
            setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, socklen_t(MemoryLayout<Int32>.size))
            _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        }
        account.connections += 1
        passages += [
            Passage(source: client, destination: onward, clientPort: clientPort),
            Passage(source: onward, destination: client, clientPort: clientPort),
        ]
    }

    private mutating func read(_ number: Int) {
        var octets = [UInt8](repeating: 0, count: 65_536)
        let count = recv(passages[number].source, &octets, octets.count, Int32(MSG_DONTWAIT))
        if count > 0 {
            if passages[number].waiting.isEmpty { passages[number].waitingSince = .now }
            passages[number].waiting += octets[..<count]
        } else if count == 0 || errno != EAGAIN && errno != EINTR {
            passages[number].isEnding = true
        }
    }

    /// Sends on what may leave now.
    private mutating func pass(_ number: Int) {
        let waiting = passages[number].waiting.count
        if waiting > 0 {
            switch manner {
            case .pieces:
                // One piece at a turn; where a busy machine leaves us few turns, so many that nothing heaps up.
                repeat {
                    let left = passages[number].waiting.count
                    if random.next() % 3 == 0 {
                        for _ in 0..<min(64, left) { send(1, number) }
                    } else {
                        send(min(left, 1 + Int(random.next() % 1_000)), number)
                    }
                    if passages[number].waiting.count == left { break }
                } while passages[number].waiting.count > max(2_000, waiting / 2)
            case .merged:
                if passages[number].isEnding || ContinuousClock.now - passages[number].waitingSince > .milliseconds(100)
                {
                    send(waiting, number)
                }
            case .stalled: send(waiting, number)
            case .reset(let every):
                if number % 2 == 0, let cut = cut(passages[number].waiting, every) {
                    send(cut, number)
                    end(number, abruptly: true)
                    return
                }
                send(waiting, number)
            }
        }
        if passages[number].isEnding, passages[number].waiting.isEmpty, !passages[number].hasEnded {
            shutdown(passages[number].destination, Int32(SHUT_WR))
            passages[number].hasEnded = true
        }
    }

    /// Where in these octets a connection is to be reset: within the request line of an INVITE.
    private mutating func cut(_ octets: [UInt8], _ every: Int) -> Int? {
        let line = Array("INVITE sip:".utf8)
        var place = 0
        while place + line.count <= octets.count {
            if octets[place] == line[0], octets[place..<(place + line.count)].elementsEqual(line) {
                invites += 1
                if invites % (every + 1) == 0 { return min(place + 60, octets.count) }
                place += line.count
            } else {
                place += 1
            }
        }
        return nil
    }

    private mutating func send(_ count: Int, _ number: Int) {
        let taken = passages[number].waiting.withUnsafeBytes {
            Glibc.send(passages[number].destination, $0.baseAddress, count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
        }
        guard taken > 0 else {
            // Its other end has gone: what is left leads nowhere.
            if taken < 0, errno != EAGAIN, errno != EINTR {
                passages[number].waiting = []
                passages[number].isEnding = true
            }
            return
        }
        passages[number].waiting.removeFirst(taken)
        account.segments += 1
        account.octets += taken
        account.largestSegment = max(account.largestSegment, taken)
    }

    /// - Parameter number: of either passage.
    private mutating func end(_ number: Int, abruptly: Bool) {
        let connection = number / 2
        for descriptor in [passages[2 * connection].source, passages[2 * connection].destination] {
            if abruptly {
                var now = linger(l_onoff: 1, l_linger: 0)
                setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
            }
            close(descriptor)
        }
        if abruptly {
            account.resets += 1
            account.resetPorts.insert(passages[2 * connection].clientPort)
        }
        passages.removeSubrange((2 * connection)...(2 * connection + 1))
    }

    mutating func closeAll() {
        for number in stride(from: passages.count - 2, through: 0, by: -2) { end(number, abruptly: false) }
        close(listener)
    }
}
