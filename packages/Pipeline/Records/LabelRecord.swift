public import FeatureEngine
import JSON

/// One record of a label topic: whether an event was a fraud, and when that became known.
///
///     {"event_id":"x1","label":1,"event_timestamp":1709294400000,"available_at":1709899200000}
public struct LabelRecord: Hashable, Sendable {
    /// The event it belongs to.
    public var eventID: ByteString
    /// Whether it was a fraud.
    public var isFraud: Bool
    /// The event's time, ms.
    public var eventMillis: Int64
    /// When it became known, in event time, ms.
    public var availableMillis: Int64

    /// Describes a label.
    public init(eventID: ByteString, isFraud: Bool, eventMillis: Int64, availableMillis: Int64) {
        self.eventID = eventID
        self.isFraud = isFraud
        self.eventMillis = eventMillis
        self.availableMillis = availableMillis
    }

    /// The record's value.
    package func encoded() -> [UInt8] {
        var writer = JSONWriter(reserving: 128 + eventID.bytes.count)
        writer.beginObject()
        writer.key("event_id")
        writer.value(utf8: eventID.bytes.span)
        writer.key("label")
        writer.value(isFraud ? 1 : 0)
        writer.key("event_timestamp")
        writer.value(eventMillis)
        writer.key("available_at")
        writer.value(availableMillis)
        writer.endObject()
        return writer.bytes
    }

    /// Reads a record's value.
    package init(_ value: Span<UInt8>) throws(RecordError) {
        let fields = try RecordFields(value)
        let label = try fields.integer("label")
        guard label == 0 || label == 1 else { throw RecordError("label: is neither 0 nor 1") }
        self.init(
            eventID: try fields.id("event_id"), isFraud: label == 1, eventMillis: try fields.millis("event_timestamp"),
            availableMillis: try fields.millis("available_at"))
    }
}
