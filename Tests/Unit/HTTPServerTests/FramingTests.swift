import TestSupport
import Testing

@testable import HTTPServer

/// Where a request ends and whom it is for: what can be read in two ways is refused, and nothing behind it is a request.
@Suite struct FramingTests {
    /// Everything a server answers to these bytes, and the statuses in it.
    private static func exchange(_ bytes: [UInt8], piece: Int = .max) throws -> (text: String, statuses: [Int]) {
        var router = Router()
        router.get("/health") { _ in .text("healthy") }
        router.on(.post, "/echo", bodyLimit: 1_000) { request in request.reply(Response(body: request.body)) }
        let probe = try HTTPProbe(router)
        defer { probe.close() }
        let text = String(decoding: probe.exchange(bytes, piece: piece), as: UTF8.self)
        let statuses = text.split(separator: "HTTP/1.1 ", omittingEmptySubsequences: true).filter { _ in
            text.hasPrefix("HTTP/1.1 ")
        }.compactMap { Int($0.prefix(3)) }
        return (text, statuses)
    }

    private static let next = "GET /health HTTP/1.1\r\nHost: a\r\n\r\n"
    private static let post = "POST /echo HTTP/1.1\r\nHost: a\r\n"

    static let refused: [String] = [
        // Two lengths, a length and a coding, codings that are not exactly chunked.
        post + "Content-Length: 2\r\nContent-Length: 40\r\n\r\n{}",
        post + "Content-Length: 2\r\ncontent-length: 2\r\n\r\n{}",
        post + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        post + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        post + "Transfer-Encoding: chunked\r\nContent-Length: 99999999999999999999999999\r\n\r\n0\r\n\r\n",
        post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        post + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        post + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        post + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", post + "Transfer-Encoding:\r\n\r\n0\r\n\r\n",
        post + "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", post + "Transfer-Encoding: chunked \r\n\r\n0\r\n\r\n",
        post + "Transfer-Encoding: identity\r\n\r\n",
        "POST /echo HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        // Lengths that are no numbers.
        post + "Content-Length: -1\r\n\r\n", post + "Content-Length: +2\r\n\r\n{}",
        post + "Content-Length: 0x2\r\n\r\n{}",
        post + "Content-Length: 2, 2\r\n\r\n{}", post + "Content-Length: 2 2\r\n\r\n{}",
        post + "Content-Length:\r\n\r\n",
        post + "Content-Length: 2;\r\n\r\n{}", post + "Content-Length: ２\r\n\r\n{}",
        // Names that are none.
        post + "Content-Length : 2\r\n\r\n{}", post + "Content-Length\t: 2\r\n\r\n{}",
        post + "Transfer-Encoding : chunked\r\nContent-Length: 2\r\n\r\n{}", post + ": 2\r\n\r\n",
        post + "A B: 2\r\n\r\n",
        post + "Content-Length\u{0}: 2\r\n\r\n{}", post + "no colon\r\n\r\n", post + "(a): b\r\n\r\n",
        // Folded lines, bare line ends, NUL.
        post + "A: b\r\n c\r\n\r\n", post + "A: b\r\n\tc\r\nContent-Length: 2\r\n\r\n{}",
        post + " Content-Length: 2\r\n\r\n{}", post + "A: b\nContent-Length: 2\r\n\r\n{}", post + "A: b\r\n\n",
        post + "A: b\rContent-Length: 2\r\n\r\n{}", post + "A: b\n\r\n", post + "A: b\u{0}c\r\n\r\n",
        post + "A: \u{0}\r\n\r\n", post + "\u{0}A: b\r\n\r\n", post + "A: b\u{7F}\r\n\r\n",
        post + "A: \u{1B}[0m\r\n\r\n",
        "GET /health HTTP/1.1\nHost: a\r\n\r\n",
        // Hosts.
        "GET /health HTTP/1.1\r\n\r\n", "GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: a\r\nHOST: a\r\n\r\n", "GET /health HTTP/1.1\r\nHost: a b\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: a/b\r\n\r\n", "GET /health HTTP/1.1\r\nHost: a@b\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: a,b\r\n\r\n", "GET http://a/health HTTP/1.1\r\n\r\n",
        // Targets and request lines.
        "G\tT /health HTTP/1.1\r\nHost: a\r\n\r\n", "G:T /health HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /health%00/x HTTP/1.1\r\nHost: a\r\n\r\n", "GET /health?a=%00b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /health\u{0} HTTP/1.1\r\nHost: a\r\n\r\n", "GET /hea lth HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET  /health HTTP/1.1\r\nHost: a\r\n\r\n", "GET /health  HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /health\t HTTP/1.1\r\nHost: a\r\n\r\n", "GET health HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET ftp://a/health HTTP/1.1\r\nHost: a\r\n\r\n", "GET http:///health HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://a%2Fhealth HTTP/1.1\r\nHost: a\r\n\r\n", "GET http://u@a/health HTTP/1.1\r\nHost: a\r\n\r\n",
        // Fields of which there is one.
        post + "Content-Type: a/b\r\nContent-Type: c/d\r\n\r\n", post + "Authorization: a\r\nauthorization: b\r\n\r\n",
        post + "Origin: http://a\r\nOrigin: http://b\r\n\r\n",
    ]

