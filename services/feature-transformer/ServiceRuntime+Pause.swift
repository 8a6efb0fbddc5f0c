import Glibc
import ServiceRuntime

extension ServiceRuntime {
    private static let sliceMillis: Int64 = 50

    /// Sleeps on a thread that may block; false when the program is asked to stop meanwhile.
    func pause(millis: Int) -> Bool {
        let end = StageClock.millis() + Int64(millis)
        while !isStopping {
            let left = end - StageClock.millis()
            guard left > 0 else { return true }
            usleep(UInt32(min(left, Self.sliceMillis)) * 1_000)
        }
        return false
    }
}
