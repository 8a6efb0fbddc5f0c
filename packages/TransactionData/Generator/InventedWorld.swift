internal import FeatureEngine
internal import Glibc
internal import Text

/// Places, people and merchants that do not exist: names put together from syllables, points inside the states' borders,
/// card numbers that fail the check digit.
enum InventedWorld {
    private static let beginnings = [
        "Ar", "Bel", "Cor", "Dal", "El", "Far", "Gal", "Har", "Il", "Jor", "Kel", "Lor", "Mar", "Nor", "Or", "Pel",
        "Quin", "Ros",
        "Sal", "Tor", "Ul", "Ver", "Wel", "Yar", "Zel",
    ]
    private static let endings = [
        "bridge", "by", "cott", "dale", "den", "field", "ford", "gate", "ham", "hurst", "ley", "low", "man", "mere",
        "mond", "nell",
        "rick", "sen", "shaw", "stead", "ston", "ton", "vane", "wick", "win", "wood", "worth",
    ]
    private static let womensNames = [
        "Abigail", "Alice", "Amy", "Anna", "Beth", "Carla", "Clara", "Dana", "Diana", "Elena", "Emma", "Erin", "Eva",
        "Fiona", "Grace",
        "Hannah", "Helen", "Irene", "Jane", "Julia", "Karen", "Laura", "Lily", "Lucy", "Maria", "Mary", "Megan", "Nina",
        "Nora",
        "Olivia", "Paula", "Rachel", "Rosa", "Ruth", "Sarah", "Sofia", "Teresa", "Vera", "Wendy", "Zoe",
    ]
    private static let mensNames = [
        "Aaron", "Adam", "Alan", "Albert", "Brian", "Carl", "Daniel", "David", "Dennis", "Edgar", "Eric", "Felix",
        "Frank", "George",
        "Henry", "Hugo", "Ian", "Jacob", "James", "Jason", "John", "Kevin", "Leo", "Louis", "Mark", "Martin", "Nathan",
        "Oliver",
        "Oscar", "Paul", "Peter", "Robert", "Ryan", "Samuel", "Scott", "Simon", "Thomas", "Victor", "Walter", "William",
    ]
    private static let jobs = [
        "Accountant", "Accountant, chartered", "Actuary", "Archivist", "Architect", "Armed forces officer", "Baker",
        "Barista", "Beekeeper",
        "Bookseller", "Carpenter", "Cartographer", "Chemical engineer", "Civil servant", "Clerk", "Counsellor",
        "Designer, furniture",
        "Designer, textile", "Economist", "Editor, film", "Electrician", "Engineer, civil", "Engineer, electrical",
        "Engineer, mining",
        "Engineer, structural", "Event organiser", "Farm manager", "Film maker", "Fine artist", "Firefighter",
        "Geologist, engineering",
        "Hydrologist", "Interpreter", "Journalist", "Land surveyor", "Librarian", "Locksmith", "Mathematician",
        "Mechanic",
        "Medical physicist", "Meteorologist", "Musician", "Nature conservation officer", "Nurse, adult",
        "Nurse, children's", "Optician",
        "Paramedic", "Patent attorney", "Pharmacist", "Pilot", "Plumber", "Psychologist, clinical",
        "Psychologist, counselling",
        "Public librarian", "Radiographer", "Scientist, research", "Secretary", "Statistician", "Systems analyst",
        "Teacher, primary school",
        "Teacher, secondary school", "Therapist, music", "Therapist, occupational", "Translator", "Veterinary surgeon",
        "Waiter", "Writer",
    ]
    private static let streetKinds = [
        "Alley", "Avenue", "Bridge", "Canyon", "Circle", "Court", "Cove", "Creek", "Crescent", "Drive", "Forge",
        "Garden", "Grove", "Hill",
        "Island", "Junction", "Knoll", "Lane", "Meadow", "Mill", "Oval", "Park", "Path", "Plaza", "Ramp", "Ranch",
        "Ridge", "Road", "Shore",
        "Square", "Street", "Terrace", "Trail", "Valley", "View", "Way",
    ]

    /// A state: how many of 956 cards live there, about where it is, and its ZIP codes.
    private struct State {
        let code: String
        let weight: Int
        let latitude: Double
        let longitude: Double
        let zips: ClosedRange<Int>

        init(_ code: String, _ weight: Int, _ latitude: Double, _ longitude: Double, _ zips: ClosedRange<Int>) {
            self.code = code
            self.weight = weight
            self.latitude = latitude
            self.longitude = longitude
            self.zips = zips
        }
    }

