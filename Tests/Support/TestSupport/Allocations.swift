internal import CAllocationCounter
public import Testing

/// How often `body` asks for memory on this thread. Call what it measures once before, so that buffers have grown.
public func allocations<Failure: Error>(_ body: () throws(Failure) -> Void) throws(Failure) -> Int {
    let before = allocation_counter_count()
    try body()
    return Int(allocation_counter_count() - before)
}

extension Trait where Self == ConditionTrait {
    /// Promises about memory hold in release builds, and are counted only without sanitizers.
    public static var countsAllocations: Self {
        #if DEBUG
            .enabled(if: false, "allocations are counted in release builds")
        #else
            .enabled(if: allocation_counter_works() != 0, "the sanitizers allocate for themselves")
        #endif
    }
}
