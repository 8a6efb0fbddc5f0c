/// A refused record as it came, and why: a row of `dead_letters`, and a record of `<topic>.dlq`.
///
/// In the topic, key and value are those that were refused, byte for byte, so that what was wrong elsewhere can be sent again; the
/// rest is in the headers, as text.
public struct DeadLetterRecord: Hashable, Sendable {
    /// Where it lay.
    public var position: LogPosition
    /// Why it was refused.
    public var reason: String
    /// Its key; nil for none.
    public var key: [UInt8]?
    /// Its value; nil for none.
    public var value: [UInt8]?
    /// Its Kafka timestamp, ms.
    public var timestampMillis: Int64

    /// Describes a refused record.
    public init(position: LogPosition, reason: String, key: [UInt8]?, value: [UInt8]?, timestampMillis: Int64) {
        self.position = position
        self.reason = reason
        self.key = key
        self.value = value
        self.timestampMillis = timestampMillis
    }

    /// The headers of its record, in order.
    package var headers: [(name: String, value: String)] {
        [
            ("reason", reason), ("topic", position.topic), ("partition", "\(position.partition)"),
            ("offset", "\(position.offset)"),
        ]
    }

    /// Reads a record of a dead-letter topic.
    package init(
        headers: [(name: String, value: [UInt8])], key: [UInt8]?, value: [UInt8]?, timestampMillis: Int64
    ) throws(RecordError) {
        func text(_ name: String) throws(RecordError) -> String {
            guard let header = headers.first(where: { $0.name == name }) else {
                throw RecordError("\(name): there is no such header")
            }
            return String(decoding: header.value, as: UTF8.self)
        }
        guard let partition = Int32(try text("partition")), partition >= 0 else {
            throw RecordError("partition: is not the number of one")
        }
        guard let offset = Int64(try text("offset")), offset >= 0 else {
            throw RecordError("offset: is not a position")
        }
        self.init(
            position: LogPosition(topic: try text("topic"), partition: partition, offset: offset),
            reason: try text("reason"), key: key, value: value, timestampMillis: timestampMillis)
    }
}
