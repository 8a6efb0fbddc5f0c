/// Samples of a `/metrics` page in the Prometheus text format: name and labels as written, and value.
package struct PrometheusText: Sendable {
    /// One sample.
    package struct Sample: Hashable, Sendable {
        /// The metric's name.
        package let name: String
        /// Its labels.
        package let labels: [String: String]
        /// Its value.
        package let value: Double

        func isNamed(_ name: String) -> Bool { self.name.utf8.elementsEqual(name.utf8) }
    }

    /// Every sample, in the page's order.
    package let samples: [Sample]

    /// Reads a page; lines that are no sample are passed over.
    package init(_ text: String) {
        samples = Array(text.utf8).split(separator: UInt8(ascii: "\n")).compactMap(Self.sample)
    }

    /// The sum over all label sets of a name, or nil when the page does not have it.
    package func sum(_ name: String, where matches: ([String: String]) -> Bool = { _ in true }) -> Double? {
        let values = samples.filter { $0.isNamed(name) && matches($0.labels) }.map(\.value)
        return values.isEmpty ? nil : values.reduce(0, +)
    }

    /// The largest number over all label sets of a name, or nil when the page has none.
    package func largest(_ name: String) -> Double? {
        samples.filter { $0.isNamed(name) && !$0.value.isNaN }.map(\.value).max()
    }

    /// The labels of the sample of a name that is not zero: how a metric tells a word.
    package func labels(_ name: String) -> [String: String]? {
        samples.first { $0.isNamed(name) && $0.value > 0 }?.labels
    }

    /// A histogram's cumulative buckets, summed over label sets, ascending. One that is damaged (a bound or count that is no
    /// number, counts that fall) is empty.
    package func buckets(_ name: String) -> [Bucket] {
        var counts: [Double: Double] = [:]
        for sample in samples where sample.isNamed(name + "_bucket") {
            guard let bound = sample.labels["le"].flatMap(Self.number), !bound.isNaN, sample.value.isFinite,
                sample.value >= 0
            else { return [] }
            counts[bound, default: 0] += sample.value
        }
        let buckets = counts.sorted { $0.key < $1.key }.map { Bucket($0.key, $0.value) }
        let isRising = zip(buckets, buckets.dropFirst()).allSatisfy { $0.count <= $1.count }
        return isRising && buckets.allSatisfy { $0.count.isFinite } ? buckets : []
    }

    private static func number(_ text: some StringProtocol) -> Double? {
        switch text {
        case "+Inf": .infinity
        case "-Inf": -.infinity
        case "NaN": .nan
        default: Double(text)
        }
    }

    /// Reads by bytes: a quote or brace with a combining mark behind it is one all the same, but no Character of its own.
    private static func sample(_ line: ArraySlice<UInt8>) -> Sample? {
        let (open, close, quote, escape) = (
            UInt8(ascii: "{"), UInt8(ascii: "}"), UInt8(ascii: "\""), UInt8(ascii: "\\")
        )
        let space = UInt8(ascii: " ")
        guard line.first != UInt8(ascii: "#"), let nameEnd = line.firstIndex(where: { $0 == open || $0 == space })
        else {
            return nil
        }
        var rest = line[nameEnd...]
        var labels: [String: String] = [:]
        if rest.first == open {
            rest = rest.dropFirst()
            while let first = rest.first, first != close {
                guard let equals = rest.firstIndex(of: UInt8(ascii: "=")), rest[equals...].dropFirst().first == quote
                else { return nil }
                let key = rest[..<equals].drop { $0 == UInt8(ascii: ",") || $0 == space }
                rest = rest[equals...].dropFirst(2)
                var value: [UInt8] = []
                while let byte = rest.popFirst(), byte != quote {
                    guard byte == escape else {
                        value.append(byte)
                        continue
                    }
                    guard let other = rest.popFirst() else { return nil }
                    value.append(other == UInt8(ascii: "n") ? UInt8(ascii: "\n") : other)
                }
                labels[String(decoding: key, as: UTF8.self)] = String(decoding: value, as: UTF8.self)
            }
            rest = rest.dropFirst()
        }
        let text = rest.split(separator: space).first.map { String(decoding: $0, as: UTF8.self) }
        guard let value = text.flatMap(number) else { return nil }
        return Sample(name: String(decoding: line[..<nameEnd], as: UTF8.self), labels: labels, value: value)
    }
}
