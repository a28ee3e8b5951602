import SIPWire

/// Remote addresses that this worker talks to, each with a number: what the engine sends on.
///
/// Grows with the number of different peers, never with calls. One thread.
struct FlowTable: ~Copyable {
    private var addresses: [TransportAddress] = []
    private var index: [TransportAddress: UInt32] = [:]
    private var lastAddress = TransportAddress(ipv4: 0, port: 0)
    private var lastFlow: UInt32 = .max
    /// A table of more peers than this is a sign of spoofed sources; beyond it the last entry is shared.
    static let most = 1 << 20

    @inline(__always)
    mutating func flow(to address: TransportAddress) -> Flow {
        if lastFlow != .max, address == lastAddress { return Flow(index: lastFlow) }
        return find(address)
    }

    @inline(never)
    private mutating func find(_ address: TransportAddress) -> Flow {
        let number: UInt32
        if let known = index[address] {
            number = known
        } else if addresses.count < Self.most {
            number = UInt32(addresses.count)
            addresses.append(address)
            index[address] = number
        } else {
            number = UInt32(addresses.count - 1)
            addresses[addresses.count - 1] = address
        }
        lastAddress = address
        lastFlow = number
        return Flow(index: number)
    }

    func address(_ flow: Flow) -> TransportAddress { addresses[Int(flow.index)] }
    var count: Int { addresses.count }
}
