import FeatureStore
import Observability
public import ServiceRuntime

/// `needletail features functions`: what can be written into definitions.
public struct FeaturesFunctionsCommand: Command {
    /// The words that call it.
    public static let name = "features functions"
    public static let summary = "Tell the language of definitions: keys, types, functions, with an example of each."
    /// It writes nothing.
    public static let isReadOnly = true
    public static let example = "needletail features functions distinct"
    /// What follows.
    public static let arguments = "[WORD...]"
    /// More lines of help.
    public static let details = """
        With words it tells only what holds all of them. docs/definitions.md is the same as a page.
        """
    public static let settings: [any SettingProtocol] = [format]

    static let format = Setting<ManualFormat>(
        "format", default: .text, help: "Text for a terminal, or the page of the documentation.", flagOnly: true)

    public init() {}

    /// Prints.
    public func run(_ settings: Settings, _ runtime: ServiceRuntime) async throws {
        if settings[Self.format] == .markdown { return try runtime.print(DefinitionManual.markdown) }
        let words = settings.arguments
        guard let text = DefinitionManual.text(words, width: Console.standardOutput.columns) else {
            throw CommandError(
                .usage, "nothing in the language of definitions holds \(words.joined(separator: " and ")).")
        }
        try runtime.print(text)
    }
}

/// How the manual is printed.
enum ManualFormat: String, SettingChoice { case text, markdown }

/// `needletail features schema`: the language of definitions, for editors.
public struct FeaturesSchemaCommand: Command {
    /// The words that call it.
    public static let name = "features schema"
    public static let summary = "Print a JSON Schema of the definitions, for editors."
    /// It writes nothing.
    public static let isReadOnly = true
    public static let example = "needletail features schema > var/definitions.schema.json"
    /// More lines of help.
    public static let details = """
        Editors with the YAML language server take it by a first line in each file:
          # yaml-language-server: $schema=../var/definitions.schema.json
        """
    public static let settings: [any SettingProtocol] = []

    public init() {}

    /// Prints.
    public func run(_ settings: Settings, _ runtime: ServiceRuntime) async throws {
        try runtime.print(DefinitionSchema.text)
    }
}
