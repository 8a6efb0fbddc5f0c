import Foundation
import TestSupport

/// A CSV that knows nothing of cards.
enum VenuePayments {
    /// 9,000 payments of 150 wallets within 60 days: `;`, epoch seconds, text keys, decimal amounts, a tenth without covers. The bad
    /// ones are large and at a venue of their own, most of the time.
    static func write(_ file: String) throws {
        var random = SplitMix64(11)
        var text = "ref;when;wallet;eur;venue;covers;is_bad\n"
        for row in 0..<9_000 {
            let isBad = random.uniform() < 0.07
            let (euros, cents) = (isBad ? 200 + random.next() % 300 : 5 + random.next() % 220, 10 + random.next() % 90)
            let venue = isBad && random.uniform() < 0.6 ? "kiosk" : "v\(random.next() % 12)"
            let covers = row % 10 == 0 ? "" : "\(1 + random.next() % 6)"
            text += "r-\(row);\(1_700_000_000 + row * 576);wallet \(random.next() % 150);\(euros).\(cents);\(venue);"
            text += "\(covers);\(isBad ? 1 : 0)\n"
        }
        try text.write(toFile: file, atomically: true, encoding: .utf8)
    }
}
