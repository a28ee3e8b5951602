import SIPWire
import Testing

@testable import CallEngine

/// Remote addresses by number.
@Suite struct FlowTableTests {
    private func address(_ number: Int) -> TransportAddress {
        TransportAddress(ipv4: 0x0A00_0000 + UInt32(number / 7), port: UInt16(5060 + number % 7))
    }

    private func table() -> FlowTable { FlowTable(target: address(0), streams: false, hasLocals: true) }

    @Test("The same address is the same flow, another is another, however they alternate")
    func numbers() {
        var table = table()
        var flows: [Flow] = []
        for number in 0..<2000 { flows.append(table.flow(to: address(number))) }
        #expect(Set(flows).count == 2000)
        var random = SystemRandomNumberGenerator()
        for _ in 0..<20_000 {
            let number = Int.random(in: 0..<2000, using: &random)
            #expect(table.flow(to: address(number)) == flows[number])
            #expect(table.address(flows[number]) == address(number))
        }
        #expect(table.forgotten == 0)
    }

    @Test(
        "More peers than there is room for: those that came first stay, and it is counted"
    )
    func moreThanFit() {
        var table = table()
        let most = Flow.mostRemote
        var early: [Flow] = []
        for number in 0..<100 { early.append(table.flow(to: address(number))) }
        for number in 100..<most + 500 {
            let made = table.flow(to: address(number))
            #expect(table.address(made) == address(number))
        }
        #expect(table.forgotten == 500)
        for number in 0..<100 { #expect(table.flow(to: address(number)) == early[number]) }
        // One that was forgotten is a peer again, at another's cost.
        let again = table.flow(to: address(most / 2 + 3))
        #expect(table.address(again) == address(most / 2 + 3))
        #expect(table.forgotten == 501)
    }
}
