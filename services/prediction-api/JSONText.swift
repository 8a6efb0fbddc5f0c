import FeatureEngine
import JSON

extension [UInt8] {
    /// Appends text that is JSON already.
    mutating func append(_ json: StaticString) {
        json.withUTF8Buffer { append(contentsOf: $0) }
    }

    /// Appends a float in its shortest form that reads back to the same float; null when it is not finite.
    mutating func append(json number: Float) { JSONWriter.append(number, to: &self) }

    /// Appends a feature's value: a category quoted, a number shortest, null for a missing one.
    mutating func append(valueAt index: Int, of vector: FeatureVector) {
        if let text = vector.texts[index] {
            JSONWriter.append(string: text, to: &self)
        } else {
            JSONWriter.append(vector.numbers[index], to: &self)
        }
    }

    /// A name as the start of an object's member: `"name":`.
    static func member(_ name: String) -> [UInt8] {
        var bytes: [UInt8] = []
        JSONWriter.append(string: name, to: &bytes)
        bytes.append(0x3A)
        return bytes
    }
}
