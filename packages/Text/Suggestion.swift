/// Finds what a misspelt name was meant to be.
public enum Suggestion {
    /// The candidate nearest to `name` by edit distance, or nil when none is near: about a third of the letters may differ.
    public static func nearest(to name: String, among candidates: some Sequence<String>) -> String? {
        let limit = max(1, (name.utf8.count + 1) / 3)
        var best: (name: String, distance: Int)?
        for candidate in candidates {
            // The distance is no less than the difference in length: a name of any length from outside costs nothing.
            guard abs(candidate.utf8.count - name.utf8.count) <= limit else { continue }
            let distance = distance(name, candidate)
            if distance <= limit, distance < best?.distance ?? .max { best = (candidate, distance) }
        }
        return best?.name
    }

    /// The candidate that `name` shortens, or that shortens `name`: the letters of the shorter one, three at least, stand in the longer
    /// one in their order, the first at its beginning, as `amt` in `amount`. Nil when none does, or several do.
    public static func abbreviation(of name: String, among candidates: some Sequence<String>) -> String? {
        let found = candidates.filter { candidate in
            let (shorter, longer) = candidate.utf8.count < name.utf8.count ? (candidate, name) : (name, candidate)
            guard shorter.utf8.count >= 3, longer.utf8.count <= 64, shorter.utf8.first == longer.utf8.first else {
                return false
            }
            var rest = longer.utf8[...]
            for letter in shorter.utf8 {
                guard let place = rest.firstIndex(of: letter) else { return false }
                rest = rest[rest.index(after: place)...]
            }
            return true
        }
        return found.count == 1 ? found[0] : nil
    }

    /// Levenshtein's distance in bytes, a swap of neighbours counting as one step. `row[j]` is the distance between the letters of
    /// `left` read so far and the first j of `right`.
    public static func distance(_ left: String, _ right: String) -> Int {
        let (a, b) = (Array(left.utf8), Array(right.utf8))
        var beforeLast: [Int] = []
        var last = Array(0...b.count)
        for (i, letter) in a.enumerated() {
            var row = [i + 1]
            for (j, other) in b.enumerated() {
                var steps = min(last[j] + (letter == other ? 0 : 1), last[j + 1] + 1, row[j] + 1)
                if i > 0, j > 0, letter == b[j - 1], a[i - 1] == other { steps = min(steps, beforeLast[j - 1] + 1) }
                row.append(steps)
            }
            (beforeLast, last) = (last, row)
        }
        return last[b.count]
    }
}
