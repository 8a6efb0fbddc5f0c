internal import Glibc

/// SplitMix64 (Steele, Lea, Flood): the same numbers from the same seed, everywhere and always.
struct SeededRandom: Sendable {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    /// An independent sequence for a part of the work.
    init(seed: UInt64, stream: UInt64) {
        var mixer = SeededRandom(seed: seed)
        var second = SeededRandom(seed: mixer.next() ^ stream &* 0xD6E8_FEB8_6659_FD93)
        state = second.next()
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }

    /// From 0 up to but not including 1.
    mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }

    /// From 0 up to but not including `bound`.
    mutating func below(_ bound: Int) -> Int {
        Int(truncatingIfNeeded: next().multipliedFullWidth(by: UInt64(bound)).high)
    }

    mutating func inside(_ range: ClosedRange<Int>) -> Int { range.lowerBound + below(range.count) }

    mutating func pick<Element>(_ elements: [Element]) -> Element { elements[below(elements.count)] }

    /// Standard normal: the polar method (Marsaglia).
    mutating func normal() -> Double {
        while true {
            let (x, y) = (2 * uniform() - 1, 2 * uniform() - 1)
            let square = x * x + y * y
            if square > 0, square < 1 { return x * (-2 * log(square) / square).squareRoot() }
        }
    }

    /// How many of `count` happen, each with `probability`: inversion, on parts small enough that it does not underflow.
    mutating func binomial(_ count: Int, _ probability: Double) -> Int {
        guard count > 0, probability > 0 else { return 0 }
        guard probability < 1 else { return count }
        if probability > 0.5 { return count - binomial(count, 1 - probability) }
        let ratio = probability / (1 - probability)
        let part = max(1, Int(30 / probability))
        var (rest, result) = (count, 0)
        while rest > 0 {
            let trials = min(rest, part)
            rest -= trials
            var term = pow(1 - probability, Double(trials))
            var left = uniform()
            var hits = 0
            while left > term, hits < trials {
                left -= term
                hits += 1
                term *= Double(trials - hits + 1) / Double(hits) * ratio
            }
            result += hits
        }
        return result
    }
}

/// Gamma with a mean and a standard deviation: Marsaglia and Tsang's method, with their power of a uniform below shape 1.
struct GammaDistribution: Sendable {
    private let scale: Double
    private let d: Double
    private let c: Double
    private let inverseShape: Double  // 0 from shape 1 on

    init(mean: Double, deviation: Double) {
        let shape = mean * mean / (deviation * deviation)
        scale = deviation * deviation / mean
        inverseShape = shape < 1 ? 1 / shape : 0
        d = (shape < 1 ? shape + 1 : shape) - 1.0 / 3
        c = 1 / (9 * d).squareRoot()
    }

    func sample(_ random: inout SeededRandom) -> Double {
        while true {
            let x = random.normal()
            let root = 1 + c * x
            guard root > 0 else { continue }
            let v = root * root * root
            let u = random.uniform()
            guard u > 0, log(u) < 0.5 * x * x + d * (1 - v + log(v)) else { continue }
            return d * v * scale * (inverseShape > 0 ? pow(random.uniform(), inverseShape) : 1)
        }
    }
}
