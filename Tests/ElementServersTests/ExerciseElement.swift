import ElementServers
import SIPTransactions
import SIPWire

// Shared by the mutation tests and by Fuzz/, which compiles this file.

/// Delivers a message, and looks at all that leaves on it: whole messages, requests with somebody to answer, and nothing without a bound.
///
/// - Parameter sent: takes each message that left.
/// - Returns: what is wrong.
func exercise(
    _ element: SIPElement, _ octets: UnsafeRawBufferPointer, from hop: Hop, now: Tick,
    _ scanner: inout MessageScanner, sent: (Outgoing) -> Void = { _ in }
) -> String? {
    element.receive(octets, from: hop, now: now)
    let outbox = element.outbox
    element.outbox = []
    // A request goes to all bindings of an address of record, and a CANCEL to all branches.
    if outbox.count > 2 * element.settings.mostBindings + 2 { return "\(outbox.count) messages for one" }
    for one in outbox {
        let verdict = one.octets.withUnsafeBytes { scanner.scan($0) }
        // Refusals of what is malformed repeat its Via, From, To, Call-ID and CSeq.
        let isRefusal = [400, 505].contains(scanner.index.statusCode)
        if verdict != .message, !isRefusal { return "\(verdict): \(String(decoding: one.octets, as: UTF8.self))" }
        sent(one)
    }
    return nil
}
