import Testing

@testable import FeatureTransformer

@Suite struct TopicIdentityTests {
    @Test(arguments: [
        ("kafka:19092", "kafka", "19092"), ("kafka", "kafka", "9092"), (" kafka : 1 ", "kafka", "1"),
        ("SASL_SSL://kafka:2", "kafka", "2"), ("PLAINTEXT://kafka", "kafka", "9092"),
        ("127.0.0.1:3", "127.0.0.1", "3"), ("127.0.0.1", "127.0.0.1", "9092"), ("[::1]:4", "::1", "4"),
        ("[::1]", "::1", "9092"), ("2001:db8::1", "2001:db8::1", "9092"),
    ])
    func `a server without a port has the one of Kafka`(server: String, host: String, port: String) {
        let found = TopicIdentity.addresses(server)
        #expect(found.map(\.host) == [host])
        #expect(found.map(\.port) == [port])
    }

    @Test func `every server of a list is taken, and nothing is none`() {
        let found = TopicIdentity.addresses("a:1,b, ,,c:3")
        #expect(found.map { "\($0.host) \($0.port)" } == ["a 1", "b 9092", "c 3"])
        #expect(TopicIdentity.addresses("").isEmpty)
    }
}
