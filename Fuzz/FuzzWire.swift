// The scanner and every view under libFuzzer: Fuzz/run.sh compiles this file with Sources/SIPWire and with
// Tests/SIPWireTests/ExerciseWire.swift into one module, so there is nothing to import.

/// Two scanners live through the whole run, as a worker's does: what they remember of earlier messages must not matter.
nonisolated(unsafe) private var wide = MessageScanner()
nonisolated(unsafe) private var narrow = MessageScanner(mostHeaders: 8)

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let message = UnsafeRawBufferPointer(start: start, count: count)
    if let wrong = exercise(&wide, message) { fatalError(wrong) }
    let verdict = wide.scan(message)
    if let wrong = exercise(&narrow, message) { fatalError(wrong) }
    var fresh = MessageScanner()
    guard fresh.scan(message) == verdict, fresh.index.headerCount == wide.index.headerCount else {
        fatalError("what was read before changes what is read now")
    }
    var findings = Findings()
    exerciseValue(message, OctetRange(offset: 0, length: UInt32(count)), &findings)
    if let wrong = findings.first { fatalError(wrong) }
    return 0
}
