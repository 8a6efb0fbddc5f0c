import Foundation
import JSON
import Synchronization
import TestSupport

/// A small MLflow server: experiments, runs, files, versions and aliases in memory, and answers that go wrong on request.
final class MLflowDouble: Sendable {
    /// What it does instead of its work when a call's target contains a text.
    enum Fault: Sendable {
        case status(Int)
        case redirect(String)
        /// Never answers.
        case silence
        /// A byte a tenth of a second, for ever.
        case drip
        /// This text, as the whole answer.
        case text(String)
        /// So many spaces.
        case spaces(Int)
    }

    struct State {
        var calls: [String] = []
        var authorizations: Set<String> = []
        var files: [String: [UInt8]] = [:]
        var runStatus: [String] = []
        var versions: [(source: String, tags: JSONTree)] = []
        var aliases: [String: String] = [:]
        var faults: [(part: String, fault: Fault)] = []
        var hasExperiment = false, hasModel = false
    }

    let port: Int
    let state = Mutex(State())
    private let listener: Int32

    var address: String { "http://127.0.0.1:\(port)" }

    init() throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isListening = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, size) == 0 && listen(listener, 16) == 0 && getsockname(listener, $0, &size) == 0
            }
        }
        guard isListening else { throw TestServerError("no socket to listen on") }
        (self.listener, port) = (listener, Int(UInt16(bigEndian: address.sin_port)))
        Thread.detachNewThread { [weak self] in
            while true {
                let client = accept(listener, nil, nil)
                guard client >= 0 else { return }
                let server = self
                Thread.detachNewThread {
                    server?.serve(client)
                    close(client)
                }
            }
        }
    }

    deinit {
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
    }

    func go(wrong part: String, _ fault: Fault) { state.withLock { $0.faults.append((part, fault)) } }

    private func serve(_ client: Int32) {
        guard let (method, target, headers, body) = Self.request(client) else { return }
        let fault = state.withLock { state in
            state.calls.append(method + " " + target)
            for line in headers where line.lowercased().hasPrefix("authorization:") {
                state.authorizations.insert(
                    String(line.dropFirst("authorization:".count)).trimmingCharacters(in: .whitespaces))
            }
            return state.faults.first { target.contains($0.part) }?.fault
        }
        switch fault {
        case nil:
            let (status, bytes) = state.withLock { Self.answer(&$0, method, target, body) }
            send(client, status, bytes)
        case .status(let status)?: send(client, status, Array(#"{"error_code":"INTERNAL_ERROR","message":"no"}"#.utf8))
        case .redirect(let address)?: send(client, 302, [], "Location: \(address)\r\n")
        case .silence?: sleep(5)
        case .text(let text)?: send(client, 200, Array(text.utf8))
        case .spaces(let count)?: send(client, 200, [UInt8](repeating: 0x20, count: count))
        case .drip?:
            write(client, Array("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n".utf8))
            for _ in 0..<50 where write(client, [0x20]) { usleep(100_000) }
        }
    }

    @discardableResult private func write(_ client: Int32, _ bytes: [UInt8]) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(client, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }

    private func send(_ client: Int32, _ status: Int, _ bytes: [UInt8], _ more: String = "") {
        let head = "HTTP/1.1 \(status) X\r\nContent-Length: \(bytes.count)\r\nConnection: close\r\n\(more)\r\n"
        write(client, Array(head.utf8) + bytes)
    }

    private static func request(_ client: Int32) -> (String, String, [String], [UInt8])? {
        var (bytes, piece) = ([UInt8](), [UInt8](repeating: 0, count: 65_536))
        while true {
            let count = recv(client, &piece, piece.count, 0)
            guard count > 0 else { return nil }
            bytes += piece[..<count]
            guard let end = bytes.indices.first(where: { bytes[$0...].starts(with: [13, 10, 13, 10]) }) else {
                continue
            }
            let lines = String(decoding: bytes[..<end], as: UTF8.self).components(separatedBy: "\r\n")
            let words = lines[0].split(separator: " ").map(String.init)
            let wanted =
                lines.first { $0.lowercased().hasPrefix("content-length:") }
                .flatMap { Int($0.dropFirst(15).trimmingCharacters(in: .whitespaces)) } ?? 0
            while bytes.count < end + 4 + wanted {
                let count = recv(client, &piece, piece.count, 0)
                guard count > 0 else { return nil }
                bytes += piece[..<count]
            }
            guard words.count == 3 else { return nil }
            return (words[0], words[1], lines, Array(bytes[(end + 4)...]))
        }
    }

    private static func answer(
        _ state: inout State, _ method: String, _ target: String, _ body: [UInt8]
    ) -> (Int, [UInt8]) {
        let parts = target.split(separator: "?", maxSplits: 1).map { $0.removingPercentEncoding ?? "" }
        let query = (URLComponents(string: target)?.queryItems ?? []).reduce(into: [String: String]()) {
            $0[$1.name] = $1.value
        }
        let tree = (try? JSONTree.parse(body)) ?? .null
        func refuse(_ code: String) -> (Int, [UInt8]) {
            (400, JSONTree.object([.init("error_code", .string(code)), .init("message", .string("no"))]).bytes())
        }
        func version(_ number: String) -> (Int, [UInt8]) {
            guard let place = Int(number), state.versions.indices.contains(place - 1) else {
                return refuse("RESOURCE_DOES_NOT_EXIST")
            }
            let found: JSONTree = [
                "model_version": ["version": .string(number), "source": .string(state.versions[place - 1].source)]
            ]
            return (200, found.bytes())
        }
        let files = "/api/2.0/mlflow-artifacts/artifacts"
        switch (method, parts[0].replacing("/api/2.0/mlflow/", with: "")) {
        case ("PUT", let path) where path.hasPrefix(files + "/"):
            state.files[String(path.dropFirst(files.count + 1))] = body
            return (200, [])
        case ("GET", files): return (200, listing(state, query["path"] ?? "").bytes())
        case ("GET", let path) where path.hasPrefix(files + "/"):
            return state.files[String(path.dropFirst(files.count + 1))].map { (200, $0) } ?? refuse("NOT_FOUND")
        case ("POST", "experiments/create"):
            guard !state.hasExperiment else { return refuse("RESOURCE_ALREADY_EXISTS") }
            state.hasExperiment = true
            return (200, Array(#"{"experiment_id":"1"}"#.utf8))
        case ("GET", "experiments/get-by-name"): return (200, Array(#"{"experiment":{"experiment_id":"1"}}"#.utf8))
        case ("POST", "runs/create"):
            state.runStatus.append("RUNNING")
            let run = "r\(state.runStatus.count)"
            let text = #"{"run":{"info":{"run_id":"\#(run)","artifact_uri":"mlflow-artifacts:/1/\#(run)/artifacts"}}}"#
            return (200, Array(text.utf8))
        case ("POST", "runs/log-batch"): return (200, Array("{}".utf8))
        case ("POST", "runs/update"):
            state.runStatus[state.runStatus.count - 1] = tree["status"]?.string ?? ""
            return (200, Array("{}".utf8))
        case ("POST", "registered-models/create"):
            guard !state.hasModel else { return refuse("RESOURCE_ALREADY_EXISTS") }
            state.hasModel = true
            return (200, Array("{}".utf8))
        case ("POST", "model-versions/create"):
            state.versions.append((tree["source"]?.string ?? "", tree["tags"] ?? .null))
            return version("\(state.versions.count)")
        case ("GET", "model-versions/get"): return version(query["version"] ?? "")
        case ("GET", "model-versions/search"):
            let all = state.versions.enumerated().reversed().map { place, version -> JSONTree in
                ["version": .string("\(place + 1)"), "tags": version.tags]
            }
            return (200, JSONTree.object([.init("model_versions", .array(all))]).bytes())
        case ("POST", "registered-models/alias"):
            state.aliases[tree["alias"]?.string ?? ""] = tree["version"]?.string
            return (200, Array("{}".utf8))
        case ("GET", "registered-models/alias"):
            return state.aliases[query["alias"] ?? ""].map(version) ?? refuse("INVALID_PARAMETER_VALUE")
        default: return refuse("ENDPOINT_NOT_FOUND")
        }
    }

    private static func listing(_ state: State, _ folder: String) -> JSONTree {
        let below = state.files.keys.filter { $0.hasPrefix(folder + "/") }.map { $0.dropFirst(folder.count + 1) }
        let names = Set(below.map { $0.split(separator: "/", maxSplits: 1)[0] })
        return [
            "files": .array(
                names.sorted().map { name in
                    ["path": .string(String(name)), "is_dir": .bool(!below.contains(name))]
                })
        ]
    }
}
