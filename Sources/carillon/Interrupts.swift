import Blaster
import Glibc
import Synchronization

/// SIGINT and SIGTERM: the first drains the run, the second leaves it at once and reports, the third does not even report.
///
/// SIGHUP drains the run too, but only as the first: a terminal that is closed sends it two or three times, by the kernel and by the
/// shell, and means one thing by all of them. Who has it ignored (`nohup`) wants the run to go on.
enum Interrupts {
    /// Address of the `RunControl`, which lives as long as the process: a handler may do nothing but touch atomics.
    private static let control = Atomic<UInt>(0)
    private static let signal = Atomic<Int32>(0)
    private static let count = Atomic<Int32>(0)
    private static let isTold = Atomic<Bool>(false)

    private static let draining: StaticString =
        "\ncarillon: interrupted: calls in progress are hung up; once more leaves at once\n"
    private static let leaving: StaticString = "\ncarillon: interrupted again: leaving, the report is written\n"

    /// The last signal that came; 0: none.
    static var last: Int32 { signal.load(ordering: .relaxed) }

    /// - Parameter tells: says on standard error what an interrupt does.
    static func watch(_ run: RunControl, tells: Bool) {
        // First touched here, not in a handler.
        signal.store(0, ordering: .relaxed)
        count.store(0, ordering: .relaxed)
        isTold.store(tells, ordering: .relaxed)
        control.store(UInt(bitPattern: Unmanaged.passRetained(run).toOpaque()), ordering: .releasing)
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { number in Interrupts.handle(number) }
        // Who started us may have blocked them, and a mask is inherited.
        var wanted = sigset_t()
        sigemptyset(&wanted)
        for number in [SIGINT, SIGTERM, SIGHUP] where number != SIGHUP || !isIgnored(number) {
            sigaction(number, &action, nil)
            sigaddset(&wanted, number)
        }
        pthread_sigmask(SIG_UNBLOCK, &wanted, nil)
    }

    private static func isIgnored(_ number: Int32) -> Bool {
        var action = sigaction()
        sigaction(number, nil, &action)
        return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == 1  // SIG_IGN
    }

    private static func handle(_ number: Int32) {
        if number == SIGHUP && count.load(ordering: .relaxed) > 0 { return }
        let saved = errno
        signal.store(number, ordering: .relaxed)
        let times = count.wrappingAdd(1, ordering: .relaxed).newValue
        if times > 2 { _exit(number == SIGTERM ? 143 : 130) }
        if let pointer = UnsafeRawPointer(bitPattern: control.load(ordering: .acquiring)) {
            Unmanaged<RunControl>.fromOpaque(pointer).takeUnretainedValue().interrupt()
        }
        if isTold.load(ordering: .relaxed) {
            let words = times == 1 ? draining : leaving
            _ = write(2, words.utf8Start, words.utf8CodeUnitCount)
        }
        errno = saved
    }
}
