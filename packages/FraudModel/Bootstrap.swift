/// Draws the rows of a sample again and again, to see what of a figure is the sample's luck: a Poisson bootstrap, in which each row
/// counts 0, 1, 2 … times. The draws have a fixed seed.
enum Bootstrap {
    /// Draws.
    static let draws = 200

    /// The draws' values of a figure, ascending.
    static func values(rows: Int, _ figure: (_ weights: [UInt8]) -> Double) -> [Double] {
        var draw = PoissonDraw()
        var weights = [UInt8](repeating: 0, count: rows)
        return (0..<draws).map { _ in
            draw.fill(&weights)
            return figure(weights)
        }.sorted()
    }

    /// What nine of ten draws lie between: from the 5th to the 95th of a hundred.
    static func interval(_ ascending: [Double]) -> ClosedRange<Double> {
        ascending[draws / 20]...ascending[draws - 1 - draws / 20]
    }

    /// Rows by falling score.
    struct Ranking {
        private let order: [Int32]
        private let isLastOfTie: [Bool]

        init(_ scores: [Float]) {
            let order = scores.indices.sorted { (scores[$1], $0) < (scores[$0], $1) }
            isLastOfTie = order.indices.map { $0 + 1 == order.count || scores[order[$0]] != scores[order[$0 + 1]] }
            self.order = order.map { Int32($0) }
        }

        /// As `RankingCurve.averagePrecision`, each row counted so many times, and each legitimate one so much; 0 without frauds.
        func averagePrecision(_ labels: [Float], _ weights: [UInt8], legitimate share: Double = 1) -> Double {
            var (sum, frauds, others, before) = (0.0, 0, 0, 0)
            for (place, row) in order.enumerated() {
                let weight = Int(weights[Int(row)])
                if labels[Int(row)] == 1 { frauds += weight } else { others += weight }
                guard isLastOfTie[place], frauds > before else { continue }
                sum += Double(frauds - before) * Double(frauds) / (Double(frauds) + share * Double(others))
                before = frauds
            }
            return frauds == 0 ? 0 : sum / Double(frauds)
        }
    }
}

/// Independent counts of Poisson's distribution with mean 1, a fixed sequence (SplitMix64).
private struct PoissonDraw {
    private var state: UInt64 = 0x6e65_6564_6c65
    /// P(count ≤ k) in 65,536ths.
    private static let bounds: [UInt64] = [24_109, 48_219, 60_274, 64_292, 65_297, 65_497, 65_531, 65_535]

    mutating func fill(_ weights: inout [UInt8]) {
        var (bits, left) = (UInt64(0), 0)
        for index in weights.indices {
            if left == 0 { (bits, left) = (next(), 4) }
            let uniform = bits & 0xffff
            bits >>= 16
            left -= 1
            weights[index] = UInt8(Self.bounds.firstIndex { uniform < $0 } ?? Self.bounds.count)
        }
    }

    private mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
