import FeatureEngine
public import JSON
public import Pipeline

/// An answer in the short form: what it has in common with others of its kind, and its own values. The view `predictions` makes the
/// long one of both.
public struct CompactPrediction: Sendable {
    /// Most fields of a request, and most views: what has more keeps the long form.
    private static let mostNames = 256
    /// Longest text of a number: Postgres takes it whatever it says.
    private static let longestNumber = 32
    /// Most bytes of a kind.
    private static let largestKind = 16_384

    /// What it has in common with others, as JSON.
    let kind: ByteString
    /// The values of the request in the order of the kind's fields, as JSON.
    let requestValues: [UInt8]
    /// The bits of the vector.
    let features: [UInt8]
    /// Where the views stood, in the order of the kind's views, as JSON.
    let positions: [UInt8]

    /// Nil for an answer that does not fit: a request with an object in it, a number that is no double.
    public init?(_ record: PredictionRecord, _ parser: JSONParser) {
        var kind = JSONWriter(reserving: 1_024)
        kind.beginObject()
        kind.key("service")
        kind.value(record.service)
        kind.key("model_version")
        kind.value(record.modelVersion)
        kind.key("definition_hash")
        kind.value(record.definitionHash)
        kind.key("threshold")
        kind.value(record.threshold)
        let read: (values: [UInt8], features: [UInt8], positions: [UInt8])
        do throws(JSONError) {
            let values = try parser.parse(record.request.span) { (request) throws(JSONError) in
                Self.values(request, record, &kind)
            }
            let features = try parser.parse(record.vector.span) { (vector) throws(JSONError) in
                PackedVector.pack(vector)
            }
            let positions = try parser.parse(record.featuresAsOf.span) { (views) throws(JSONError) in
                Self.positions(views, &kind)
            }
            guard let values, let features, let positions else { return nil }
            read = (values, features, positions)
        } catch { return nil }
        kind.endObject()
        guard kind.bytes.count <= Self.largestKind else { return nil }
        (requestValues, features, positions) = read
        self.kind = ByteString(kind.bytes)
    }

    /// The values of a request; its names go to the kind. The transaction's id and the entity's key are columns already: null and []
    /// stand for them.
    private static func values(
        _ request: JSONValue, _ record: PredictionRecord, _ kind: inout JSONWriter
    ) -> [UInt8]? {
        var writer = JSONWriter()
        writer.beginArray()
        var (isIDDue, isKeyDue) = (true, true)
        kind.key("fields")
        kind.beginArray()
        var count = 0
        var members = request.children
        while let member = members.next() {
            count += 1
            guard count <= mostNames else { return nil }
            kind.value(utf8: member.key)
            switch member.kind {
            case .string:
                if isIDDue, member.isText(record.transactionID.bytes) {
                    isIDDue = false
                    writer.null()
                } else if isKeyDue, member.isText(record.entity.bytes) {
                    isKeyDue = false
                    writer.beginArray()
                    writer.endArray()
                } else {
                    writer.value(utf8: member.bytes)
                }
            case .number:
                guard isPlain(member) else { return nil }
                writer.raw(member.bytes)
            case .true: writer.value(true)
            case .false: writer.value(false)
            case .null, .array, .object: return nil
            }
        }
        kind.endArray()
        writer.endArray()
        return writer.bytes
    }

    /// Within a double's range Postgres can make a number of it, and keeps its digits.
    private static func isPlain(_ value: JSONValue) -> Bool {
        guard value.bytes.count <= longestNumber else { return false }
        let text = value.text
        guard text.utf8.contains(where: { $0 | 0x20 == 0x65 }) else { return true }
        return Double(text).map { $0.isFinite && $0 != 0 } ?? false
    }

    /// The numbers of the views' places; their names and topics go to the kind.
    private static func positions(_ views: JSONValue, _ kind: inout JSONWriter) -> [UInt8]? {
        var writer = JSONWriter(reserving: 64)
        writer.beginArray()
        kind.key("views")
        kind.beginArray()
        var count = 0
        var members = views.children
        while let view = members.next() {
            count += 1
            guard count <= mostNames, view.kind == .object else { return nil }
            kind.beginArray()
            kind.value(utf8: view.key)
            guard append(view, to: &writer, &kind) else { return nil }
            kind.endArray()
        }
        kind.endArray()
        writer.endArray()
        return writer.bytes
    }

    /// Appends one place, if its members are those the API writes, in its order.
    private static func append(_ view: JSONValue, to writer: inout JSONWriter, _ kind: inout JSONWriter) -> Bool {
        var count = 0
        writer.beginArray()
        var members = view.children
        while let member = members.next() {
            switch (count, member.kind) {
            case (0, .number) where member.isNamed("generation"), (2, .number) where member.isNamed("partition"),
                (3, .number) where member.isNamed("offset"), (4, .number) where member.isNamed("as_of"):
                guard let number = Int64(member.text) else { return false }
                writer.value(number)
            case (1, .string) where member.isNamed("topic"): kind.value(utf8: member.bytes)
            default: return false
            }
            count += 1
        }
        writer.endArray()
        return count >= 4
    }
}

extension JSONValue {
    fileprivate func isText(_ text: [UInt8]) -> Bool {
        bytes.withUnsafeBufferPointer { $0.elementsEqual(text) }
    }
}
