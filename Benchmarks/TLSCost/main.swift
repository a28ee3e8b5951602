import Glibc
import TLSSessions

// What TLS costs: `swift run -c release TLSCost`. CPU of each end, over TCP on loopback, in this one thread; memory of idle
// sessions. Each figure is the least of several rounds. The certificate is ECDSA P-256, made by the openssl command.

func cpuNanoseconds() -> Int {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return time.tv_sec * 1_000_000_000 + time.tv_nsec
}

/// A connected pair over TCP on loopback, without Nagle's delay.
struct Wire: ~Copyable {
    let client: Int32
    let server: Int32

    init() {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let client = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        withUnsafeMutableBytes(of: &address) { raw in
            var length = socklen_t(raw.count)
            guard let generic = raw.bindMemory(to: sockaddr.self).baseAddress,
                bind(listener, generic, length) == 0, listen(listener, 1) == 0,
                getsockname(listener, generic, &length) == 0, connect(client, generic, length) == 0
            else { fatalError("no connection on loopback") }
        }
        self.client = client
        server = accept(listener, nil, nil)
        Glibc.close(listener)
        for descriptor in [client, server] {
            var one: Int32 = 1
            setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, 4)
            _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
        }
    }

    deinit {
        Glibc.close(client)
        Glibc.close(server)
    }
}

struct Pair: ~Copyable {
    var client: TLSSession
    var server: TLSSession
    let wire: Wire
    /// CPU of the handshake's two ends.
    var clientCost = 0
    var serverCost = 0

    init(
        _ clients: borrowing TLSContext, _ target: TLSContext.Target, _ servers: borrowing TLSContext
    ) {
        wire = Wire()
        let start = cpuNanoseconds()
        client = TLSSession(clients, to: target, descriptor: wire.client)
        let between = cpuNanoseconds()
        server = TLSSession(answering: servers, descriptor: wire.server)
        clientCost = between - start
        serverCost = cpuNanoseconds() - between
        var done = (false, false)
        while !(done.0 && done.1) {
            let start = cpuNanoseconds()
            let ours = client.handshake()
            let between = cpuNanoseconds()
            let theirs = server.handshake()
            clientCost += between - start
            serverCost += cpuNanoseconds() - between
            done = (ours == .done, theirs == .done)
            if case .failed(let failure) = ours { fatalError("\(failure)") }
            if case .failed(let failure) = theirs { fatalError("\(failure)") }
        }
        withUnsafeTemporaryAllocation(byteCount: 256, alignment: 8) { room in
            let start = cpuNanoseconds()
            _ = client.read(into: room)  // the ticket
            clientCost += cpuNanoseconds() - start
        }
    }
}

let folder = "/tmp/carillon-tls-cost-\(getpid())"
let command =
    "mkdir \(folder) && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=x "
    + "-addext subjectAltName=DNS:sip.example.com -keyout \(folder)/key -out \(folder)/certificate 2>/dev/null"
guard system(command) == 0 else { fatalError("the openssl command made no certificate") }
var clientSettings = TLSSettings()
clientSettings.authorities = .file(folder + "/certificate")
clientSettings.keyLog = .off
var serverSettings = clientSettings
serverSettings.certificateFile = folder + "/certificate"
serverSettings.keyFile = folder + "/key"
var clients = try TLSContext(.client, clientSettings)
let servers = try TLSContext(.server, serverSettings)
_ = system("rm -r \(folder)")
let target = clients.addTarget(host: "sip.example.com")

for resumed in [false, true] {
    var least = (Int.max, Int.max)
    for _ in 0..<5 {
        var sum = (0, 0)
        for _ in 0..<200 {
            if !resumed { clients.forgetTicket(of: target) }
            let pair = Pair(clients, target, servers)
            guard pair.client.isResumed == resumed else { fatalError("not as wanted") }
            sum.0 += pair.clientCost
            sum.1 += pair.serverCost
        }
        least = (min(least.0, sum.0 / 200), min(least.1, sum.1 / 200))
    }
    print(
        "\(resumed ? "resumed" : "full") handshake: client \(least.0 / 1000) us, server \(least.1 / 1000) us"
    )
}

/// Nanoseconds per message of 500 octets out and in, where so many go in one write.
func messageCost(_ pair: consuming Pair, together: Int, sealed: Bool) -> (sent: Int, received: Int) {
    let octets = UnsafeMutableRawBufferPointer.allocate(byteCount: 500 * together, alignment: 64)
    octets.initializeMemory(as: UInt8.self, repeating: 65)
    let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 64)
    defer {
        octets.deallocate()
        room.deallocate()
    }
    var least = (sent: Int.max, received: Int.max)
    let rounds = 20_000 / together
    for _ in 0..<5 {
        var sum = (sent: 0, received: 0)
        for _ in 0..<rounds {
            let start = cpuNanoseconds()
            if sealed {
                guard pair.client.write(UnsafeRawBufferPointer(octets)) == .octets(octets.count) else {
                    fatalError()
                }
            } else {
                guard send(pair.wire.client, octets.baseAddress, octets.count, 0x4000) == octets.count
                else { fatalError() }
            }
            let between = cpuNanoseconds()
            var missing = octets.count
            while missing > 0 {
                if sealed {
                    if case .octets(let count) = pair.server.read(into: room) { missing -= count }
                } else {
                    missing -= max(0, recv(pair.wire.server, room.baseAddress, room.count, 0))
                }
            }
            sum.sent += between - start
            sum.received += cpuNanoseconds() - between
        }
        least.sent = min(least.sent, sum.sent / rounds / together)
        least.received = min(least.received, sum.received / rounds / together)
    }
    return least
}

for together in [1, 16, 32] {
    let plain = messageCost(Pair(clients, target, servers), together: together, sealed: false)
    let sealed = messageCost(Pair(clients, target, servers), together: together, sealed: true)
    print(
        "\(together) messages of 500 octets a write, each: TLS \(sealed.sent) ns out, \(sealed.received) ns in; "
            + "plain TCP \(plain.sent) ns out, \(plain.received) ns in (the kernel's delivery counts as out)"
    )
}

func residentOctets() -> Int {
    guard let file = fopen("/proc/self/statm", "r") else { return 0 }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 128)
    fgets(&line, 128, file)
    let fields = line.map { UInt8(bitPattern: $0) }.split(separator: 32)
    return fields.count > 1 ? (Int(String(decoding: fields[1], as: UTF8.self)) ?? 0) * 4096 : 0
}

let count = 400
for resumed in [false, true] {
    let idle = UnsafeMutablePointer<Pair>.allocate(capacity: count)
    let before = residentOctets()
    for index in 0..<count {
        if !resumed { clients.forgetTicket(of: target) }
        (idle + index).initialize(to: Pair(clients, target, servers))
    }
    print(
        "an idle session (\(resumed ? "resumed" : "full")), mean of both ends: \((residentOctets() - before) / (2 * count)) octets"
    )
}
