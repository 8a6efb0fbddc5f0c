import Glibc
import RedisClient
import ServingSupport
import TestSupport

/// Puts there what the service reads: the events of the fixture's card, and how far its partition is read.
func fill(_ redis: RedisServer) throws {
    let connection = try RedisConnection(RedisAddress(url: redis.url))
    var pipeline = RedisPipeline()
    for (key, value) in [
        (ServingFixture.blobKey(), try ServingFixture.blob([.init("2024-03-01 11:30:00", "20.00", "Bakery")])),
        (ServingFixture.watermarkKey(3), ServingFixture.watermark(next: 1)),
    ] {
        pipeline.begin(arguments: 3)
        pipeline.add("SET")
        pipeline.add(key)
        pipeline.add(value)
    }
    // A server that was started again may still be reading what it saved.
    for _ in 0..<100 {
        var again = pipeline
        let replies = try connection.run(&again)
        guard replies.contains(where: { $0.isError("LOADING") }) else {
            for reply in replies { _ = try reply.checked() }
            return
        }
        usleep(50_000)
    }
    throw TestServerError("Redis goes on loading")
}
