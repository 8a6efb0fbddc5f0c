import Foundation

/// The Swift files of this package as text, and what Package.swift says of their targets.
struct SourceTree: Sendable {
    struct File: Sendable {
        /// Below the package's folder: `packages/Text/Padding.swift`.
        let path: String
        let lines: [Substring]
    }
    /// One target of Package.swift.
    struct Target: Sendable {
        let name: String
        let folder: String
        let dependencies: Set<String>
        /// Its place in the manifest, from the top.
        let place: Int
    }

    let files: [File]
    let targets: [Target]

    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().path

    init() throws {
        var files: [File] = []
        for folder in ["packages", "services", "pipelines", "Tests"] {
            let names = FileManager.default.enumerator(atPath: Self.root + "/" + folder)
            while let name = names?.nextObject() as? String {
                guard name.hasSuffix(".swift") else { continue }
                let path = folder + "/" + name
                let text = try String(contentsOfFile: Self.root + "/" + path, encoding: .utf8)
                files.append(File(path: path, lines: text.split(separator: "\n", omittingEmptySubsequences: false)))
            }
        }
        self.files = files
        targets = try Self.targets(String(contentsOfFile: Self.root + "/Package.swift", encoding: .utf8))
    }

    func files(of target: Target) -> [File] { files.filter { $0.path.hasPrefix(target.folder + "/") } }

    /// What a file imports.
    static func imports(_ file: File) -> [Substring] {
        file.lines.lazy.filter { $0.contains("import ") }.compactMap {
            $0.firstMatch(of: /^(?:@testable )?(?:public |package |internal |private |fileprivate )?import (\w+)$/)?.1
        }
    }

    /// The targets whose code is the product, in the order of the manifest. Tests take what they need.
    private static func targets(_ text: String) throws -> [Target] {
        let manifest = text[(text.firstRange(of: "    targets: [")?.lowerBound ?? text.startIndex)...]
        let starts = manifest.ranges(
            of: /\n        (?:library|wrapper|system|unitTests|integrationTests|\.\w+)\(|\n    \]\n\)/)
        var targets: [Target] = []
        for (start, next) in zip(starts, starts.dropFirst()) {
            let entry = manifest[start.lowerBound..<next.lowerBound]
            guard !entry.contains("ests("), !entry.contains("path: \"Tests"), !entry.contains("estTarget("),
                let name = entry.firstMatch(of: /\((?:\s*name: )?\s*"(\w+)"/)?.1
            else { continue }
            let folder = entry.firstMatch(of: /(?:in|path): "([^"]+)"/)?.1 ?? "packages/\(name)"
            let list = entry.firstMatch(of: /(?:depending: |dependencies: |", )\[([^\]]*)\]/)?.1 ?? ""
            let dependencies = list.matches(of: /"(\w+)"/).map { String($0.1) }
            targets.append(
                Target(
                    name: String(name), folder: String(folder), dependencies: Set(dependencies), place: targets.count))
        }
        return targets
    }
}
