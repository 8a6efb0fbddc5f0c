internal import Dispatch
internal import Foundation
internal import FoundationNetworking
internal import JSON
public import ServiceRuntime
internal import Synchronization

/// Why an MLflow server did not do what it was asked.
public enum MLflowError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The tracking address is none of http or https.
    case address(String)
    /// No answer, or none in time.
    case unreachable(String)
    /// An answer that refuses: its status and what it says.
    case refused(status: Int, code: String, message: String)
    /// An answer that is not what MLflow answers.
    case unexpected(String)

    public var description: String {
        switch self {
        case .address(let text): "\(text) is no address of an MLflow server: http://host:port is"
        case .unreachable(let reason): "the MLflow server does not answer: \(reason)"
        case .refused(let status, let code, let message): "the MLflow server answers \(status) \(code): \(message)"
        case .unexpected(let what): "the MLflow server's answer is not MLflow's: \(what)"
        }
    }
}

/// Calls of one MLflow server. Each blocks its thread until the answer is there or its time is over.
public struct MLflowClient: Sendable {
    /// Where the server is; without it nothing is sent.
    public static let trackingURI = Setting<String?>(
        "mlflow-tracking-uri", help: "Send runs and models to this MLflow server too: http://host:port.",
        environment: "MLFLOW_TRACKING_URI", placeholder: "URL")
    /// The experiment that runs belong to.
    public static let experiment = Setting<String>(
        "mlflow-experiment", default: "needletail", help: "The MLflow experiment that runs belong to.",
        environment: "MLFLOW_EXPERIMENT_NAME", placeholder: "NAME")
    /// The registered model that versions are of. Services that share a server need one each.
    public static let modelName = Setting<String>(
        "mlflow-model", default: "FraudDetectionModel", help: "MLflow's registered model that versions are of.",
        environment: "MLFLOW_MODEL_NAME", placeholder: "NAME")
    /// How long one call may take.
    static let timeout = Setting<Int>(
        "mlflow-timeout-seconds", default: 10, in: 1...600, help: "How long one call of the MLflow server may take.")
    /// What is sent as a bearer token.
    static let token = Setting<String?>(
        "mlflow-token", help: "The MLflow server's bearer token.", secret: true, environment: "MLFLOW_TRACKING_TOKEN")
    /// What a command that talks to MLflow reads.
    public static let settings: [any SettingProtocol] = [trackingURI, experiment, modelName, timeout, token]

    /// Bytes an answer may have, and a file.
    private static let mostAnswerBytes = 64 << 20
    static let mostFileBytes = 1 << 30

    private let base: String
    private let seconds: Double
    private let token: String?

    /// A client of an address.
    public init(trackingURI: String, timeoutSeconds: Int = 10, token: String? = nil) throws(MLflowError) {
        var base = trackingURI
        while base.hasSuffix("/") { base.removeLast() }
        guard let url = URL(string: base), ["http", "https"].contains(url.scheme), url.host?.isEmpty == false else {
            throw .address(trackingURI)
        }
        (self.base, seconds, self.token) = (base, Double(timeoutSeconds), token)
    }

    /// The client that the settings name; nil where they name none.
    public init?(_ settings: Settings) throws(MLflowError) {
        guard let uri = settings[Self.trackingURI], !uri.isEmpty else { return nil }
        try self.init(trackingURI: uri, timeoutSeconds: settings[Self.timeout], token: settings[Self.token])
    }

    /// One call of the REST interface: `path` below `/api/2.0/mlflow`, a body or a query.
    func call(
        _ method: String, _ path: String, _ body: JSONTree? = nil, query: [(String, String)] = []
    ) throws(MLflowError) -> JSONTree {
        let bytes = try send(
            method, "/api/2.0/mlflow/" + path, body: body?.bytes(), "application/json", query,
            mostBytes: Self.mostAnswerBytes)
        guard !bytes.isEmpty else { return .null }
        do throws(JSONError) { return try JSONTree.parse(bytes) } catch { throw .unexpected("\(error)") }
    }

    /// Writes a file of an artifact store; the path is below the store's root.
    func upload(_ bytes: [UInt8], to path: String) throws(MLflowError) {
        _ = try send(
            "PUT", "/api/2.0/mlflow-artifacts/artifacts/" + path, body: bytes, "application/octet-stream", [],
            mostBytes: Self.mostAnswerBytes)
    }

    /// Reads a file of an artifact store.
    func download(_ path: String) throws(MLflowError) -> [UInt8] {
        try send(
            "GET", "/api/2.0/mlflow-artifacts/artifacts/" + path, body: nil, "", [], mostBytes: Self.mostFileBytes)
    }

