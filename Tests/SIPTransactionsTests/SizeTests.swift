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

    @Test func `zeroed memory is an unused machine`() {
        func zeroed<Machine: BitwiseCopyable>(_: Machine.Type) -> Machine {
            withUnsafeTemporaryAllocation(byteCount: 16, alignment: 16) { memory in
                memory.initializeMemory(as: UInt8.self, repeating: 0)
                return memory.load(as: Machine.self)
            }
        }
        let timers = TransactionTimers()
        #expect(zeroed(ClientInviteTransaction.self).deadline == .never)
        #expect(zeroed(ClientNonInviteTransaction.self).deadline == .never)
        #expect(zeroed(ServerInviteTransaction.self).deadline == .never)
        #expect(zeroed(ServerNonInviteTransaction.self).deadline == .never)
        #expect(zeroed(SuccessRetransmission.self).deadline == .never)
        #expect(zeroed(ReliableProvisional.self).deadline == .never)
        var machine = zeroed(ServerInviteTransaction.self)
        machine.start(reliable: false)
        #expect(machine.deadline == .never)
        #expect(machine.respond(status: 486, now: 0, timers: timers) == .send)
        #expect(machine.deadline == 500)
    }
}
