import Foundation

/// A disk whose power goes (Tests/Support/PowerCut): servers that live on it lose what they wrote and did not synchronise.
public final class UnsureDisk {
    private let tool: String
    private let preload: String
    private let disk: String
    private var servers: [(server: TestServer, folder: String)] = []

    /// Builds the tools with the system's C compiler.
    public init() throws {
        let folder = try TestEnvironment.temporaryFolder("disk")
        (tool, preload, disk) = (folder + "/power-cut", folder + "/power-cut.so", folder + "/sure")
        let source = TestEnvironment.packageRoot + "/Tests/Support/PowerCut/power_cut.c"
        for options in [["-o", tool], ["-shared", "-fPIC", "-DPRELOAD", "-o", preload]] {
            try run(["/usr/bin/env", "cc", "-O2"] + options + [source])
        }
        try FileManager.default.createDirectory(atPath: disk, withIntermediateDirectories: true)
    }

    /// Has a server's folder on this disk; before its start.
    public func hold(_ server: TestServer, _ folder: String) {
        servers.append((server, folder))
        let folders = servers.map(\.folder).joined(separator: ":")
        for (server, _) in servers {
            server.add(
                environment: ["LD_PRELOAD": preload, "POWER_CUT_DISK": disk, "POWER_CUT_FOLDERS": folders])
        }
    }

    /// Everything there is in the folders is on the disk. Nothing may write meanwhile.
    public func settle() throws { try run([tool, "settle", disk] + servers.map(\.folder)) }

    /// kill -9 of all servers, and what a power cut may leave of their folders.
    public func cut(seed: UInt64) throws {
        // Postgres' children are no members of its process group, and would finish what they have in hand.
        for process in (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? [] {
            let place = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(process)/cwd")
            if let id = pid_t(process), servers.contains(where: { $0.folder == place }) { kill(id, SIGKILL) }
        }
        for (server, _) in servers { server.kill() }
        try run([tool, "cut", disk, "\(seed)"] + servers.map(\.folder))
        for (server, _) in servers { server.removeRemains() }
    }

    private func run(_ arguments: [String]) throws {
        let done = try TestCommand.run(arguments)
        guard done.exitCode == 0 else { throw TestServerError("\(arguments): \(done.output)") }
    }
}
