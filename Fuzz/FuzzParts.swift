// Values of Via, From, Contact and Route, URIs and addresses under libFuzzer: Fuzz/run.sh compiles this file with
// Sources/SIPWire and with what is shared of Tests/SIPWireTests into one module, so there is nothing to import.

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    if let wrong = exerciseParts(Array(UnsafeBufferPointer(start: start, count: count))) { fatalError(wrong) }
    return 0
}
