internal import FeatureEngine

/// Why one event, request or row was refused: what a dead letter and a 422 answer say.
public struct EventError: Error, Hashable, Sendable, CustomStringConvertible {
    /// One thing that is wrong.
    public struct Issue: Hashable, Sendable {
        /// The field, or nil for the whole event.
        public let field: String?
        /// What is wrong, in words that finish the sentence "the field …".
        public let message: String
        /// A stable name of the kind: `json_invalid`, `missing`, `type_error`, `value_error`, `duplicate_field`,
        /// `unknown_field`, `too_large`, `csv_invalid`.
        public let type: String

        /// Names a field and what is wrong with it.
        public init(field: String?, message: String, type: String) {
            self.field = field
            self.message = message
            self.type = type
        }

        init(_ error: FieldError, type: String = "value_error") {
            self.init(field: error.field, message: error.reason, type: type)
        }
    }

    /// What is wrong; at least one.
    public let issues: [Issue]

    /// Collects what is wrong.
    public init(_ issues: [Issue]) { self.issues = issues }

    /// One thing about the whole event.
    init(_ message: String, type: String) { issues = [Issue(field: nil, message: message, type: type)] }

    /// The issues in one line.
    public var description: String {
        issues.map { issue in issue.field.map { "\($0): \(issue.message)" } ?? issue.message }.joined(separator: "; ")
    }
}
