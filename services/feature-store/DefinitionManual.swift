import FeatureStore
import Observability
import Text

/// The reference of the definitions' language: as text for a terminal, as Markdown for docs/definitions.md.
enum DefinitionManual {
    /// A heading, words about it, and a table of forms, meanings and examples.
    struct Chapter {
        let title: String
        let introduction: String
        let form: String
        let rows: [(form: String, meaning: String, example: String)]
    }

    /// All of it: the kinds with their keys, keys of keys behind them, then what stands behind keys.
    static var chapters: [Chapter] {
        var chapters: [Chapter] = []
        for kind in DefinitionKind.all {
            chapters.append(
                Chapter(
                    title: kind.name.map { "kind: \($0)" } ?? "The project", introduction: kind.meaning, form: "key",
                    rows: rows(kind.keys, below: "")))
        }
        for section in DefinitionReference.all {
            chapters.append(
                Chapter(
                    title: section.title, introduction: section.introduction, form: "form",
                    rows: section.entries.map { ($0.form, $0.meaning, $0.example) }))
        }
        return chapters
    }

    private static func rows(
        _ keys: [DefinitionKey], below path: String
    ) -> [(form: String, meaning: String, example: String)] {
        keys.filter { $0.name != "kind" }.flatMap { key in
            let name = path + key.name
            let meaning = key.isRequired ? "\(key.meaning) Required." : key.meaning
            return [(name, meaning, key.example)] + rows(inner(key.shape), below: name + ".")
        }
    }

    /// The keys of the mapping that a shape is, or holds.
    static func inner(_ shape: DefinitionKey.Shape) -> [DefinitionKey] {
        switch shape {
        case .keys(let keys): keys
        case .list(let item), .names(let item): inner(item)
        case .either(let left, let right): inner(left) + inner(right)
        case .text, .identifier, .choice, .duration, .fieldType, .expression, .integer, .truth: []
        }
    }

    /// The chapters' rows that hold every one of some words; all without words.
    static func text(_ words: [String], width: Int) -> String? {
        let wanted = words.map { $0.lowercased() }
        let parts = chapters.compactMap { chapter -> String? in
            let rows = chapter.rows.filter { row in
                let all = "\(chapter.title) \(row.form) \(row.meaning) \(row.example)".lowercased()
                return wanted.allSatisfy(all.contains)
            }
            guard !rows.isEmpty else { return nil }
            let lines = rows.map { row in
                let example = row.example.isEmpty ? "" : "\n      \(row.example)"
                return "  \(row.form)\n      \(Wrapping.wrapped(row.meaning, width: width, indent: 6))\(example)"
            }
            let introduction = Wrapping.wrapped(chapter.introduction, width: width, indent: 0)
            return "\(chapter.title)\n\(introduction)\n\n\(lines.joined(separator: "\n"))"
        }
        return parts.isEmpty ? nil : parts.joined(separator: "\n\n")
    }

    static var markdown: String {
        func cell(_ text: String) -> String { text.replacing("|", with: "\\|") }
        func code(_ text: String) -> String {
            text.isEmpty ? "" : text.contains("`") ? "`` \(cell(text)) ``" : "`\(cell(text))`"
        }
        let parts = chapters.map { chapter in
            let rows = chapter.rows.map { "| \(code($0.form)) | \(cell($0.meaning)) | \(code($0.example)) |" }
            return
                "## \(chapter.title)\n\n\(chapter.introduction)\n\n| \(chapter.form) | meaning | example |\n|---|---|---|\n"
                + rows.joined(separator: "\n")
        }
        return """
            # The language of definitions

            What can be written into the `*.yaml` files of a feature_repo. This page is made by
            `needletail features functions --format markdown` from the tables that the parser reads by, and each example is checked against
            it. `needletail features schema` prints the same as a JSON Schema, for editors.

            A file may hold several definitions, with `---` between them. Unknown keys are refused, never ignored.

            \(parts.joined(separator: "\n\n"))
            """
    }
}
