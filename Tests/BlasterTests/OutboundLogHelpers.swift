import CallEngine
import SIPWire

@testable import Blaster

let loopback: UInt32 = 0x7F00_0001

/// Any free port of the loopback address.
let anyLoopback = TransportAddress(ipv4: loopback, port: 0)

/// Flow n leads to the n-th of some addresses.
struct AddressTable: ~Copyable, FlowAddresses {
    var addresses: [TransportAddress]
    func address(of flow: Flow) -> TransportAddress { addresses[Int(flow.index)] }
}

extension OutboundLog {
    mutating func add(_ octets: [UInt8], flow: UInt32 = 0, owner: UInt32) {
        let added = octets.withUnsafeBytes { append($0, flow: Flow(index: flow), owner: owner) }
        precondition(added, "the test's log is full")
    }
}

/// A message that says who sends it and which of its owner's it is, and whose every octet can be checked.
func markedMessage(owner: UInt32, sequence: UInt32, length: Int) -> [UInt8] {
    precondition(length >= 8)
    var octets = [UInt8](repeating: 0, count: length)
    for i in 0..<4 {
        octets[i] = UInt8(truncatingIfNeeded: owner >> (8 * UInt32(i)))
        octets[4 + i] = UInt8(truncatingIfNeeded: sequence >> (8 * UInt32(i)))
    }
    for i in 8..<length { octets[i] = UInt8(truncatingIfNeeded: UInt32(i) &* 31 &+ owner &* 7 &+ sequence) }
    return octets
}

func ownerAndSequence(_ octets: [UInt8]) -> (owner: UInt32, sequence: UInt32) {
    var owner: UInt32 = 0
    var sequence: UInt32 = 0
    for i in 0..<4 {
        owner |= UInt32(octets[i]) << (8 * UInt32(i))
        sequence |= UInt32(octets[4 + i]) << (8 * UInt32(i))
    }
    return (owner, sequence)
}
