internal import FeatureStore
internal import Foundation

/// One file of the definitions a model was trained on. A model's folder keeps them, so that the model can still be measured
/// after the definitions have changed: its features are computed anew from the stored events.
struct DefinitionFile: Hashable, Sendable {
    let name: String
    let text: String

    /// The files of a feature repository. Where the stores are is left out: it may hold a password, and decides no feature.
    static func read(_ folder: String) -> [DefinitionFile] {
        let names = (try? FeatureRepository.fileNames(in: folder)) ?? []
        return names.compactMap { name in
            guard let data = FileManager.default.contents(atPath: folder + "/" + name) else { return nil }
            return DefinitionFile(name: name, text: withoutStores(String(decoding: data, as: UTF8.self)))
        }
    }

    private static func withoutStores(_ text: String) -> String {
        var kept: [Substring] = []
        var isInStore = false
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            let continues = line.isEmpty || line.first == " " || line.first == "#" || line.first == "}"
            isInStore = line.hasPrefix("online_store:") || line.hasPrefix("offline_store:") || (isInStore && continues)
            if !isInStore { kept.append(line) }
        }
        return kept.joined(separator: "\n")
    }

    /// The service a model was trained on, from its folder; nil when its definitions are not there or are others.
    static func service(of name: String, hash: String, in modelFolder: String) -> FeatureService? {
        let folder = "\(modelFolder)/\(FeatureRepository.folderInModel)"
        let repository = try? FeatureRepository.load(directory: folder, environment: [:])
        guard let service = repository?.service(named: name), service.definitionHash == hash else { return nil }
        return service
    }
}
