import Testing

@testable import FeatureStore

@Suite struct DefinitionOutlineTests {
    private func outline(_ edit: (String) -> String = { $0 }) throws -> DefinitionOutline {
        let text = DefinitionKind.all.map { kind in
            (kind.name.map { ["kind: \($0)"] } ?? [])
                + kind.keys.filter { $0.isRequired && $0.name != "kind" }.map(\.example)
        }.map { $0.joined(separator: "\n") }.joined(separator: "\n---\n")
        return DefinitionOutline(
            try FeatureRepository.load(files: [("all.yaml", edit(text))], environment: [:], called: "test"))
    }

    @Test func `what is only written otherwise is no change`() throws {
        let same = try outline {
            $0.replacing("functions: [count, sum, mean]", with: "functions:   [count, sum, mean]")
        }
        #expect(try outline().changes(to: same).isEmpty)
    }

    @Test func `what is added, changed and gone is named`() throws {
        let other = try outline {
            $0.replacing("windows: [1h, 24h]", with: "windows: [24h, 3h]").replacing(
                "lat: double", with: "lat: integer")
        }
        let changes = try outline().changes(to: other).map(\.description)
        #expect(changes.contains("+ view card_activity: feature amt_sum_3h (sum of amt over 10800 s)"))
        #expect(changes.contains("- view card_activity: feature amt_count_1h"))
        #expect(changes.contains("~ source transactions: field lat: integer, was double"))
        #expect(!changes.contains { $0.contains("24h") })
    }
}
