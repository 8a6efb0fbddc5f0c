import KafkaProtocol
import TestSupport

/// A coder that neither reads nor writes, but fills every field a version has with something.
struct RandomFiller: MessageCoder {
    var random: SeededRandom
    let flexible: Bool

    init(seed: UInt64, flexible: Bool) {
        random = SeededRandom(seed: seed)
        self.flexible = flexible
    }

    mutating func text() -> String {
        String(
            (0..<Int.random(in: 0...6, using: &random)).map { _ in
                Array("abcé日😀-.")[Int.random(in: 0..<8, using: &random)]
            })
    }
    mutating func someBytes() -> ArraySlice<UInt8> {
        (0..<Int.random(in: 0...9, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }[...]
    }
    mutating func isNull() -> Bool { Int.random(in: 0..<4, using: &random) == 0 }
    mutating func count() -> Int { Int.random(in: 0...3, using: &random) }

    mutating func bool(_ value: inout Bool) { value = Bool.random(using: &random) }
    mutating func integer<T: FixedWidthInteger & Sendable>(_ value: inout T) {
        value = T.random(in: .min ... .max, using: &random)
    }
    mutating func string(_ value: inout String) { value = text() }
    mutating func nullableString(_ value: inout String?) { value = isNull() ? nil : text() }
    mutating func bytes(_ value: inout ArraySlice<UInt8>) { value = someBytes() }
    mutating func nullableBytes(_ value: inout ArraySlice<UInt8>?) { value = isNull() ? nil : someBytes() }
    mutating func uuid(_ value: inout TopicID) { value = TopicID(high: random.next(), low: random.next()) }
    mutating func array<T: KafkaMessage>(_ values: inout [T], version: Int16) throws(ProtocolError) {
        values = []
        for _ in 0..<count() {
            var element = T()
            try element.code(&self, version: version)
            values.append(element)
        }
    }
    mutating func nullableArray<T: KafkaMessage>(_ values: inout [T]?, version: Int16) throws(ProtocolError) {
        guard !isNull() else { return values = nil }
        var some: [T] = []
        try array(&some, version: version)
        values = some
    }
    mutating func integers<T: FixedWidthInteger & Sendable>(_ values: inout [T]) {
        values = (0..<count()).map { _ in T.random(in: .min ... .max, using: &random) }
    }
    mutating func strings(_ values: inout [String]) { values = (0..<count()).map { _ in text() } }
    mutating func nullableStrings(_ values: inout [String]?) {
        values = isNull() ? nil : (0..<count()).map { _ in text() }
    }
    mutating func tags() {}
}
