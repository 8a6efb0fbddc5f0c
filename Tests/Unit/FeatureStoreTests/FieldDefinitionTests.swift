import FeatureEngine
import FeatureStore
import Testing

@Suite struct FieldDefinitionTests {
    private static func source(_ field: String, _ more: String = "") -> String {
        Repositories.source.replacing("note: string?}", with: "\(field)}\n\(more)")
    }

    private static func field(_ declaration: String) throws -> Field? {
        let repository = try Repositories.load(
            Repositories.good.merging(["source.yaml": source("note: \(declaration)")]) { $1 })
        return repository.sources.first?.fields.last
    }

    @Test func `a field says its type alone, or with what is allowed`() throws {
        #expect(try Self.field("string?") == Field("note", .string, isOptional: true))
        #expect(try Self.field("{type: string?}") == Field("note", .string, isOptional: true))
        let money = try Self.field("{type: \"decimal(2, round)\", min: 0.5, max: 100}")
        #expect(money?.declaration == "decimal(2, round)")
        #expect(money?.rule?.description == "0.5 to 100")
        #expect(try Self.field("{type: integer, enum: [1, 2]}")?.rule?.description == "1 or 2")
        #expect(try Self.field("{type: string, enum: [NO, \"\"]}")?.rule?.description == "NO or \"\"")
        #expect(try Self.field("{type: string, length: {max: 40}}")?.rule?.description == "at most 40 characters")
        #expect(try Self.field("{type: string, length: {min: 2, max: 2}}")?.rule?.description == "2 characters")
        let date = try Self.field("{type: string, format: \"yyyy-MM-dd\"}")
        #expect(date?.rule?.format == EventTimeFormat("yyyy-MM-dd"))
    }

    @Test func `a source says what people see of its events, which changes no hash`() throws {
        func load(_ field: String, _ more: String = "") throws -> FeatureRepository {
            try Repositories.load(Repositories.good.merging(["source.yaml": Self.source(field, more)]) { $1 })
        }
        let plain = try load("note: string?")
        let named = try load("note: {type: string?, sensitive: true}", "amount: amt")
        let source = try #require(named.sources.first)
        #expect(named.display(of: source).amountField == "amt" && named.display(of: source).isSensitive("note"))
        #expect(!named.display(of: source).isSensitive("amt") && named.streamHash == plain.streamHash)
        #expect(try !load("note: {type: string?, sensitive: false}").display(of: source).isSensitive("note"))
        #expect(plain.display(of: source).amountField == nil)
        let changes = DefinitionOutline(plain).changes(to: DefinitionOutline(named)).map(\.description)
        #expect(changes.count == 2 && changes.contains { $0.hasSuffix("field note: string?, sensitive, was string?") })
        for (field, more, message) in [
            ("note: {type: string, sensitive: yes}", "", "`sensitive` of `note` is `yes`, which is unknown"),
            ("note: string", "amount: amd", "names `amd`, which is not among its fields. Did you mean `amt`?"),
            ("note: string", "amount: note", "names `note`, a field of type string"),
        ] {
            let error = #expect(throws: DefinitionError.self) { try load(field, more) }
            #expect("\(String(describing: error))".contains(message), "\(String(describing: error))")
        }
    }

