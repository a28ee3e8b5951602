// The readers of challenges, credentials and Authentication-Info under libFuzzer: Fuzz/run.sh compiles this file with
// Sources/SIPWire, Sources/Digest and Tests/DigestTests/ExerciseDigest.swift, so the exercise is part of the module.
import Digest
import SIPWire

/// One hasher lives through the whole run, as a worker's does.
private nonisolated(unsafe) var hasher = DigestHasher()

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let message = UnsafeRawBufferPointer(start: start, count: count)
    if let wrong = exercise(&hasher, message, OctetRange(offset: 0, length: UInt32(count))) { fatalError(wrong) }
    return 0
}
