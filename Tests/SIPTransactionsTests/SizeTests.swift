import SIPTransactions
import Testing

@Suite struct SizeTests {
    @Test func `machines fit the call slot's records`() {
        #expect(MemoryLayout<ClientInviteTransaction>.stride <= 16)
        #expect(MemoryLayout<ClientNonInviteTransaction>.stride <= 16)
        #expect(MemoryLayout<ServerInviteTransaction>.stride <= 16)
        #expect(MemoryLayout<ServerNonInviteTransaction>.stride <= 16)
        #expect(MemoryLayout<SuccessRetransmission>.stride <= 16)
        #expect(MemoryLayout<ReliableProvisional>.stride <= 16)
        #expect(_isPOD(ClientInviteTransaction.self) && _isPOD(ServerInviteTransaction.self))
    }
}
