import Foundation
import TestSupport
import Testing

@testable import PredictionAPI

/// The page at `/docs` with its own script, in Node in place of a browser.
@Suite(.timeLimit(.minutes(1))) struct DocsPageTests {
    private static let node = ["/usr/bin/node", "/usr/local/bin/node"].first {
        FileManager.default.isExecutableFile(atPath: $0)
    }

    /// The page's lines, of a service that wants this key, opened by somebody who types that one.
    private func open(keys: String?, typed: String) async throws -> [String] {
        let node = try #require(Self.node)
        let redis = try TestServers.redis()
        let service = try await RunningService.start(redis) { $0.gate = RequestGate(apiKeys: APIKeys(keys)) }
        let script = TestEnvironment.packageRoot + "/Tests/Fixtures/Browser/docs-page.js"
        let opened = try TestCommand.run([node, script, "http://127.0.0.1:\(service.port)", typed], seconds: 30)
        #expect(opened.exitCode == 0, "\(opened.output)")
        try await service.stop()
        return opened.output.split(separator: "\n").map(String.init)
    }

    @Test(.enabled(if: node != nil, "Node is not installed"), arguments: [nil, "secret"])
    func `it shows every operation, and what it proposes to send is answered`(keys: String?) async throws {
        let lines = try await open(keys: keys, typed: "secret")
        let operations = APIOperation.allCases.filter(\.isDescribed)
        #expect(Set(lines) == Set(operations.map { "\($0.rawValue) 200" }), "\(lines)")
        // A batch is proposed in each of its forms.
        #expect(lines.count { $0.hasPrefix("predictBatch ") } >= 3)
    }

    @Test(.enabled(if: node != nil, "Node is not installed"))
    func `it shows what a wrong key is answered`() async throws {
        let lines = try await open(keys: "secret", typed: "guessed")
        let expected = APIOperation.allCases.filter(\.isDescribed).map {
            "\($0.rawValue) \($0.isGuarded ? 401 : 200)"
        }
        #expect(Set(lines) == Set(expected), "\(lines)")
    }
}
