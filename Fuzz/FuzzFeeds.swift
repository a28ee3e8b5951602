// Files of rows under libFuzzer: Fuzz/run-feeds.sh compiles this file with Sources/Feeds and with
// Tests/FeedsTests/ExerciseRows.swift into one module, so there is nothing to import.

/// The first octet chooses whether the names of the columns are given or stand in the file.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let octets = Array(UnsafeBufferPointer(start: start, count: count))
    let given: [[String]?] = [nil, ["a"], ["a", "b"], ["a", "b", "c"]]
    guard let first = octets.first else { return 0 }
    if let wrong = exercise(Array(octets.dropFirst()), columns: given[Int(first & 3)]) { fatalError(wrong) }
    return 0
}
