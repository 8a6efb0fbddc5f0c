import Foundation

// libFuzzer has a main of its own, which calls these two by their names.

/// Chooses the decoder named by NEEDLETAIL_FUZZ_TARGET and writes its seeds into the folder NEEDLETAIL_FUZZ_SEEDS. Without a
/// name the names are listed, and nothing else is done.
@_cdecl("LLVMFuzzerInitialize")
public func initializeFuzzer(_: UnsafeMutablePointer<CInt>?, _: UnsafeMutableRawPointer?) -> CInt {
    let environment = ProcessInfo.processInfo.environment
    guard let name = environment["NEEDLETAIL_FUZZ_TARGET"] else {
        print(FuzzTarget.all.map(\.name).joined(separator: "\n"))
        exit(0)
    }
    guard let target = FuzzTarget.all.first(where: { $0.name == name }) else {
        print("fuzz: \(name) is none of \(FuzzTarget.all.map(\.name).joined(separator: ", "))")
        exit(64)
    }
    FuzzTarget.chosen = target.decode
    if let folder = environment["NEEDLETAIL_FUZZ_SEEDS"] {
        for (index, seed) in target.seeds().enumerated() {
            try? Data(seed).write(to: URL(fileURLWithPath: "\(folder)/seed-\(index)"))
        }
    }
    return 0
}

/// Reads one input that libFuzzer made up.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    FuzzTarget.chosen([UInt8](UnsafeBufferPointer(start: start, count: count)))
    return 0
}
