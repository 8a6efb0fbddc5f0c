import FeatureStore
import Foundation
import PostgresOfflineStore
import ServiceRuntime

/// A folder of definitions, written.
enum DefinitionFolder {
    /// Puts files in the place of those that are there, which are kept in `.taken-back`.
    static func replace(_ folder: String, with files: [DefinitionText]) throws(CommandError) {
        let manager = FileManager.default
        let kept = "\(folder)/.taken-back"
        do {
            let names = try FeatureRepository.fileNames(in: folder)
            try? manager.removeItem(atPath: kept)
            try manager.createDirectory(atPath: kept, withIntermediateDirectories: true)
            for name in names { try manager.copyItem(atPath: "\(folder)/\(name)", toPath: "\(kept)/\(name)") }
            for file in files {
                try Data(file.text.utf8).write(to: URL(fileURLWithPath: "\(folder)/\(file.name)"), options: .atomic)
            }
            for name in names where !files.contains(where: { $0.name == name }) {
                try manager.removeItem(atPath: "\(folder)/\(name)")
            }
        } catch {
            throw CommandError(.cannotCreate, "\(folder) cannot be written: \(error.localizedDescription).")
        }
    }
}