    /// The entries of a folder of an artifact store, by their paths from its root.
    func list(_ path: String) throws(MLflowError) -> [(path: String, isFolder: Bool)] {
        let bytes = try send(
            "GET", "/api/2.0/mlflow-artifacts/artifacts", body: nil, "", [("path", path)],
            mostBytes: Self.mostAnswerBytes)
        guard let files = (try? JSONTree.parse(bytes))?["files"]?.array else { return [] }
        return files.compactMap { file in
            guard let name = file["path"]?.string else { return nil }
            return (path + "/" + name, file["is_dir"]?.bool ?? false)
        }
    }

    private func send(
        _ method: String, _ path: String, body: [UInt8]?, _ type: String, _ query: [(String, String)], mostBytes: Int
    ) throws(MLflowError) -> [UInt8] {
        var address = base + (path.addingPercentEncoding(withAllowedCharacters: Self.plain) ?? path)
        for (index, (name, value)) in query.enumerated() {
            address += (index == 0 ? "?" : "&") + name + "="
            address += value.addingPercentEncoding(withAllowedCharacters: Self.plain) ?? ""
        }
        guard let url = URL(string: address) else { throw .address(address) }
        var request = URLRequest(url: url, cachePolicy: .reloadIgnoringLocalCacheData, timeoutInterval: seconds + 5)
        request.httpMethod = method
        if let body {
            request.httpBody = Data(body)
            request.setValue(type, forHTTPHeaderField: "Content-Type")
        }
        if let token { request.setValue("Bearer \(token)", forHTTPHeaderField: "Authorization") }
        let (data, status) = try answer(request, mostBytes)
        guard (200..<300).contains(status) else {
            let tree = try? JSONTree.parse([UInt8](data.prefix(1 << 16)))
            throw .refused(
                status: status, code: tree?["error_code"]?.string ?? "",
                message: String((tree?["message"]?.string ?? "no reason").prefix(300)))
        }
        return [UInt8](data)
    }

    private func answer(_ request: URLRequest, _ mostBytes: Int) throws(MLflowError) -> (Data, Int) {
        let receiver = Receiver(mostBytes: mostBytes)
        let session = URLSession(configuration: .ephemeral, delegate: receiver, delegateQueue: nil)
        defer { session.invalidateAndCancel() }
        session.dataTask(with: request).resume()
        // The session's own limit starts anew with every byte: a server that drips is over time all the same.
        guard receiver.done.wait(timeout: .now() + seconds) == .success else {
            throw .unreachable("no answer within \(Int(seconds)) s")
        }
        let answer = receiver.answer.withLock { $0 }
        guard !answer.isTooLong else { throw .unexpected("more than \(mostBytes) bytes") }
        guard let status = answer.status, answer.reason == nil else { throw .unreachable(answer.reason ?? "no answer") }
        return (answer.data, status)
    }

    /// Takes one answer, as much of it as may be.
    private final class Receiver: NSObject, URLSessionDataDelegate, Sendable {
        struct Answer {
            var data = Data()
            var status: Int?
            var reason: String?
            var isTooLong = false
        }
        let answer = Mutex(Answer())
        let done = DispatchSemaphore(value: 0)
        private let mostBytes: Int

        init(mostBytes: Int) { self.mostBytes = mostBytes }

        func urlSession(_ session: URLSession, dataTask: URLSessionDataTask, didReceive data: Data) {
            let isTooLong = answer.withLock { answer in
                answer.isTooLong = answer.isTooLong || data.count > mostBytes - answer.data.count
                if !answer.isTooLong { answer.data.append(data) }
                return answer.isTooLong
            }
            if isTooLong { dataTask.cancel() }
        }

        func urlSession(_ session: URLSession, task: URLSessionTask, didCompleteWithError error: (any Error)?) {
            answer.withLock {
                $0.status = (task.response as? HTTPURLResponse)?.statusCode
                $0.reason = error?.localizedDescription
            }
            done.signal()
        }

        // A token is for the server it was given for, and for no other that this one names.
        func urlSession(
            _ session: URLSession, task: URLSessionTask, willPerformHTTPRedirection response: HTTPURLResponse,
            newRequest request: URLRequest, completionHandler: @escaping (URLRequest?) -> Void
        ) {
            completionHandler(nil)
        }
    }

    /// What an address may hold as it is; a slash parts folders.
    private static let plain = CharacterSet(
        charactersIn: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/")
}
