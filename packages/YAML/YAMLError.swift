/// Why a YAML text was refused, and where.
public struct YAMLError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What kind of mistake it is.
    public enum Reason: Hashable, Sendable {
        /// The text is not YAML; the words are libyaml's.
        case syntax(String)
        /// A tab stands where only spaces may: in indentation, or before a value.
        case tab
        /// A key stands twice in one mapping; the first is on the given line.
        case duplicateKey(String, firstLine: Int)
        /// A key is a list or a mapping.
        case complexKey
        /// An anchor, alias or tag: what a value is should be read where it stands.
        case unsupported(String)
        /// Lists and mappings are nested deeper than the limit.
        case tooDeep(limit: Int)
        /// The text is longer than the limit, in bytes.
        case tooLong(limit: Int)
        /// libyaml had no memory left.
        case outOfMemory
    }

    /// What is wrong.
    public let reason: Reason
    /// The line it is on, from 1.
    public let line: Int
    /// The column it is at, from 1.
    public let column: Int

    /// What is wrong, without the place.
    public var message: String {
        switch reason {
        case .syntax(let words): "is not YAML: \(words)"
        case .tab: "a tab stands in the indentation"
        case .duplicateKey(let key, let firstLine): "the key `\(key)` stands twice, first on line \(firstLine)"
        case .complexKey: "a key must be plain text"
        case .unsupported(let what): "\(what) are not supported: write the value out where it is used"
        case .tooDeep(let limit): "is nested deeper than \(limit) levels"
        case .tooLong(let limit): "is longer than \(limit) bytes"
        case .outOfMemory: "does not fit into memory"
        }
    }

    /// Line, column and what is wrong.
    public var description: String { "line \(line), column \(column): \(message)" }
}
