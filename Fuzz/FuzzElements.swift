// The registrar and the proxy under libFuzzer: Fuzz/run-elements.sh compiles this file with Sources/ElementServers, all but its sockets,
// and with Tests/ElementServersTests/ExerciseElement.swift.
import ElementServers
import SIPTransactions
import SIPWire

nonisolated(unsafe) private var scanner = MessageScanner()

/// The first octet says what it is; messages are parted by a NUL. Each that leaves comes back once as it is, as if it had looped, and the
/// time between two messages grows, so that timers fire.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = UnsafeRawBufferPointer(start: start, count: count)
    guard let first = input.first else { return 0 }
    let own = TransportAddress(ipv4: 0x7F00_0001, port: 5060)
    var settings = ElementSettings(role: first & 1 == 0 ? .proxy : .registrar, address: own)
    settings.mostTransactions = 16
    settings.mostBindings = 4
    settings.mostRecords = 4
    settings.mostNonces = 4
    settings.leastExpires = 0
    if first & 2 != 0 { settings.credentials = .password("secret") }
    if first & 4 != 0 { settings.domains = ["a"] }
    let element = SIPElement(settings, seed: (1, 2, 3, 4, 5))
    let hop = Hop(
        address: TransportAddress(ipv4: 0x7F00_0001, port: 5061), isStream: first & 8 != 0,
        connection: first & 8 != 0 ? 1 : 0)
    var now: Tick = 1
    var returning: [[UInt8]] = []
    for text in input.dropFirst().split(separator: 0, maxSplits: 16) {
        now += now / 2 + 1
        if let wrong = exercise(
            element, UnsafeRawBufferPointer(rebasing: text), from: hop, now: now, &scanner,
            sent: { returning.append($0.octets) })
        {
            fatalError(wrong)
        }
        for octets in returning.prefix(8) {
            if let wrong = octets.withUnsafeBytes({ exercise(element, $0, from: hop, now: now, &scanner) }) {
                fatalError(wrong)
            }
            octets.withUnsafeBytes { element.refused(datagram: $0, now: now) }
            element.outbox = []
        }
        returning = []
        _ = element.advance(to: now)
        element.outbox = []
    }
    _ = element.advance(to: now + 400_000)
    return 0
}
