import FeatureEngine
public import Pipeline

/// Stored events whose key or id breaks the present rule.
public struct UnusableEvents: Hashable, Sendable {
    /// How many were passed over; one that was scanned twice counts twice.
    public private(set) var count = 0
    /// The place of the first and what is wrong with it, for a message; nil for none.
    public private(set) var first: String?
    /// The place of the last.
    public private(set) var last: LogPosition?

    mutating func add(_ position: LogPosition, _ error: FieldError) {
        count += 1
        last = position
        first = first ?? "\(position.topic)/\(position.partition) at \(position.offset): \(error)"
    }
}
