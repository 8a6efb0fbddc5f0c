import Foundation
import Testing

/// The house rules about words. The compiler does not read comments, so this does.
@Suite struct DocumentationTests {
    private static let tree = Result { try SourceTree() }
    private let files: [SourceTree.File]

    init() throws { files = try Self.tree.get().files.filter { !$0.path.hasPrefix("Tests/") } }

    /// Whether a line is a public declaration, which a reader meets by its name.
    private static func isDeclaration(_ line: Substring) -> Bool {
        guard line.contains("public ") else { return false }
        let kinds = /(?:struct|enum|class|actor|protocol|func|var|let|init|subscript|typealias)\b.*/
        let modifiers =
            /\s*(?:@\w+(?:\([^)]*\))? )*public (?:\w+\(set\) )?(?:static |final |indirect |mutating |override )*/
        guard let head = line.prefixMatch(of: modifiers) else { return false }
        return line[head.range.upperBound...].wholeMatch(of: kinds) != nil
    }

    /// What needs no words, because the protocol it fulfils has them or there is nothing to say: an empty value, an error's
    /// sentence, the fields of a wire message in their order, the parts of a command.
    private static func isSelfEvident(_ line: Substring) -> Bool {
        let command = /public static (?:let|var) (?:name|summary|example|settings|details|isReadOnly)\b/
        return ["public init()", "public func run(", "public static func hasEnd(", "func code<", "func code("].contains
        {
            line.contains($0)
        } || line.contains(/public var description\b/) || line.contains(command)
    }

    private static func text(_ line: Substring) -> Substring { line.drop { $0 == " " } }

    @Test func `every public declaration says what it is for`() {
        #expect(files.count > 250)
        for file in files {
            for (index, line) in file.lines.enumerated() where Self.isDeclaration(line) && !Self.isSelfEvident(line) {
                var above = index - 1
                while above >= 0, Self.text(file.lines[above]).hasPrefix("@") { above -= 1 }
                let isDocumented = above >= 0 && Self.text(file.lines[above]).hasPrefix("///")
                #expect(isDocumented, "\(file.path):\(index + 1): \(Self.text(line))")
            }
        }
    }

    @Test func `no comment says nothing`() {
        let empty: Set<Substring> = [
            "/// Its fields in wire order.", "/// One sentence.", "/// No topic.", "/// An empty answer.",
            "/// An empty request.", "/// A command line that works.", "/// What can be set.", "/// A command.",
            "/// The word that calls it.", "/// See `Command`.",
        ]
        for file in files {
            for (index, line) in file.lines.enumerated() where empty.contains(Self.text(line)) {
                Issue.record("\(file.path):\(index + 1): \(Self.text(line))")
            }
        }
    }

    @Test func `what points to the design points to a section of it`() throws {
        let design = try String(contentsOfFile: SourceTree.root + "/docs/design.md", encoding: .utf8)
        let sections = Set(design.matches(of: /\n##+ (.+)/).map { String($0.1) })
        #expect(sections.contains("Recovery"))
        var count = 0
        for file in files {
            for (index, line) in file.lines.enumerated() {
                guard let match = line.firstMatch(of: /docs\/design\.md, ([A-Z][A-Za-z ]*)/) else { continue }
                count += 1
                #expect(sections.contains(String(match.1)), "\(file.path):\(index + 1)")
            }
        }
        #expect(count > 5)
        let anchors = Set(sections.map { $0.lowercased().replacing(" ", with: "-") })
        for match in design.matches(of: /\]\(#([a-z0-9-]+)\)/) { #expect(anchors.contains(String(match.1))) }
    }
}
