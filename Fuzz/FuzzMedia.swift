// RTP and RTCP packets and the figures made of them under libFuzzer: Fuzz/run-media.sh compiles this file with Sources/RTPMedia's
// readers and with Tests/RTPMediaTests/ExercisePacket.swift into one module, so there is nothing to import.

/// Lives through the whole run, as a stream's does through a call.
nonisolated(unsafe) private var statistics = ReceptionStatistics(source: 1)

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    if let wrong = exercisePackets(Array(UnsafeBufferPointer(start: start, count: count)), &statistics) {
        fatalError(wrong)
    }
    return 0
}
