/// Text brought to lines.
public enum Wrapping {
    /// Words in lines of at most `width` characters, broken at spaces; lines behind the first begin with `indent` spaces, as the
    /// first is thought to. A word that is longer than a line has one of its own. Line breaks stay.
    public static func wrapped(_ text: String, width: Int, indent: Int) -> String {
        let space = max(20, width - indent)
        let margin = "\n" + String(repeating: " ", count: indent)
        return text.split(separator: "\n", omittingEmptySubsequences: false).map { paragraph in
            var lines = [""]
            for word in paragraph.split(separator: " ") {
                let line = lines[lines.count - 1]
                if line.isEmpty {
                    lines[lines.count - 1] = String(word)
                } else if line.count + 1 + word.count <= space {
                    lines[lines.count - 1] = "\(line) \(word)"
                } else {
                    lines.append(String(word))
                }
            }
            return lines.joined(separator: margin)
        }.joined(separator: margin)
    }
}
