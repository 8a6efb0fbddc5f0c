internal import FeatureEngine

/// Makes card transactions like the public reference set's: the same columns and quirks, habits by kind of customer, and
/// bursts of fraud. One seed is one file, byte for byte; the number of rows is exact. Memory is a day's rows and the cards.
///
/// After the Sparkov simulator. A customer buys k times a day on average, on days weighted by weekday and season. One
/// uniform number picks both the category (along the cumulated weights) and the half of the day (below the profile's
/// morning share), which ties categories to mornings or afternoons. Amounts are gamma by profile and category; below 1.00
/// they are drawn again from 1 to 10. 98 % of the cards see one burst of fraud on two consecutive dates, mostly at night,
/// with amounts of its own, and nothing legitimate on those dates. Days are drawn one after the other: a card's rows of a
/// day are binomial in what it has left, so rows come out in time order without being kept.
public struct TransactionGenerator: Sendable {
    /// What to make.
    public struct Options: Sendable {
        /// Rows in all, exactly.
        public var rows: Int
        /// Equal seeds give equal files.
        public var seed: UInt64
        /// Cards; nil is one for every 1,800 rows.
        public var cards: Int?
        /// First date as `yyyy-MM-dd`: event time begins there and goes on for two years.
        public var start: String

        /// Describes a file.
        public init(rows: Int, seed: UInt64 = 42, cards: Int? = nil, start: String = "2019-01-01") {
            self.rows = rows
            self.seed = seed
            self.cards = cards
            self.start = start
        }
    }

    /// Why such a file cannot be made.
    public struct InvalidOption: Error, Hashable, Sendable, CustomStringConvertible {
        /// The option's name.
        public let option: String
        /// What is allowed.
        public let description: String
    }

    /// The reference set's header, with its line end.
    public static let header =
        ",trans_date_trans_time,cc_num,merchant,category,amt,first,last,gender,street,city,state,zip,lat,long,city_pop,job,dob,"
        + "trans_num,unix_time,merch_lat,merch_long,is_fraud\n"

    /// How many cards there are.
    public var cardCount: Int { cards.count }
    /// How many rows are fraud.
    public let fraudCount: Int

    private struct Burst {
        let day: Int
        let rows: Int
        let rowsOnFirst: Int
    }

    private struct Card {
        let holder: InventedWorld.Holder
        let profile: Int
        let bursts: [Burst]
        var random: SeededRandom
        var rowsLeft: Int
        var weightLeft: Int
    }

    private struct Row {
        var second: Int32
        var card: Int32
        var order: Int32
        var merchant: Int32
        var category: Int32
        var cents: Int
        var latitude: Int
        var longitude: Int
        var id: (UInt64, UInt64)
        var isFraud: Bool
    }

    private struct Habits {
        let morning: Double
        let cumulated: [Double]
        let amounts: [GammaDistribution]

        init(_ profile: SpendingProfile) {
            morning = Double(profile.morningPercent) / 100
            let total = Double(profile.categories.reduce(0) { $0 + $1.weight })
            var sum = 0.0
            cumulated = profile.categories.map { category in
                sum += Double(category.weight)
                return sum / total
            }
            amounts = profile.categories.map { GammaDistribution(mean: $0.mean, deviation: $0.deviation) }
        }
    }

    private static let rowsPerCard = 1_800
    private static let burstsPerRow = 0.98 / Double(rowsPerCard)
    /// Share of a burst's rows from 22 to 4 o'clock.
    private static let nightShare = 0.847

    private let rows: Int
    private let firstDay: Int  // of the unix clock, days since 1970
    private let dayCount: Int
    private let customers = SpendingProfile.customers.map(Habits.init)
    private let frauds = SpendingProfile.frauds.map(Habits.init)
    private let dayWeights: [[Int]]  // by profile, by day
    private var cards: [Card]

