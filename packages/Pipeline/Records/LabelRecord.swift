public import FeatureEngine
import JSON

/// One record of a label topic: whether an event was a fraud, and when that became known.
///
///     {"event_id":"x1","label":1,"event_timestamp":1709294400000,"available_at":1709899200000}
///
/// A person's verdict says more:
///
///     … ,"feedback_id":"5f…","source":"analyst","queue":"alerts","reviewer":"ana","model_version":"3","score":0.97,
///     "judged_at":1709899201234}
///
/// and with `"retracts":"5f…"` it takes the verdict of that id back.
public struct LabelRecord: Hashable, Sendable {
    /// What a person's verdict says beside the label.
    public struct Feedback: Hashable, Sendable {
        /// Its own id: it counts once, however often it is sent.
        public var id: ByteString
        /// The verdict that it takes back; nil for none.
        public var retracts: ByteString?
        /// Where it was given, the queue the case waited in, and by whom.
        public var source = "", queue = "", reviewer = ""
        /// The model and score that were judged.
        public var modelVersion = "", score = 0.0
        /// When, ms of the wall clock.
        public var judgedMillis: Int64 = 0

        /// A verdict to be filled in.
        public init(id: ByteString) { self.id = id }
    }

    /// The event it belongs to.
    public var eventID: ByteString
    /// Whether it was a fraud.
    public var isFraud: Bool
    /// The event's time, ms.
    public var eventMillis: Int64
    /// When it became known, in event time, ms.
    public var availableMillis: Int64
    /// What a person said; nil for a label that came by itself.
    public var feedback: Feedback?

    /// Describes a label.
    public init(
        eventID: ByteString, isFraud: Bool, eventMillis: Int64, availableMillis: Int64, feedback: Feedback? = nil
    ) {
        self.eventID = eventID
        self.isFraud = isFraud
        self.eventMillis = eventMillis
        self.availableMillis = availableMillis
        self.feedback = feedback
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
        if let feedback { Self.write(feedback, &writer) }
        writer.endObject()
        return writer.bytes
    }

    private static func write(_ feedback: Feedback, _ writer: inout JSONWriter) {
        writer.key("feedback_id")
        writer.value(utf8: feedback.id.bytes.span)
        if let retracts = feedback.retracts {
            writer.key("retracts")
            writer.value(utf8: retracts.bytes.span)
        }
        writer.key("source")
        writer.value(feedback.source)
        writer.key("queue")
        writer.value(feedback.queue)
        writer.key("reviewer")
        writer.value(feedback.reviewer)
        writer.key("model_version")
        writer.value(feedback.modelVersion)
        writer.key("score")
        writer.value(feedback.score)
        writer.key("judged_at")
        writer.value(feedback.judgedMillis)
    }

    /// Reads a record's value.
    package init(_ value: Span<UInt8>, _ reader: RecordReader = RecordReader()) throws(RecordError) {
        self = try reader.read(value) { (fields) throws(RecordError) in try Self.read(fields) }
    }

    private static func read(_ fields: JSONValue) throws(RecordError) -> LabelRecord {
        let label = try fields.integer("label")
        guard label == 0 || label == 1 else { throw RecordError("label: is neither 0 nor 1") }
        var record = LabelRecord(
            eventID: try fields.id("event_id"), isFraud: label == 1, eventMillis: try fields.millis("event_timestamp"),
            availableMillis: try fields.millis("available_at"))
        guard fields.has("feedback_id") else { return record }
        var feedback = Feedback(id: try fields.id("feedback_id"))
        if fields.has("retracts") { feedback.retracts = try fields.id("retracts") }
        feedback.source = try fields.text("source", mayBeEmpty: true)
        feedback.queue = try fields.text("queue", mayBeEmpty: true)
        feedback.reviewer = try fields.text("reviewer")
        feedback.modelVersion = try fields.text("model_version", mayBeEmpty: true)
        feedback.score = try fields.double("score")
        feedback.judgedMillis = try fields.millis("judged_at")
        record.feedback = feedback
        return record
    }
}
