/// Reads `.env` files.
public enum DotEnv {
    /// The variables of a file: `NAME=value` lines, `#` comments, an optional `export`, single or double quotes.
    public static func parse(_ text: String) -> [String: String] {
        var variables: [String: String] = [:]
        for line in text.split(whereSeparator: \.isNewline) {
            var rest = line.drop(while: \.isWhitespace)
            if rest.hasPrefix("export ") { rest = rest.dropFirst(7).drop(while: \.isWhitespace) }
            guard !rest.hasPrefix("#"), let equals = rest.firstIndex(of: "=") else { continue }
            let name = rest[..<equals].filter { !$0.isWhitespace }
            var value = rest[rest.index(after: equals)...].drop(while: \.isWhitespace)
            if let quote = value.first, quote == "\"" || quote == "'" {
                value = value.dropFirst()
                if let end = value.firstIndex(of: quote) { value = value[..<end] }
                variables[String(name)] = String(value)
                continue
            }
            // A comment starts at a # after white space: a # inside a value (a password) belongs to it.
            var end = value.endIndex
            var previous: Character = " "
            for position in value.indices {
                if value[position] == "#", previous.isWhitespace {
                    end = position
                    break
                }
                previous = value[position]
            }
            value = value[..<end]
            while value.last?.isWhitespace == true { value = value.dropLast() }
            variables[String(name)] = String(value)
        }
        return variables
    }
}