    /// Prepares the cards and their bursts.
    public init(_ options: Options) throws(InvalidOption) {
        guard options.rows > 0 else { throw InvalidOption(option: "rows", description: "rows must be 1 or more") }
        rows = options.rows
        // The reference set's clocks: unix time runs seven calendar years before event time.
        guard let start = Self.date(options.start), start.year >= 1977, start.year <= 2_097,
            start.month != 2 || start.day != 29
        else {
            throw InvalidOption(
                option: "start",
                description: "start must be a date like 2019-01-01, from 1977 to 2097 and not a 29 February"
            )
        }
        firstDay = CivilTime.days(year: start.year - 7, month: start.month, day: start.day)
        dayCount = CivilTime.days(year: start.year - 5, month: start.month, day: start.day) - firstDay
        let count = options.cards ?? max(1, (options.rows + Self.rowsPerCard / 2) / Self.rowsPerCard)
        guard count > 0, count <= options.rows else {
            throw InvalidOption(
                option: "cards", description: "cards must be from 1 to the number of rows, \(options.rows)")
        }
        dayWeights = Self.weights(firstDay: firstDay, dayCount: dayCount)
        var random = SeededRandom(seed: options.seed, stream: 0)
        var numbers: Set<String> = []
        var holders: [InventedWorld.Holder] = []
        while holders.count < count {
            let holder = InventedWorld.holder(year: start.year, &random)
            if numbers.insert(holder.cardNumber).inserted { holders.append(holder) }
        }
        var bursts = Self.bursts(rows: options.rows, holders: holders, dayCount: dayCount, &random)
        // A file too small for its bursts has none.
        if bursts.joined().reduce(0, { $0 + $1.rows }) * 4 > options.rows { bursts = holders.map { _ in [] } }
        let fraudCount = bursts.joined().reduce(0) { $0 + $1.rows }
        self.fraudCount = fraudCount
        let shares = Self.shares(of: options.rows - fraudCount, holders: holders, &random)
        var cards: [Card] = []
        for (index, holder) in holders.enumerated() {
            let days = dayWeights[holder.profile]
            let blocked = Set(bursts[index].flatMap { [$0.day, $0.day + 1] })
            cards.append(
                Card(
                    holder: holder, profile: holder.profile, bursts: bursts[index].sorted { $0.day < $1.day },
                    random: SeededRandom(seed: options.seed, stream: UInt64(index) + 1), rowsLeft: shares[index],
                    weightLeft: days.reduce(0, +) - blocked.reduce(0) { $0 + days[$1] }))
        }
        self.cards = cards
    }

    /// Makes the file in pieces: the header, then day after day. `write` gets bytes and how many rows they hold, and returns
    /// false to stop early.
    public mutating func generate<Failure: Error>(
        _ write: (_ bytes: [UInt8], _ rows: Int) throws(Failure) -> Bool
    ) throws(Failure) {
        var bytes = Array(Self.header.utf8)
        bytes.reserveCapacity(1 << 20)
        var (index, pending) = (0, 0)
        var today: [Row] = []
        for day in 0..<dayCount {
            today.removeAll(keepingCapacity: true)
            for card in cards.indices { addRows(of: card, day: day, to: &today) }
            today.sort { ($0.second, $0.card, $0.order) < ($1.second, $1.card, $1.order) }
            let date = DayText(unixDay: firstDay + day)
            for row in today {
                append(row, index: index, date, to: &bytes)
                index += 1
                pending += 1
                if bytes.count >= 1 << 19 {
                    guard try write(bytes, pending) else { return }
                    bytes.removeAll(keepingCapacity: true)
                    pending = 0
                }
            }
        }
        precondition(index == rows, "every row was made")
        _ = try write(bytes, pending)
    }

    private mutating func addRows(of index: Int, day: Int, to today: inout [Row]) {
        var order: Int32 = 0
        var isBlocked = false
        for burst in cards[index].bursts where burst.day == day || burst.day + 1 == day {
            isBlocked = true
            for _ in 0..<(burst.day == day ? burst.rowsOnFirst : burst.rows - burst.rowsOnFirst) {
                today.append(row(of: index, order: order, isFraud: true))
                order += 1
            }
        }
        guard !isBlocked, cards[index].rowsLeft > 0 else { return }
        let weight = dayWeights[cards[index].profile][day]
        let count = cards[index].random.binomial(
            cards[index].rowsLeft, Double(weight) / Double(cards[index].weightLeft))
        cards[index].rowsLeft -= count
        cards[index].weightLeft -= weight
        for _ in 0..<count {
            today.append(row(of: index, order: order, isFraud: false))
            order += 1
        }
    }

    private mutating func row(of index: Int, order: Int32, isFraud: Bool) -> Row {
        let habits = isFraud ? frauds[cards[index].profile] : customers[cards[index].profile]
        var random = cards[index].random
        defer { cards[index].random = random }
        let pick = random.uniform()
        let category = habits.cumulated.firstIndex { pick < $0 } ?? habits.cumulated.count - 1
        let isMorning = pick < habits.morning
        let hour: Int
        if isFraud, random.uniform() < Self.nightShare {
            hour = isMorning ? random.below(4) : 22 + random.below(2)
        } else if isFraud {
            hour = isMorning ? 4 + random.below(8) : 12 + random.below(10)
        } else {
            hour = (isMorning ? 0 : 12) + random.below(12)
        }
        let drawn = (habits.amounts[category].sample(&random) * 100).rounded()
        let cents = drawn < 100 ? 100 + random.below(901) : Int(drawn)
        let holder = cards[index].holder
        return Row(
            second: Int32(hour * 3_600 + random.below(3_600)), card: Int32(index), order: order,
            merchant: Int32(random.below(InventedWorld.merchants[category].count)), category: Int32(category),
            cents: cents,
            latitude: holder.latitude + random.below(2_000_001) - 1_000_000,
            longitude: holder.longitude + random.below(2_000_001) - 1_000_000, id: (random.next(), random.next()),
            isFraud: isFraud)
    }

