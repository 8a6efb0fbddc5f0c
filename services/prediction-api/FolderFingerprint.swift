import FeatureEngine
import Foundation

/// What tells whether the files of a model's folder were replaced: their names, sizes, inodes and times of change. Reads no
/// contents, so it can be taken every second.
struct FolderFingerprint: Equatable, Sendable {
    private let files: [File]

    private struct File: Equatable, Sendable {
        let name: ByteString
        let size: Int64
        let inode: UInt64
        let changed: Int64
    }

    /// Looks at a folder, or at a single file; what cannot be looked at is part of the answer as nothing.
    init(_ path: String) {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
        files = ([""] + names.map { "/" + $0 }).compactMap { name in
            var status = stat()
            guard stat(path + name, &status) == 0 else { return nil }
            // A folder's own time of change says nothing that its files do not, and moves when a stranger's file comes.
            let isFolder = status.st_mode & S_IFMT == S_IFDIR
            return File(
                name: ByteString(name), size: isFolder ? 0 : Int64(status.st_size), inode: UInt64(status.st_ino),
                changed: isFolder ? 0 : Int64(status.st_mtim.tv_sec) &* 1_000_000_000 &+ Int64(status.st_mtim.tv_nsec))
        }.sorted { $0.name < $1.name }
    }
}
