import Synchronization
import Testing

/// Few tests at a time: each starts processes, which mostly wait, for a tick, a pause or a signal. One after the other they took
/// a minute of which the machine worked a quarter; all at once they would be a load that none of them asked for.
struct FewAtATime: SuiteTrait, TestTrait, TestScoping {
    let isRecursive = true

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        await Turns.shared.enter()
        defer { Turns.shared.leave() }
        try await function()
    }
}

/// Who may be at work, and who waits, in the order of coming.
private final class Turns: Sendable {
    static let shared = Turns(atATime: 4)

    private struct State {
        var free: Int
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private let state: Mutex<State>

    init(atATime count: Int) { state = Mutex(State(free: count)) }

    func enter() async {
        await withCheckedContinuation { continuation in
            let goesOn = state.withLock { state in
                guard state.free > 0 else {
                    state.waiting.append(continuation)
                    return false
                }
                state.free -= 1
                return true
            }
            if goesOn { continuation.resume() }
        }
    }

    func leave() {
        let next = state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard state.waiting.isEmpty else { return state.waiting.removeFirst() }
            state.free += 1
            return nil
        }
        next?.resume()
    }
}
