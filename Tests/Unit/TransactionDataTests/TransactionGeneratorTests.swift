import Compression
import FeatureEngine
import Testing
import TransactionData

/// One generated file, measured once: 200,000 rows are enough for what a model learns from.
private struct Measured {
    struct Category {
        var (legit, fraud, afternoon) = (0, 0, 0)
        var (legitSum, fraudSum) = (0.0, 0.0)
    }

    static let rows = 200_000
    static let shared = Result { try Measured(seed: 42) }

    var rowCount = 0
    var fraudTimes: [String: [Int64]] = [:]
    var legitTimes: [String: [Int64]] = [:]
    var hours = (legit: Array(repeating: 0, count: 24), fraud: Array(repeating: 0, count: 24))
    var weekdays = Array(repeating: 0, count: 7)
    var categories: [String: Category] = [:]
    var gaps: (legit: [Int64], fraud: [Int64]) = ([], [])
    var merchants: Set<String> = []
    var ids: Set<String> = []
    var december = 0
    var ties = 0
    var largestStep: Int64 = 0
    var stepsBack: [(from: Int64, to: Int64)] = []
    var fraudAmounts: [Double] = []
    var legitAmounts: [Double] = []
    var fartherThanOneDegree = 0
    var legit = 0
    var fraud: Int { rowCount - legit }

    init(seed: UInt64) throws {
        // Event time on the unix clock, so that gaps are whole; the text clock is looked at beside it.
        let schema = Reference.schema(timeFormat: "unix_seconds", eventTime: "unix_time")
        let csv = try TransactionCSV(
            ByteSource(bytes: try generated(rows: Self.rows, seed: seed)), schema: schema, requiresLabel: true)
        guard let clock = EventTimeFormat("yyyy-MM-dd HH:mm:ss") else { return }
        var row = SourceRow(schema)
        var (last, lastText): (Int64, Int64) = (0, 0)
        var lastOfCard: [String: Int64] = [:]
        while true {
            let outcome = try csv.next(into: &row)
            if outcome == .end { break }
            guard case .row(_, let label?) = outcome, let category = row.string(3) else {
                Issue.record("\(outcome)")
                break
            }
            rowCount += 1
            let (seconds, amount) = (row.eventTimeMillis / 1_000, row.number(4))
            #expect(seconds >= last)
            last = seconds
            let text = clock.millis(Array(row.bytes(0)).span) ?? -1
            if text < lastText { stepsBack.append((lastText, text)) }
            lastText = text
            if lastOfCard[row.key] == seconds { ties += 1 }
            if let before = lastOfCard[row.key] {
                if label == 1 { gaps.fraud.append(seconds - before) } else { gaps.legit.append(seconds - before) }
            }
            lastOfCard[row.key] = seconds
            merchants.insert(row.string(2) ?? "")
            ids.insert(row.eventID)
            let hour = Int(seconds / 3_600 % 24)
            let off = max(abs(row.number(12) - row.number(19)), abs(row.number(13) - row.number(20)))
            if off > 1.000_001 { fartherThanOneDegree += 1 }
            if label == 1 {
                fraudTimes[row.key, default: []].append(seconds)
                hours.fraud[hour] += 1
                fraudAmounts.append(amount)
                categories[category, default: Category()].fraud += 1
                categories[category, default: Category()].fraudSum += amount
            } else {
                legit += 1
                legitTimes[row.key, default: []].append(seconds)
                hours.legit[hour] += 1
                legitAmounts.append(amount)
                weekdays[Int((seconds / 86_400 + 3) % 7)] += 1
                if CivilTime(millis: seconds * 1_000).month == 12 { december += 1 }
                categories[category, default: Category()].legit += 1
                categories[category, default: Category()].legitSum += amount
                if hour >= 12 { categories[category, default: Category()].afternoon += 1 }
            }
        }
    }
}

private func generated(rows: Int, seed: UInt64, cards: Int? = nil, start: String = "2019-01-01") throws -> [UInt8] {
    var generator = try TransactionGenerator(.init(rows: rows, seed: seed, cards: cards, start: start))
    var bytes: [UInt8] = []
    generator.generate { (piece, _) throws(Never) in
        bytes += piece
        return true
    }
    return bytes
}

private func quantile(_ values: [some Comparable & BinaryInteger], _ share: Double) -> Double {
    values.isEmpty ? .nan : Double(values.sorted()[min(values.count - 1, Int(share * Double(values.count)))])
}

private func quantile(_ values: [Double], _ share: Double) -> Double {
    values.isEmpty ? .nan : values.sorted()[min(values.count - 1, Int(share * Double(values.count)))]
}

