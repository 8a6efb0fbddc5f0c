/// The simulator's parameters of one kind of customer, or of fraud on that kind of customer.
struct SpendingProfile: Sendable {
    /// Least and most: rows a day of a customer, rows in all of a burst.
    let rate: ClosedRange<Int>
    /// Share of the day's purchases before noon, per cent.
    let morningPercent: Int
    /// Weights of Monday to Sunday.
    let weekdays: [Int]
    /// Weight, mean and standard deviation of the amount, one a category.
    let categories: [(weight: Int, mean: Double, deviation: Double)]

    /// The categories, in the order that the half-days are cut in: see `TransactionGenerator`.
    static let categoryNames = [
        "gas_transport", "grocery_net", "grocery_pos", "misc_net", "misc_pos",
        "shopping_net", "shopping_pos", "entertainment", "food_dining", "health_fitness",
        "home", "kids_pets", "personal_care", "travel",
    ]

    /// By age (under 25, to 50, above), then sex (F, M), then place (rural, urban).
    static let customers: [SpendingProfile] = [
        SpendingProfile(  // young adults female rural
            rate: 0...6, morningPercent: 20, weekdays: [80, 80, 80, 80, 200, 250, 150],
            categories: [
                (150, 60, 15), (80, 30, 20), (50, 60, 20), (100, 120, 60), (100, 140, 90),
                (100, 90, 120), (100, 150, 35), (130, 90, 30), (140, 20, 50), (110, 40, 50),
                (50, 40, 50), (75, 50, 50), (100, 35, 50), (35, 40, 600),
            ]),
        SpendingProfile(  // young adults female urban
            rate: 0...6, morningPercent: 20, weekdays: [60, 70, 80, 90, 180, 250, 175],
            categories: [
                (200, 60, 15), (60, 40, 20), (75, 70, 20), (80, 50, 150), (100, 50, 150),
                (125, 50, 300), (150, 50, 300), (120, 50, 50), (120, 30, 50), (100, 50, 50),
                (85, 50, 50), (125, 50, 50), (100, 35, 50), (55, 50, 600),
            ]),
        SpendingProfile(  // young adults male rural
            rate: 0...6, morningPercent: 20, weekdays: [80, 80, 80, 80, 200, 250, 150],
            categories: [
                (150, 60, 15), (80, 30, 20), (50, 60, 20), (100, 120, 60), (100, 140, 90),
                (100, 90, 120), (100, 150, 35), (130, 90, 30), (140, 20, 50), (110, 40, 50),
                (50, 40, 50), (75, 50, 50), (100, 35, 50), (35, 40, 600),
            ]),
        SpendingProfile(  // young adults male urban
            rate: 0...6, morningPercent: 20, weekdays: [60, 70, 80, 90, 180, 250, 175],
            categories: [
                (200, 60, 15), (60, 40, 20), (75, 70, 20), (80, 50, 150), (100, 50, 150),
                (125, 50, 300), (150, 50, 300), (120, 50, 50), (120, 30, 50), (100, 50, 50),
                (85, 50, 50), (125, 50, 50), (100, 35, 50), (55, 50, 600),
            ]),
        SpendingProfile(  // adults 25-50 female rural
            rate: 1...6, morningPercent: 30, weekdays: [80, 90, 100, 100, 125, 150, 150],
            categories: [
                (225, 60, 15), (50, 50, 20), (150, 100, 20), (75, 60, 150), (100, 50, 150),
                (110, 50, 300), (150, 50, 250), (90, 50, 50), (100, 30, 50), (90, 50, 50),
                (150, 50, 50), (135, 50, 50), (125, 45, 50), (35, 50, 600),
            ]),
        SpendingProfile(  // adults 25-50 female urban
            rate: 1...6, morningPercent: 30, weekdays: [80, 90, 100, 100, 150, 175, 175],
            categories: [
                (50, 70, 15), (100, 60, 20), (150, 200, 20), (75, 100, 150), (100, 80, 100),
                (150, 100, 200), (175, 100, 225), (100, 100, 75), (110, 60, 40), (100, 60, 50),
                (150, 60, 50), (135, 60, 50), (125, 55, 50), (35, 60, 600),
            ]),
        SpendingProfile(  // adults 25-50 male rural
            rate: 1...4, morningPercent: 45, weekdays: [80, 90, 100, 100, 125, 150, 150],
            categories: [
                (50, 70, 5), (50, 50, 5), (150, 100, 10), (30, 100, 20), (100, 35, 5),
                (100, 95, 10), (100, 135, 12), (105, 75, 7), (100, 60, 6), (90, 75, 2),
                (150, 80, 8), (110, 50, 5), (50, 75, 5), (45, 500, 50),
            ]),
        SpendingProfile(  // adults 25-50 male urban
            rate: 1...5, morningPercent: 30, weekdays: [80, 90, 100, 100, 125, 150, 150],
            categories: [
                (150, 70, 15), (80, 50, 20), (150, 60, 20), (75, 50, 150), (100, 60, 150),
                (100, 60, 300), (125, 60, 300), (110, 60, 75), (110, 40, 50), (100, 60, 50),
                (150, 60, 50), (110, 60, 50), (75, 35, 50), (45, 60, 600),
            ]),
        SpendingProfile(  // adults 50+ female rural
            rate: 1...4, morningPercent: 50, weekdays: [80, 90, 100, 100, 150, 175, 175],
            categories: [
                (225, 60, 15), (15, 50, 20), (150, 130, 20), (100, 60, 150), (65, 50, 150),
                (125, 50, 150), (110, 50, 150), (120, 50, 50), (90, 50, 50), (125, 50, 50),
                (150, 50, 50), (150, 50, 50), (120, 50, 50), (60, 60, 600),
            ]),
        SpendingProfile(  // adults 50+ female urban
            rate: 0...3, morningPercent: 60, weekdays: [80, 90, 100, 100, 150, 175, 175],
            categories: [
                (150, 70, 15), (25, 90, 20), (150, 90, 20), (50, 55, 150), (100, 60, 150),
                (75, 80, 200), (150, 45, 200), (115, 50, 75), (120, 80, 50), (80, 40, 50),
                (150, 60, 50), (150, 80, 50), (120, 45, 50), (60, 60, 600),
            ]),
        SpendingProfile(  // adults 50+ male rural
            rate: 1...4, morningPercent: 50, weekdays: [80, 90, 100, 100, 150, 175, 175],
            categories: [
                (225, 60, 15), (15, 50, 20), (150, 130, 20), (100, 60, 150), (65, 50, 150),
                (125, 50, 150), (110, 50, 150), (120, 50, 50), (90, 50, 50), (125, 50, 50),
                (150, 50, 50), (150, 50, 50), (120, 50, 50), (60, 60, 600),
            ]),
        SpendingProfile(  // adults 50+ male urban
            rate: 0...3, morningPercent: 60, weekdays: [80, 90, 100, 100, 150, 175, 175],
            categories: [
                (150, 70, 15), (25, 90, 20), (150, 90, 20), (50, 55, 150), (100, 60, 150),
                (75, 80, 200), (150, 45, 200), (115, 50, 75), (120, 80, 50), (80, 40, 50),
                (150, 60, 50), (150, 80, 50), (120, 45, 50), (60, 60, 600),
            ]),
    ]

