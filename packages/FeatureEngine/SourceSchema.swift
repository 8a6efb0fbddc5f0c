/// The label of a source: never part of the event, it arrives later on a topic of its own.
public struct LabelDefinition: Hashable, Sendable {
    /// The label's column in the CSV.
    public let field: String
    /// The topic labels are published to.
    public let topic: String
    /// How long after the event its label arrives, ms.
    public let delayMillis: Int64

    /// Declares a label.
    public init(field: String, topic: String, delayMillis: Int64) {
        self.field = field
        self.topic = topic
        self.delayMillis = delayMillis
    }
}

/// What one event of a source looks like. Immutable and shared; fields are addressed by index.
public final class SourceSchema: Sendable {
    /// The source's name and table.
    public let name: String
    /// The topic events are published to.
    public let topic: String
    /// Every field of an event in declared order, event id and event time included, the label not.
    public let fields: [Field]
    /// Index of the event id, a string field.
    public let eventIDIndex: Int
    /// Index of the event time: a string field, or an integer one for unix formats.
    public let eventTimeIndex: Int
    /// How the event time is written.
    public let eventTimeFormat: EventTimeFormat
    /// Index of the field whose text is the record's key on the topic: the join key of the views fed by it.
    public let keyIndex: Int
    /// Indexes of the join keys of views of other entities.
    public let otherKeyIndexes: [Int]
    /// The label, when the source has one.
    public let label: LabelDefinition?
    /// How its producers choose the partition of a key.
    public let partitioner: Partitioner
    /// Whether an event with a field that is not declared is refused; otherwise such a field is ignored.
    public let refusesUnknownFields: Bool
    /// Indexes of the fields that have a rule.
    public let ruledFields: [Int]

    /// The types of `fields`, apart from their names: reading them copies nothing that is counted.
    let types: [FieldType]
    let rounds: [Bool]
    private let isName: [Bool]
    private let indexes: [String: Int]

    /// Declares a source. The caller has validated the names; a duplicate is a mistake of ours.
    public init(
        name: String, topic: String, fields: [Field], eventIDIndex: Int, eventTimeIndex: Int,
        eventTimeFormat: EventTimeFormat, keyIndex: Int, label: LabelDefinition?, refusesUnknownFields: Bool = false,
        partitioner: Partitioner = .murmur2, otherKeyIndexes: [Int] = []
    ) {
        self.name = name
        self.topic = topic
        self.fields = fields
        types = fields.map(\.type)
        rounds = fields.map(\.rounds)
        self.eventIDIndex = eventIDIndex
        self.eventTimeIndex = eventTimeIndex
        self.eventTimeFormat = eventTimeFormat
        self.keyIndex = keyIndex
        self.otherKeyIndexes = otherKeyIndexes
        let names = Set([keyIndex, eventIDIndex] + otherKeyIndexes)
        isName = fields.indices.map { names.contains($0) }
        self.label = label
        self.partitioner = partitioner
        self.refusesUnknownFields = refusesUnknownFields
        ruledFields = fields.indices.filter { fields[$0].rule != nil }
        indexes = Dictionary(uniqueKeysWithValues: fields.enumerated().map { ($1.name, $0) })
    }

    /// Whether a field says which event it is, or whose: such a text is held to `KeyRule`.
    public func isName(_ index: Int) -> Bool { isName[index] }

    /// The index of a field, or nil when it is not declared.
    public func index(of name: String) -> Int? { indexes[name] }
}