    private static let states: [State] = [
        State("TX", 57, 31.3, -98.2, 75_001...79_900), State("PA", 54, 40.6, -77.6, 15_001...19_600),
        State("NY", 47, 42.6, -75.6, 10_001...14_900), State("CA", 41, 36.9, -119.9, 90_001...96_100),
        State("IL", 38, 40.1, -89.2, 60_001...62_900), State("VA", 33, 37.6, -78.6, 22_001...24_600),
        State("OH", 32, 40.3, -82.8, 43_001...45_800), State("IA", 31, 42.0, -93.5, 50_001...52_800),
        State("MN", 30, 45.9, -94.5, 55_001...56_700), State("FL", 29, 28.4, -81.8, 32_004...34_900),
        State("MI", 28, 43.4, -84.8, 48_001...49_900), State("KY", 25, 37.5, -85.3, 40_003...42_700),
        State("AL", 24, 32.8, -86.8, 35_004...36_900), State("MO", 24, 38.4, -92.5, 63_001...65_800),
        State("WI", 24, 44.5, -89.9, 53_001...54_900), State("TN", 24, 35.8, -86.4, 37_010...38_500),
        State("NC", 24, 35.5, -79.4, 27_006...28_900), State("KS", 23, 38.5, -98.3, 66_002...67_900),
        State("WV", 22, 38.7, -80.6, 24_701...26_800), State("GA", 20, 32.7, -83.4, 30_002...31_900),
        State("NE", 20, 41.4, -99.5, 68_001...69_300), State("OK", 20, 35.6, -97.2, 73_002...74_900),
        State("ND", 19, 47.4, -100.3, 58_001...58_800), State("CO", 18, 39.0, -105.4, 80_002...81_600),
        State("MA", 17, 42.3, -71.9, 1_001...2_700), State("IN", 16, 40.0, -86.2, 46_001...47_900),
        State("SC", 16, 33.9, -80.9, 29_001...29_900), State("AR", 15, 34.8, -92.4, 71_601...72_900),
        State("NJ", 15, 40.2, -74.6, 7_001...8_900), State("NM", 14, 34.4, -106.0, 87_001...88_400),
        State("SD", 14, 44.4, -100.0, 57_001...57_700), State("LA", 14, 31.0, -92.2, 70_001...71_400),
        State("ME", 13, 45.1, -69.1, 3_901...4_900), State("AZ", 13, 34.2, -111.7, 85_001...86_500),
        State("WA", 12, 47.4, -120.4, 98_001...99_400), State("NH", 10, 43.6, -71.5, 3_031...3_890),
        State("MS", 10, 32.7, -89.6, 38_601...39_700), State("MD", 10, 39.2, -76.8, 20_601...21_900),
        State("OR", 10, 44.0, -120.6, 97_001...97_900), State("AK", 8, 62.5, -150.5, 99_501...99_900),
        State("MT", 7, 47.0, -109.6, 59_001...59_900), State("ID", 6, 44.3, -114.7, 83_201...83_800),
        State("WY", 6, 43.0, -107.5, 82_001...83_100), State("CT", 5, 41.6, -72.7, 6_001...6_900),
        State("VT", 4, 44.0, -72.7, 5_001...5_900), State("UT", 4, 39.4, -111.6, 84_001...84_700),
        State("NV", 4, 39.2, -116.8, 89_001...89_800), State("HI", 2, 20.8, -156.4, 96_701...96_800),
        State("DC", 2, 38.9, -77.0, 20_001...20_500), State("RI", 2, 41.7, -71.5, 2_801...2_900),
    ]

    /// Quantiles in steps of a twentieth: years of age, and the people of a card's place.
    private static let ages: [Double] = [
        14, 21, 25, 28, 32, 35, 38, 41, 44, 47, 49, 51, 54, 57, 60, 62, 65, 69, 76, 85, 95,
    ]
    private static let populations: [(share: Double, people: Double)] = [
        (0, 23), (0.05, 153), (0.1, 239), (0.25, 711), (0.5, 2_713), (0.75, 20_164), (0.9, 161_141), (0.95, 493_806),
        (1, 2_504_700),
    ]

    /// How often a card number has so many digits.
    private static let cardLengths = [(11, 7), (12, 70), (13, 71), (14, 85), (15, 155), (16, 478), (19, 90)]

    /// A card's holder.
    struct Holder: Sendable {
        let cardNumber: String
        /// `first,last,gender,street,city,state,zip,lat,long,city_pop,job,dob`, as the CSV has it.
        let cells: [UInt8]
        /// Home, in millionths of a degree.
        let latitude: Int
        let longitude: Int
        /// Index into `SpendingProfile.customers`.
        let profile: Int
    }