@Suite struct TransactionGeneratorTests {
    @Test func `as many rows as asked for, in time order, every one readable and with its own id`() throws {
        let measured = try Measured.shared.get()
        #expect(measured.rowCount == Measured.rows)
        #expect(measured.ids.count == Measured.rows)
        #expect(measured.merchants.count == 693)
        #expect(measured.merchants.allSatisfy { $0.hasPrefix("fraud_") })
        #expect(measured.fartherThanOneDegree == 0)
        #expect(Set(measured.fraudTimes.keys).union(measured.legitTimes.keys).count == 111)
    }

    @Test func `event time is unix time plus seven years and steps back one day once`() throws {
        let measured = try Measured.shared.get()
        let steps = measured.stepsBack
        #expect(steps.count == 1)
        let first = try #require(steps.first)
        #expect(CivilTime.iso8601(first.from).hasPrefix("2019-02-28T2"))
        #expect(CivilTime.iso8601(first.to).hasPrefix("2019-02-28T0"))
    }

    @Test func `fraud is half a per cent of the rows, in one burst of two dates on nearly every card`() throws {
        let measured = try Measured.shared.get()
        let rate = Double(measured.fraud) / Double(measured.rowCount)
        #expect((0.0045...0.0065).contains(rate), "\(rate)")
        #expect((105...111).contains(measured.fraudTimes.count))
        let sizes = measured.fraudTimes.values.map(\.count)
        #expect((2...19).contains(sizes.min() ?? 0) && (13...19).contains(sizes.max() ?? 0))
        #expect((9...11).contains(quantile(sizes, 0.5)))
        for (card, times) in measured.fraudTimes {
            let dates = Set(times.map { $0 / 86_400 })
            #expect(dates.count <= 2 && (dates.max() ?? 0) - (dates.min() ?? 0) <= 1)
            #expect(
                !(measured.legitTimes[card] ?? []).contains { dates.contains($0 / 86_400) },
                "legitimate rows on a date of fraud")
        }
        let spans = measured.fraudTimes.values.map { Double(($0.max() ?? 0) - ($0.min() ?? 0)) / 3_600 }
        #expect((43...46.8).contains(quantile(spans, 0.5)))
    }

    @Test func `fraud comes at night and purchases by halves of the day`() throws {
        let measured = try Measured.shared.get()
        let night = (0...3).map { measured.hours.fraud[$0] }.reduce(0, +)
        let late = measured.hours.fraud[22] + measured.hours.fraud[23]
        #expect((0.27...0.40).contains(Double(night) / Double(measured.fraud)))
        #expect((0.44...0.60).contains(Double(late) / Double(measured.fraud)))
        for hour in 0..<24 {
            let share = Double(measured.hours.legit[hour]) / Double(measured.legit)
            #expect(hour < 12 ? (0.027...0.038).contains(share) : (0.045...0.056).contains(share), "\(hour): \(share)")
        }
    }

    @Test func `weekends and December are busy`() throws {
        let measured = try Measured.shared.get()
        let expected = [9.4, 10.5, 11.4, 11.5, 17.0, 20.6, 19.7]
        for (day, share) in expected.enumerated() {
            #expect(abs(100 * Double(measured.weekdays[day]) / Double(measured.legit) - share) < 1, "weekday \(day)")
        }
        #expect((0.14...0.17).contains(Double(measured.december) / Double(measured.legit)))
    }

    @Test func `amounts differ by category and by fraud`() throws {
        let measured = try Measured.shared.get()
        let fraudMean = measured.fraudAmounts.reduce(0, +) / Double(measured.fraud)
        #expect((63...73).contains(measured.legitAmounts.reduce(0, +) / Double(measured.legit)))
        #expect((480...600).contains(fraudMean), "\(fraudMean)")
        #expect((44...54).contains(quantile(measured.legitAmounts, 0.5)))
        #expect((80...90).contains(quantile(measured.legitAmounts, 0.75)))
        // Share of rows %, legit mean, fraud mean, share after noon.
        let expected: [String: (Double, Double, Double, Double)] = [
            "gas_transport": (10.1, 63.9, 12, 0), "grocery_pos": (9.6, 111, 311, 0.02), "home": (9.5, 59, 257, 1),
            "shopping_pos": (8.8, 74, 881, 0.54), "kids_pets": (8.8, 58, 18, 1), "shopping_net": (7.5, 74, 999, 0.50),
            "entertainment": (7.4, 63, 504, 0.80), "food_dining": (7.2, 52, 120, 0.87),
            "personal_care": (6.9, 48, 27, 1),
            "health_fitness": (6.7, 54, 20, 1), "misc_pos": (6.2, 61, 157, 0.38), "misc_net": (4.8, 71, 794, 0.19),
            "grocery_net": (3.3, 54, 12, 0), "travel": (3.2, 122, 9, 1),
        ]
        #expect(Set(measured.categories.keys) == Set(expected.keys))
        for (name, (share, legitMean, fraudMean, afternoon)) in expected {
            let found = try #require(measured.categories[name])
            #expect(abs(100 * Double(found.legit + found.fraud) / Double(measured.rowCount) - share) < 1.2, "\(name)")
            let tolerance = name == "travel" ? 0.35 : 0.2
            #expect(abs(found.legitSum / Double(found.legit) - legitMean) < legitMean * tolerance, "\(name)")
            #expect(abs(Double(found.afternoon) / Double(found.legit) - afternoon) < 0.15, "\(name)")
            // Where the kinds of customers differ, the mean goes with who was hit.
            if found.fraud >= 25, name != "misc_pos" {
                #expect(abs(found.fraudSum / Double(found.fraud) - fraudMean) < fraudMean * 0.3, "\(name)")
            }
        }
    }

    @Test func `gaps between a card's rows are as in the reference, and ties are rare but there`() throws {
        let measured = try Measured.shared.get()
        for (share, seconds) in [(0.25, 6_061.0), (0.5, 16_554), (0.75, 39_770), (0.95, 111_156)] {
            let found = quantile(measured.gaps.legit, share)
            #expect(abs(found - seconds) < seconds * 0.15, "\(share): \(found)")
        }
        #expect((600...2_600).contains(quantile(measured.gaps.fraud, 0.25)))
        #expect((1...40).contains(measured.ties), "\(measured.ties)")
    }

    @Test func `the same seed gives the same bytes and another seed others`() throws {
        let first = try generated(rows: 20_000, seed: 7)
        #expect(try generated(rows: 20_000, seed: 7) == first)
        #expect(try generated(rows: 20_000, seed: 8) != first)
        // Changes of these bytes change everybody's files: do it on purpose only.
        #expect(FNV1a64.hash(first) == 12_776_107_437_005_076_335)
    }

    @Test(arguments: [1, 2, 10, 100, 1_000, 1_801, 12_345])
    func `any number of rows is exact`(rows: Int) throws {
        let bytes = try generated(rows: rows, seed: 3)
        #expect(bytes.count { $0 == 0x0A } == rows + 1)
    }

    @Test(arguments: [1, 3, 50, 2_000])
    func `the number of cards can be chosen and keeps the rate of fraud`(cards: Int) throws {
        let bytes = try generated(rows: 20_000, seed: 3, cards: cards)
        let csv = try TransactionCSV(ByteSource(bytes: bytes), schema: Reference.schema())
        var row = SourceRow(Reference.schema())
        var (keys, frauds): (Set<String>, Int) = ([], 0)
        while case .row(_, let label) = try csv.next(into: &row) {
            keys.insert(row.key)
            frauds += Int(label ?? 0)
        }
        // Some kinds of customers may buy nothing at all in two years.
        #expect(keys.count <= cards && keys.count * 10 >= cards * 8)
        #expect((70...160).contains(frauds))
    }

    @Test func `no card number passes the check digit`() throws {
        let csv = try TransactionCSV(
            ByteSource(bytes: generated(rows: 20_000, seed: 5, cards: 400)), schema: Reference.schema())
        var row = SourceRow(Reference.schema())
        var numbers: Set<String> = []
        while case .row = try csv.next(into: &row) { numbers.insert(row.key) }
        for number in numbers {
            #expect((11...19).contains(number.utf8.count))
            var sum = 0
            for (index, byte) in number.utf8.reversed().enumerated() {
                let digit = Int(byte) - 0x30
                sum += index % 2 == 1 ? digit * 2 / 10 + digit * 2 % 10 : digit
            }
            #expect(sum % 10 != 0, "\(number)")
        }
    }

    @Test func `the start date moves the file and impossible options are refused`() throws {
        let text = String(decoding: try generated(rows: 3_000, seed: 1, start: "2023-07-15"), as: UTF8.self)
        let lines = text.split(separator: "\n")
        #expect(lines[1].hasPrefix("0,2023-07-1"))
        #expect(lines.last?.contains(",2025-07-1") == true)
        for start in ["2019-02-30", "2020-02-29", "1970-01-01", "2019-1-1", "yesterday", ""] {
            #expect(throws: TransactionGenerator.InvalidOption.self) {
                try TransactionGenerator(.init(rows: 10, start: start))
            }
        }
        #expect(throws: TransactionGenerator.InvalidOption.self) { try TransactionGenerator(.init(rows: 0)) }
        #expect(throws: TransactionGenerator.InvalidOption.self) {
            try TransactionGenerator(.init(rows: 10, cards: 11))
        }
    }
}
