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
    }

    /// Every sample, in the page's order.
    package let samples: [Sample]

    /// Reads a page; lines that are no sample are passed over.
    package init(_ text: String) {
        samples = text.split(separator: "\n").compactMap(Self.sample)
    }

    /// The sum over all label sets of a name, or nil when the page does not have it.
    package func sum(_ name: String, where matches: ([String: String]) -> Bool = { _ in true }) -> Double? {
        let values = samples.filter { $0.name == name && matches($0.labels) }.map(\.value)
        return values.isEmpty ? nil : values.reduce(0, +)
    }

    /// The largest number over all label sets of a name, or nil when the page has none.
    package func largest(_ name: String) -> Double? {
        samples.filter { $0.name == name && !$0.value.isNaN }.map(\.value).max()
    }

    /// The labels of the sample of a name that is not zero: how a metric tells a word.
    package func labels(_ name: String) -> [String: String]? {
        samples.first { $0.name == name && $0.value > 0 }?.labels
    }

    /// A histogram's cumulative buckets, summed over label sets, ascending. One that is damaged (a bound or count that is no
    /// number, counts that fall) is empty.
    package func buckets(_ name: String) -> [Bucket] {
        var counts: [Double: Double] = [:]
        for sample in samples where sample.name == name + "_bucket" {
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

    private static func sample(_ line: Substring) -> Sample? {
        guard line.first != "#", let nameEnd = line.firstIndex(where: { $0 == "{" || $0 == " " }) else { return nil }
        var rest = line[nameEnd...]
        var labels: [String: String] = [:]
        if rest.first == "{" {
            rest = rest.dropFirst()
            while let first = rest.first, first != "}" {
                guard let equals = rest.firstIndex(of: "="), rest[equals...].dropFirst().first == "\"" else {
                    return nil
                }
                let key = rest[..<equals].drop { $0 == "," || $0 == " " }
                rest = rest[equals...].dropFirst(2)
                var value = ""
                while let character = rest.popFirst(), character != "\"" {
                    guard character == "\\" else {
                        value.append(character)
                        continue
                    }
                    switch rest.popFirst() {
                    case "n": value.append("\n")
                    case let other?: value.append(other)
                    case nil: return nil
                    }
                }
                labels[String(key)] = value
            }
            rest = rest.dropFirst()
        }
        guard let value = rest.split(separator: " ").first.flatMap(number) else { return nil }
        return Sample(name: String(line[..<nameEnd]), labels: labels, value: value)
    }
}
