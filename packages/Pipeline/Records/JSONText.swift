package import FeatureEngine
import JSON

/// What answers and records have in common: features and floats as JSON text, appended to what is there.
extension [UInt8] {
    /// Appends text that is JSON already.
    package mutating func append(_ json: StaticString) {
        json.withUTF8Buffer { append(contentsOf: $0) }
    }

    /// Appends a float in its shortest form that reads back to the same float; null when it is not finite.
    package mutating func append(json number: Float) { JSONWriter.append(number, to: &self) }

    /// Appends a feature's value: a category quoted, a number shortest, null for a missing one.
    package mutating func append(valueAt index: Int, of vector: FeatureVector) {
        if let text = vector.texts[index] {
            JSONWriter.append(string: text, to: &self)
        } else {
            JSONWriter.append(vector.numbers[index], to: &self)
        }
    }

    /// A text in quotes, escaped.
    package static func quoted(_ text: String) -> [UInt8] {
        var bytes: [UInt8] = []
        JSONWriter.append(string: text, to: &bytes)
        return bytes
    }

    /// A name as the start of an object's member: `"name":`.
    package static func member(_ name: String) -> [UInt8] { quoted(name) + [0x3A] }
}