    /// A holder as of a year.
    static func holder(year: Int, _ random: inout SeededRandom) -> Holder {
        let isWoman = random.below(2) == 0
        let first = random.pick(isWoman ? womensNames : mensNames)
        let last = name(&random)
        let state = pickState(&random)
        let reach =
            ["AK", "CA", "TX", "MT"].contains(state.code)
            ? 1.8 : ["DC", "RI", "HI", "CT"].contains(state.code) ? 0.1 : 0.7
        // Four decimals, as gazetteers print them.
        let latitude = Int(((state.latitude + reach * (2 * random.uniform() - 1)) * 10_000).rounded()) * 100
        let longitude = Int(((state.longitude + reach * (2 * random.uniform() - 1)) * 10_000).rounded()) * 100
        let people = population(&random)
        let place =
            name(&random)
            + random.pick(["", "", "", "", " Falls", " Springs", " Heights", " City", " Park", " Harbor"])
        let age = years(&random)
        let birthMillis = Int64(CivilTime.days(year: year - age, month: 1, day: 1) + random.below(365)) * 86_400_000
        let house = Padding.zeros(random.below(99_999) + 1, 3)
        let flat = String(random.below(900) + 100)
        let unit = random.pick(["", "", " Apt. \(flat)", " Suite \(flat)"])
        var cells: [UInt8] = []
        func cell(_ text: String) {
            if !cells.isEmpty { cells.append(0x2C) }
            CSVText.append(text, to: &cells)
        }
        cell(first)
        cell(last)
        cell(isWoman ? "F" : "M")
        cell("\(house) \(name(&random)) \(random.pick(streetKinds))\(unit)")
        cell(place)
        cell(state.code)
        cell(String(random.inside(state.zips)))  // without its leading zero, as real files have it
        cells.append(0x2C)
        CSVText.append(micros: latitude, to: &cells)
        cells.append(0x2C)
        CSVText.append(micros: longitude, to: &cells)
        cell(String(people))
        cell(random.pick(jobs))
        cell(String(CivilTime.iso8601(birthMillis).prefix(10)))
        let profile = (age < 25 ? 0 : age < 50 ? 4 : 8) + (isWoman ? 0 : 2) + (people < 2_500 ? 0 : 1)
        return Holder(
            cardNumber: cardNumber(&random), cells: cells, latitude: latitude, longitude: longitude, profile: profile)
    }

    /// 693 merchants in 14 categories, the same whatever the seed: a model learns them from one file and meets them in another.
    static let merchants: [[String]] = {
        var random = SeededRandom(seed: 0x4E65_6564_6C65)
        var seen: Set<String> = []
        return SpendingProfile.categoryNames.indices.map { category in
            var names: [String] = []
            while names.count < 50 - category % 2 {
                let name = merchantName(&random)
                if seen.insert(name).inserted { names.append(name) }
            }
            return names
        }
    }()

    private static func merchantName(_ random: inout SeededRandom) -> String {
        let (a, b, c) = (name(&random), name(&random), name(&random))
        return "fraud_"
            + random.pick([
                "\(a), \(b) and \(c)", "\(a), \(b) and \(c)", "\(a)-\(b)", "\(a)-\(b)", "\(a) and Sons",
                "\(a) \(random.pick(["Inc", "LLC", "Ltd", "Group", "PLC"]))",
            ])
    }

    private static func name(_ random: inout SeededRandom) -> String { random.pick(beginnings) + random.pick(endings) }

    private static func pickState(_ random: inout SeededRandom) -> State {
        var rest = random.below(states.reduce(0) { $0 + $1.weight })
        for state in states {
            if rest < state.weight { return state }
            rest -= state.weight
        }
        return states[0]
    }

    private static func years(_ random: inout SeededRandom) -> Int {
        let at = random.uniform() * Double(ages.count - 1)
        let index = Int(at)
        return Int(ages[index] + (ages[index + 1] - ages[index]) * (at - Double(index)))
    }

    private static func population(_ random: inout SeededRandom) -> Int {
        let share = random.uniform()
        let upper = max(1, populations.firstIndex { share < $0.share } ?? populations.count - 1)
        let (low, high) = (populations[upper - 1], populations[upper])
        let part = (share - low.share) / (high.share - low.share)
        return Int(exp(log(low.people) + (log(high.people) - log(low.people)) * part))
    }

    /// A number of a usual length whose last digit is not Luhn's, so that it is nobody's.
    private static func cardNumber(_ random: inout SeededRandom) -> String {
        var rest = random.below(cardLengths.reduce(0) { $0 + $1.1 })
        var length = 16
        for (digits, weight) in cardLengths {
            length = digits
            if rest < weight { break }
            rest -= weight
        }
        var digits = [
            length == 14 || length == 15
                ? 3 : length < 14 && length != 13 ? 5 + random.below(2) : random.pick([4, 5, 6])
        ]
        while digits.count < length - 1 { digits.append(random.below(10)) }
        var sum = 0
        for (index, digit) in digits.reversed().enumerated() {
            sum += index % 2 == 0 ? digit * 2 / 10 + digit * 2 % 10 : digit
        }
        digits.append((10 - sum % 10 + 1 + random.below(9)) % 10)
        return digits.map(String.init).joined()
    }
}