    @Test(arguments: [
        ("{min: 0}", "7:8: the field `note` lacks `type`. Write `note: {type: double, min: 0}`."),
        ("{type: double, minn: 0}", "7:23: the field `note` has an unknown key `minn`. Did you mean `min`?"),
        (
            "{type: string, min: 0}",
            "7:28: `min` bounds a number, but `note` is of type string. Use `length`, `enum` or `format`, or declare another type."
        ),
        ("{type: boolean, max: 0}", "7:29: `max` bounds a number, but `note` is of type boolean. Remove it."),
        (
            "{type: decimal(2), min: 0.001}",
            "7:32: `min` of `note` is `0.001`, which is not decimal(2). Write it as an event would have it."
        ),
        (
            "{type: integer, max: many}",
            "7:29: `max` of `note` is `many`, which is not integer. Write it as an event would have it."
        ),
        (
            "{type: double, min: 5, max: -5}",
            "7:36: `max` of `note` is `-5`, less than `min`, `5`. Exchange them, or remove one."
        ),
        (
            "{type: double, enum: [1.5]}",
            "7:29: `enum` names values of a string, an integer or a decimal, but `note` is of type double. Use `min` and `max`, or declare another type."
        ),
        (
            "{type: string, enum: []}",
            "7:29: `enum` of `note` should be a list, but it is an empty one. Write it like `enum: [F, M]`."
        ),
        ("{type: string, enum: [F, F]}", "7:33: `F` stands twice in `enum` of `note`. Remove one of them."),
        (
            "{type: integer, enum: [1, x]}",
            "7:34: a value of `note` is `x`, which is not integer. Write it as an event would have it."
        ),
        (
            "{type: integer, length: {max: 3}}",
            "7:32: `length` bounds the characters of a string, but `note` is of type integer. Use `min` and `max`, or declare another type."
        ),
        (
            "{type: string, length: 40}",
            "7:31: `length` of `note` should be a mapping, but it is text. Write it like `length: {min: 1, max: 40}`."
        ),
        (
            "{type: string, length: {max: -1}}",
            "7:37: `max` of the length of `note` is no number of characters. Write a whole number of 0 to 1000000."
        ),
        (
            "{type: string, length: {min: 3, max: 2}}",
            "7:31: the length of `note` is at least 3 and at most 2. Exchange them."
        ),
        (
            "{type: string, format: yyyy-mm-dd}",
            "7:31: the format of `note` is `yyyy-mm-dd`, which is unknown. Did you mean `yyyy-MM-dd`?"
        ),
        (
            "{type: string, format: unix_seconds}",
            "7:31: the format of `note` is `unix_seconds`, which is unknown. Write iso8601 or a pattern like \"yyyy-MM-dd\"."
        ),
        (
            "{type: double, format: iso8601}",
            "7:31: `format` says how a time is written in a string, but `note` is of type double. Use `min` and `max`, or declare another type."
        ),
        ("{type: strin, min: 0}", "7:15: the type of `note` is `strin`, which is unknown. Did you mean `string`?"),
    ])
    func `a rule that makes no sense is named with its place and what to do`(declaration: String, message: String) {
        let text = Repositories.source.replacing("note: string?}", with: "\n note: \(declaration)}")
        #expect(Repositories.problems(replacing: "source.yaml", with: text) == ["source.yaml:\(message)"])
    }

    @Test func `the event time keeps its own format`() {
        let text = Repositories.source.replacing("time: string", with: "time: {type: string, format: iso8601}")
        #expect(
            Repositories.problems(replacing: "source.yaml", with: text) == [
                "source.yaml:5:26: `time` is the event time and has a `format` of its own. Keep the one of `event_timestamp`."
            ])
    }

    @Test func `unknown fields are ignored or refused, and nothing between`() throws {
        func source(_ value: String) -> String { Self.source("note: string?", "unknown_fields: \(value)") }
        for (value, refuses) in [("refuse", true), ("ignore", false)] {
            let repository = try Repositories.load(Repositories.good.merging(["source.yaml": source(value)]) { $1 })
            #expect(repository.sources.first?.refusesUnknownFields == refuses)
        }
        #expect(
            Repositories.problems(replacing: "source.yaml", with: source("refused")) == [
                "source.yaml:7:17: `unknown_fields` of source `tx` is `refused`, which is unknown. Did you mean `refuse`?"
            ])
    }

    @Test func `what is allowed is no part of the definitions' hash`() throws {
        let plain = try Repositories.load(Repositories.good)
        let text = Repositories.source
            .replacing("amt: decimal(2)", with: "amt: {type: decimal(2), min: 0}")
            .replacing("lat: double", with: "lat: {type: double, min: -90, max: 90}")
        let ruled = try Repositories.load(
            Repositories.good.merging(["source.yaml": text + "\nunknown_fields: refuse"]) { $1 })
        #expect(ruled.streamHash == plain.streamHash)
        #expect(ruled.services.map(\.definitionHash) == plain.services.map(\.definitionHash))
    }
}
