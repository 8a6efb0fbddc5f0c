import Glibc

/// Where a Redis server is, read from `redis://[user][:password@]host[:port][/database][?passfile=FILE]`, or for one on this
/// machine from `unix://[user][:password@]/path/of/its/socket[?db=N][&passfile=FILE]`.
public struct RedisAddress: Hashable, Sendable {
    /// Host name or address, without brackets.
    public var host: String
    /// TCP port.
    public var port: Int
    /// The user of an access list; nil is the default user.
    public var user: String?
    /// The password, where one is needed. Never printed.
    public var password: String?
    /// The logical database.
    public var database: Int
    /// The path of a Unix socket, where that is asked instead of host and port.
    public var socketPath: String?

    /// Names a server without a password.
    public init(host: String, port: Int) {
        (self.host, self.port, user, password, database) = (host, port, nil, nil, 0)
    }

    /// Reads a URL. `passfile` names a file whose first line is the password, so that none stands in a command line; as with
    /// Postgres, a file that is not there is no password.
    public init(url: String) throws(RedisError) {
        let error = RedisError.invalidURL(Self.withoutPassword(url))
        let isSocket = url.hasPrefix("unix://")
        guard isSocket || url.hasPrefix("redis://") else { throw error }
        var rest = url[(url.firstRange(of: "://")?.upperBound ?? url.endIndex)...]
        if let fragment = rest.firstIndex(of: "#") { rest = rest[..<fragment] }
        (host, port, database) = ("127.0.0.1", 6379, 0)
        if let query = rest.firstIndex(of: "?") {
            for parameter in rest[rest.index(after: query)...].split(separator: "&") {
                if parameter.hasPrefix("passfile=") {
                    guard let path = Self.percentDecoded(parameter.dropFirst("passfile=".count)) else { throw error }
                    password = Self.firstLine(of: path)
                } else if isSocket, parameter.hasPrefix("db=") {
                    guard let number = Int(parameter.dropFirst("db=".count)), number >= 0 else { throw error }
                    database = number
                }
            }
            rest = rest[..<query]
        }
        if isSocket {
            // A path may have an @, so the credentials end before its first slash.
            guard let slash = rest.firstIndex(of: "/"), slash == rest.startIndex || rest[..<slash].last == "@",
                let path = Self.percentDecoded(rest[slash...]), path.utf8.count > 1
            else { throw error }
            if slash > rest.startIndex, !take(credentials: rest[..<slash].dropLast()) { throw error }
            socketPath = path
            return
        }
        if let slash = rest.firstIndex(of: "/") {
            let text = rest[rest.index(after: slash)...]
            if !text.isEmpty {
                guard let number = Int(text), number >= 0 else { throw error }
                database = number
            }
            rest = rest[..<slash]
        }
        if let at = rest.lastIndex(of: "@") {
            let credentials = rest[..<at]
            rest = rest[rest.index(after: at)...]
            guard take(credentials: credentials) else { throw error }
        }
        if rest.first == "[" {
            guard let close = rest.firstIndex(of: "]") else { throw error }
            host = String(rest[rest.index(after: rest.startIndex)..<close])
            rest = rest[rest.index(after: close)...]
            guard rest.isEmpty || rest.first == ":" else { throw error }
        } else {
            let colon = rest.firstIndex(of: ":") ?? rest.endIndex
            host = String(rest[..<colon])
            rest = rest[colon...]
        }
        if !rest.isEmpty {
            guard let number = Int(rest.dropFirst()), (1...65_535).contains(number) else { throw error }
            port = number
        }
        if host.isEmpty { host = "127.0.0.1" }
    }

    /// `user:password`; whether it is that.
    private mutating func take(credentials: Substring) -> Bool {
        guard let colon = credentials.firstIndex(of: ":"), let name = Self.percentDecoded(credentials[..<colon]),
            let secret = Self.percentDecoded(credentials[credentials.index(after: colon)...])
        else { return false }
        user = name.isEmpty ? nil : name
        if !secret.isEmpty { password = secret }
        return true
    }

    /// `host:port`, or the socket's path, for messages.
    public var name: String {
        if let socketPath { return socketPath }
        return host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }

    /// The first line of a small file, without its end; nil when there is none.
    private static func firstLine(of path: String) -> String? {
        guard let file = unsafe fopen(path, "re") else { return nil }
        defer { unsafe fclose(file) }
        var bytes: [UInt8] = []
        while bytes.count < 4_096 {
            let byte = unsafe fgetc(file)
            if byte == EOF || byte == 0x0A || byte == 0x0D { break }
            bytes.append(UInt8(truncatingIfNeeded: byte))
        }
        return bytes.isEmpty ? nil : String(validating: bytes, as: UTF8.self)
    }

    private static func withoutPassword(_ url: String) -> String {
        guard let at = url.lastIndex(of: "@") else { return url }
        return "…" + url[at...]
    }

    private static func percentDecoded(_ text: Substring) -> String? {
        var bytes: [UInt8] = []
        var utf8 = text.utf8[...]
        while let byte = utf8.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard utf8.count >= 2, let value = UInt8(String(decoding: utf8.prefix(2), as: UTF8.self), radix: 16) else {
                return nil
            }
            bytes.append(value)
            utf8 = utf8.dropFirst(2)
        }
        return String(validating: bytes, as: UTF8.self)
    }
}