    private func append(_ row: Row, index: Int, _ date: DayText, to bytes: inout [UInt8]) {
        let holder = cards[Int(row.card)].holder
        let second = Int(row.second)
        bytes.append(contentsOf: String(index).utf8)
        bytes.append(0x2C)
        bytes.append(contentsOf: date.text)
        CSVText.append(twoDigits: second / 3_600, to: &bytes)
        bytes.append(0x3A)
        CSVText.append(twoDigits: second / 60 % 60, to: &bytes)
        bytes.append(0x3A)
        CSVText.append(twoDigits: second % 60, to: &bytes)
        bytes.append(0x2C)
        bytes.append(contentsOf: holder.cardNumber.utf8)
        bytes.append(0x2C)
        CSVText.append(InventedWorld.merchants[Int(row.category)][Int(row.merchant)], to: &bytes)
        bytes.append(0x2C)
        bytes.append(contentsOf: SpendingProfile.categoryNames[Int(row.category)].utf8)
        bytes.append(0x2C)
        CSVText.append(cents: row.cents, to: &bytes)
        bytes.append(0x2C)
        bytes.append(contentsOf: holder.cells)
        bytes.append(0x2C)
        CSVText.append(hex: row.id.0, to: &bytes)
        CSVText.append(hex: row.id.1, to: &bytes)
        bytes.append(0x2C)
        bytes.append(contentsOf: String(date.unixSeconds + second).utf8)
        bytes.append(0x2C)
        CSVText.append(micros: row.latitude, to: &bytes)
        bytes.append(0x2C)
        CSVText.append(micros: row.longitude, to: &bytes)
        bytes.append(contentsOf: (row.isFraud ? ",1\n" : ",0\n").utf8)
    }

    /// The event date of a day of the unix clock, `yyyy-MM-dd ` with its space.
    private struct DayText {
        let text: [UInt8]
        let unixSeconds: Int

        init(unixDay: Int) {
            let unix = CivilTime(millis: Int64(unixDay) * 86_400_000)
            // Seven years on there is no 29 February: it falls on the 28th, and event time steps back a day behind it.
            let day = unix.month == 2 && unix.day == 29 ? 28 : unix.day
            let eventDay = CivilTime.days(year: unix.year + 7, month: unix.month, day: day)
            text = Array(CivilTime.iso8601(Int64(eventDay) * 86_400_000).prefix(10).utf8) + [0x20]
            unixSeconds = unixDay * 86_400
        }
    }

    private static func date(_ text: String) -> CivilTime? {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0].count == 4, parts[1].count == 2, parts[2].count == 2, let year = Int(parts[0]),
            let month = Int(parts[1]), let day = Int(parts[2])
        else { return nil }
        var date = CivilTime()
        (date.year, date.month, date.day) = (year, month, day)
        return date.millis == nil ? nil : date
    }

    /// The weight of every day, by profile: weekday times season, both of the unix clock.
    private static func weights(firstDay: Int, dayCount: Int) -> [[Int]] {
        let days = (firstDay..<firstDay + dayCount).map { day in
            let date = CivilTime(millis: Int64(day) * 86_400_000)
            let code = date.month * 100 + date.day
            let season = code <= 228 ? 75 : (524...901).contains(code) ? 125 : code >= 1_130 ? 200 : 100
            return (weekday: (day + 3) % 7, season: season)  // 1970-01-01 was a Thursday
        }
        return SpendingProfile.customers.map { profile in days.map { profile.weekdays[$0.weekday] * $0.season } }
    }

    /// The bursts of every card, in proportion to the rows: one on 98 of 100 cards when cards have their usual 1,800 rows.
    private static func bursts(
        rows: Int, holders: [InventedWorld.Holder], dayCount: Int, _ random: inout SeededRandom
    ) -> [[Burst]] {
        var result: [[Burst]] = holders.map { _ in [] }
        let most = dayCount / 6  // of one card, so that legitimate rows keep their days
        let count = min(Int((Double(rows) * burstsPerRow).rounded()), most * holders.count)
        var order = Array(holders.indices)
        for position in order.indices.dropLast() {
            order.swapAt(position, position + random.below(order.count - position))
        }
        for number in 0..<count {
            let card = order[number % order.count]
            var day = random.below(dayCount - 1)
            while result[card].contains(where: { abs($0.day - day) < 2 }) { day = random.below(dayCount - 1) }
            let size = random.inside(SpendingProfile.frauds[holders[card].profile].rate)
            let first = (0..<size).count { _ in random.below(2) == 0 }
            result[card].append(Burst(day: day, rows: size, rowsOnFirst: first))
        }
        return result
    }

    /// How many of `total` legitimate rows each card has, in proportion to its own rate: largest remainders.
    private static func shares(of total: Int, holders: [InventedWorld.Holder], _ random: inout SeededRandom) -> [Int] {
        var rates = holders.map { random.inside(SpendingProfile.customers[$0.profile].rate) }
        if rates.allSatisfy({ $0 == 0 }) { rates = rates.map { _ in 1 } }
        let sum = rates.reduce(0, +)
        var shares = rates.map { total * $0 / sum }
        let byRemainder = rates.indices.sorted { (total * rates[$1] % sum, $0) < (total * rates[$0] % sum, $1) }
        for index in byRemainder.prefix(total - shares.reduce(0, +)) { shares[index] += 1 }
        return shares
    }
}
