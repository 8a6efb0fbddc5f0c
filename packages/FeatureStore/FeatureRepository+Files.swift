import FoundationEssentials

extension FeatureRepository {
    /// The names of the files of definitions in a folder, in the order they are read.
    public static func fileNames(in folder: String) throws -> [String] {
        definitionFiles(among: try FileManager.default.contentsOfDirectory(atPath: folder))
    }

    /// Those of a folder's names that are files of definitions: `*.yaml`, and none that is hidden.
    static func definitionFiles(among names: [String]) -> [String] {
        names.filter { $0.hasSuffix(".yaml") && !$0.hasPrefix(".") }.sorted()
    }
}