    @Test(arguments: refused, [1, Int.max])
    func `a head that can be read in two ways is 400 and ends the connection`(head: String, piece: Int) throws {
        let (text, statuses) = try Self.exchange(Array((head + Self.next).utf8), piece: piece)
        #expect(statuses == [400])
        #expect(!text.contains("healthy"))
        #expect(text.lowercased().contains("connection: close"))
    }

    @Test func `a length beyond any number is refused without reading on`() throws {
        let head = Self.post + "Content-Length: 999999999999999999999999999999\r\n\r\n{}"
        let (text, statuses) = try Self.exchange(Array((head + Self.next).utf8))
        #expect(statuses == [400] && text.contains("is not a number of bytes"))
        #expect(!text.contains("healthy"))
    }

    static let accepted: [String] = [
        next, "GET /health HTTP/1.0\r\n\r\n", "GET /health HTTP/1.1\r\nHost:\r\n\r\n",
        "GET /health HTTP/1.1\r\nhOST:\t [::1]:8000 \t\r\n\r\n", "GET http://a/health HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET HTTPS://a:80/health?x=%20 HTTP/1.1\r\nHost: b\r\n\r\n", "\r\n" + next,
        "GET /health HTTP/1.1\r\nHost: a\r\nEmpty:\r\nX:a: b\tc\r\nX-Y_Z: \u{E9}\r\n\r\n",
        "GET /%68ealth HTTP/1.1\r\nHost: a\r\n\r\n", "GET /health?a=b%0Ac&d HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: a\r\nX: \(String(repeating: "x", count: 9_000))\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: a\r\n" + (0..<60).map { "X-\($0): \($0)\r\n" }.joined() + "\r\n",
    ]

    @Test(arguments: accepted, [1, 7, Int.max])
    func `a head that is plain is answered, however it arrives, and so is the next`(head: String, piece: Int) throws {
        let (text, statuses) = try Self.exchange(Array((head + Self.next).utf8), piece: piece)
        // HTTP/1.0 ends with its answer.
        #expect(statuses == (head.contains("HTTP/1.0") ? [200] : [200, 200]))
        #expect(text.hasSuffix("healthy"))
    }

    @Test func `what follows a chunked body is never taken for a request`() throws {
        let head = Self.post + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
        let (text, statuses) = try Self.exchange(Array((head + Self.next).utf8))
        #expect(statuses == [200])
        #expect(text.hasSuffix("{}"))
        #expect(text.lowercased().contains("connection: close"))
    }

    @Test(arguments: [
        "ffffffffffffffff\r\n{}", "-1\r\n{}", "10000000000000000\r\n{}", "2 \r\n{}\r\n0\r\n\r\n", "\r\n{}",
    ])
    func `a chunk whose size is no size ends the connection`(chunk: String) throws {
        let (_, statuses) = try Self.exchange(Array((Self.post + "Transfer-Encoding: chunked\r\n\r\n" + chunk).utf8))
        #expect(statuses.count <= 1)
        #expect(statuses.allSatisfy { $0 == 400 || $0 == 413 })
    }

    @Test func `an answer has one header of a kind`() throws {
        for request in [
            Self.next, Self.post + "Content-Length: 3\r\n\r\nabc", "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n",
            "HEAD /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "PUT /echo HTTP/1.1\r\nHost: a\r\n\r\n",
            Self.post + "Content-Length: 1001\r\n\r\n" + String(repeating: "a", count: 1_001),
            "GET /health HTTP/1.1\r\n\r\n", "GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
            Self.post + "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n",
        ] {
            let text = try Self.exchange(Array(request.utf8)).text
            let lines = text.split(separator: "\r\n" as Character, omittingEmptySubsequences: false)
            let names = lines.dropFirst().prefix { !$0.isEmpty }.map { line in line.prefix { $0 != ":" }.lowercased() }
            #expect(Set(names).count == names.count, "\(text)")
            #expect(names.contains("content-length"))
        }
    }