    /// Fraud, in the same order.
    static let frauds: [SpendingProfile] = [
        SpendingProfile(  // young adults female rural
            rate: 5...19, morningPercent: 40, weekdays: [80, 80, 80, 80, 200, 250, 150],
            categories: [
                (100, 10, 2), (25, 10, 2), (300, 300, 20), (155, 800, 80), (25, 8, 1),
                (300, 1000, 100), (100, 1200, 80), (20, 500, 50), (10, 120, 12), (5, 20, 2),
                (5, 250, 25), (10, 20, 2), (15, 20, 2), (15, 10, 1),
            ]),
        SpendingProfile(  // young adults female urban
            rate: 8...16, morningPercent: 50, weekdays: [60, 70, 80, 90, 180, 250, 175],
            categories: [
                (100, 10, 2), (25, 10, 2), (300, 300, 20), (155, 800, 80), (25, 8, 1),
                (300, 1000, 100), (100, 800, 80), (20, 500, 50), (10, 120, 12), (5, 20, 2),
                (5, 250, 25), (10, 20, 2), (15, 20, 2), (15, 10, 1),
            ]),
        SpendingProfile(  // young adults male rural
            rate: 5...19, morningPercent: 40, weekdays: [80, 80, 80, 80, 200, 250, 150],
            categories: [
                (100, 10, 2), (25, 10, 2), (300, 300, 20), (155, 800, 80), (25, 8, 1),
                (300, 1000, 100), (100, 1200, 80), (20, 500, 50), (10, 120, 12), (5, 20, 2),
                (5, 250, 25), (10, 20, 2), (15, 20, 2), (15, 10, 1),
            ]),
        SpendingProfile(  // young adults male urban
            rate: 8...16, morningPercent: 50, weekdays: [60, 70, 80, 90, 180, 250, 175],
            categories: [
                (100, 10, 2), (25, 10, 2), (300, 300, 20), (155, 800, 80), (25, 8, 1),
                (300, 1000, 100), (100, 800, 80), (20, 500, 50), (10, 120, 12), (5, 20, 2),
                (5, 250, 25), (10, 20, 2), (15, 20, 2), (15, 10, 1),
            ]),
        SpendingProfile(  // adults 25-50 female rural
            rate: 7...16, morningPercent: 50, weekdays: [80, 90, 100, 100, 125, 150, 150],
            categories: [
                (95, 10, 2), (10, 8, 2), (200, 350, 20), (75, 800, 80), (100, 800, 80),
                (200, 1000, 100), (200, 900, 120), (90, 500, 50), (100, 120, 12), (90, 20, 2),
                (150, 250, 25), (135, 20, 2), (125, 20, 2), (35, 10, 1),
            ]),
        SpendingProfile(  // adults 25-50 female urban
            rate: 2...16, morningPercent: 60, weekdays: [80, 90, 100, 100, 150, 175, 175],
            categories: [
                (50, 10, 2), (10, 12, 2), (150, 350, 20), (75, 800, 80), (100, 8, 1),
                (150, 1000, 100), (175, 800, 80), (100, 500, 50), (110, 120, 12), (100, 20, 2),
                (150, 250, 25), (135, 20, 2), (125, 20, 2), (35, 10, 1),
            ]),
        SpendingProfile(  // adults 25-50 male rural
            rate: 8...14, morningPercent: 30, weekdays: [80, 90, 100, 100, 125, 150, 150],
            categories: [
                (100, 10, 2), (25, 10, 2), (300, 300, 20), (155, 800, 80), (25, 8, 1),
                (300, 1000, 100), (100, 800, 80), (20, 500, 50), (10, 120, 12), (5, 20, 2),
                (5, 250, 25), (10, 20, 2), (15, 20, 2), (15, 10, 1),
            ]),
        SpendingProfile(  // adults 25-50 male urban
            rate: 7...12, morningPercent: 50, weekdays: [80, 90, 100, 100, 125, 150, 150],
            categories: [
                (100, 10, 2), (25, 10, 2), (300, 300, 20), (155, 800, 80), (25, 8, 1),
                (300, 1000, 100), (100, 800, 80), (20, 500, 50), (10, 120, 12), (5, 20, 2),
                (5, 250, 25), (10, 20, 2), (15, 20, 2), (15, 10, 1),
            ]),
        SpendingProfile(  // adults 50+ female rural
            rate: 4...15, morningPercent: 30, weekdays: [80, 90, 100, 100, 150, 175, 175],
            categories: [
                (90, 20, 2), (35, 15, 2), (300, 325, 20), (155, 800, 80), (25, 50, 1),
                (285, 1000, 100), (115, 825, 80), (30, 600, 50), (10, 120, 12), (5, 20, 2),
                (5, 400, 25), (15, 5, 2), (35, 50, 2), (15, 1, 1),
            ]),
        SpendingProfile(  // adults 50+ female urban
            rate: 7...12, morningPercent: 30, weekdays: [80, 90, 100, 100, 150, 175, 175],
            categories: [
                (100, 10, 2), (15, 10, 2), (275, 300, 20), (165, 800, 80), (25, 8, 1),
                (280, 1000, 90), (150, 950, 80), (22, 400, 40), (10, 120, 12), (5, 20, 2),
                (5, 250, 25), (10, 20, 2), (15, 20, 2), (15, 10, 1),
            ]),
        SpendingProfile(  // adults 50+ male rural
            rate: 4...15, morningPercent: 30, weekdays: [80, 90, 100, 100, 150, 175, 175],
            categories: [
                (90, 20, 2), (35, 15, 2), (300, 325, 20), (155, 800, 80), (25, 50, 1),
                (285, 1000, 100), (115, 825, 80), (30, 600, 50), (10, 120, 12), (5, 20, 2),
                (5, 400, 25), (15, 5, 2), (35, 50, 2), (15, 1, 1),
            ]),
        SpendingProfile(  // adults 50+ male urban
            rate: 7...12, morningPercent: 30, weekdays: [80, 90, 100, 100, 150, 175, 175],
            categories: [
                (100, 10, 2), (15, 10, 2), (275, 300, 20), (165, 800, 80), (25, 8, 1),
                (280, 1000, 90), (150, 950, 80), (22, 400, 40), (10, 120, 12), (5, 20, 2),
                (5, 250, 25), (10, 20, 2), (15, 20, 2), (15, 10, 1),
            ]),
    ]
}
