// The stream framer under libFuzzer: Fuzz/run.sh compiles this file with Sources/SIPWire and with
// Tests/SIPWireTests/ExerciseStream.swift into one module, so there is nothing to import.

/// Both live through the whole run, as a worker's do. The limits are small, so that short inputs reach them.
nonisolated(unsafe) private var pool: StreamBufferPool = {
    guard
        let pool = try? StreamBufferPool(
            capacity: 1 << 18, limits: StreamLimits(head: 1024, body: 600, passedOver: 4000))
    else { fatalError("no memory for the pool") }
    return pool
}()
nonisolated(unsafe) private var scanner = MessageScanner(mostHeaders: 1024)

/// The first octet says how many pongs are awaited and where the rest is cut.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = UnsafeBufferPointer(start: start, count: count)
    guard let first = input.first else { return 0 }
    var state = UInt64(first) &+ 1
    let wrong = exerciseStream(Array(input.dropFirst()), &pool, &scanner, pongs: Int(first % 3)) {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state &>> 33
    }
    if let wrong { fatalError(wrong) }
    return 0
}