    private static func isNameCharacter(_ character: Character) -> Bool {
        character.isASCII && (character.isLetter || character.isNumber || "!#$%&'*+-.^_`|~".contains(character))
    }

    private static func isHost(_ value: String) -> Bool {
        let text = value.reversed().drop { $0 == " " || $0 == "\t" }
        return text.allSatisfy { $0.isLetter || $0.isNumber || $0 == ":" }
    }

    /// The head read strictly, by other means: split at CR LF, nothing else.
    private static func isPlain(_ bytes: [UInt8]) -> Bool {
        var lines: [[UInt8]] = [[]]
        var index = 0
        while index < bytes.count {
            if bytes[index] == 13, index + 1 < bytes.count, bytes[index + 1] == 10 {
                lines.append([])
                index += 2
                continue
            }
            lines[lines.count - 1].append(bytes[index])
            index += 1
        }
        guard let end = lines.dropFirst().dropLast().firstIndex(of: []) else { return false }
        let controls = Set<UInt8>(0...31).subtracting([9]).union([127])
        guard lines[..<end].allSatisfy({ controls.isDisjoint(with: $0) }) else { return false }
        let words = lines[0].split(separator: 32, omittingEmptySubsequences: false).map {
            String(decoding: $0, as: UTF8.self)
        }
        guard words.count == 3, words[0].allSatisfy({ isNameCharacter($0) }), words[1].hasPrefix("/"),
            !words[1].contains("\t"),
            !words[1].contains("%00"), words[2] == "HTTP/1.1" || words[2] == "HTTP/1.0"
        else { return false }
        var fields: [(name: String, value: String)] = []
        for line in lines[1..<end] {
            guard let colon = line.firstIndex(of: 58), colon > 0 else { return false }
            let name = String(decoding: line[..<colon], as: UTF8.self)
            guard name.allSatisfy({ isNameCharacter($0) }) else { return false }
            let value = String(decoding: line[(colon + 1)...].drop { $0 == 32 || $0 == 9 }, as: UTF8.self)
            fields.append((name.lowercased(), value))
        }
        let hosts = fields.filter { $0.name == "host" }
        let lengths = fields.filter { $0.name == "content-length" }
        guard hosts.count == 1 || hosts.isEmpty && words[2] == "HTTP/1.0", hosts.allSatisfy({ isHost($0.value) }),
            lengths.count <= 1, lengths.allSatisfy({ !$0.value.isEmpty && $0.value.allSatisfy { $0 == "0" } }),
            !fields.contains(where: { $0.name == "transfer-encoding" })
        else { return false }
        return true
    }

    @Test(arguments: [UInt64(1), 2, 3])
    func `a damaged head is answered as plain exactly when it is`(seed: UInt64) throws {
        var router = Router()
        router.on(.post, "/echo") { request in request.reply(Response(body: request.body)) }
        let probe = try HTTPProbe(router)
        defer { probe.close() }
        var state = seed
        func random(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        let good = Array("POST /echo HTTP/1.1\r\nHost: ab\r\nContent-Length: 0\r\nAccept: a/b\r\n\r\n".utf8)
        let bad: [UInt8] = [0, 9, 10, 13, 32, 58, 0x61, 0x30]
        var plain = 0
        for _ in 0..<1_000 {
            var bytes = good
            for _ in 0...random(2) {
                let place = 1 + random(bytes.count - 1)
                switch random(3) {
                case 0: bytes[place] = bad[random(bad.count)]
                case 1: bytes.insert(bad[random(bad.count)], at: place)
                default: bytes.remove(at: place)
                }
            }
            // What `RequestHead` cannot tell from CR LF: a bare LF with a NUL or an empty name beside it.
            let lines = bytes.split(separator: 10, omittingEmptySubsequences: false)
            if bytes.contains(0) && lines.dropLast().contains(where: { $0.last != 13 }) { continue }
            if lines.contains(where: { $0.first == 58 }) { continue }
            let isPlain = Self.isPlain(bytes)
            let answer = String(decoding: probe.exchange(bytes), as: UTF8.self)
            let status = answer.hasPrefix("HTTP/1.1 ") ? Int(answer.dropFirst(9).prefix(3)) ?? 0 : 0
            #expect((status == 200 || status == 404 || status == 405) == isPlain, "seed \(seed): \(bytes) → \(answer)")
            plain += isPlain ? 1 : 0
        }
        #expect(plain > 30)
    }
}
