import TestSupport
import Testing

@testable import RedisClient

@Suite struct RedisReplyReaderTests {
    enum Outcome: Equatable {
        case reply(RedisReplyReader.Kind, [[UInt8]?])
        case malformed
    }

    /// Feeds bytes in pieces and takes every answer out.
    private func outcomes(_ bytes: [UInt8], piece: Int) -> [Outcome] {
        var reader = RedisReplyReader()
        var found: [Outcome] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            reader.append(rest.prefix(piece))
            rest = rest.dropFirst(piece)
            reading: while true {
                switch reader.next() {
                case .incomplete: break reading
                case .malformed: return found + [.malformed]
                case .reply(let kind):
                    let values = reader.values
                    var copies: [[UInt8]?] = []
                    for index in 0..<values.count { copies.append(values.copy(index)) }
                    found.append(.reply(kind, copies))
                    reader.drop()
                }
            }
        }
        return found
    }

    private func outcomes(_ text: String, piece: Int = .max) -> [Outcome] { outcomes(Array(text.utf8), piece: piece) }

    @Test(arguments: [1, 2, 3, 7, 64, 1_000, Int.max])
    func `answers are the same however their bytes are split`(piece: Int) {
        let long = String(repeating: "x", count: 200_000)
        let stream =
            "+PONG\r\n*3\r\n$2\r\na\n\r\n$-1\r\n$0\r\n\r\n-ERR no\r\n:42\r\n*0\r\n*-1\r\n$1\r\nz\r\n*2\r\n:7\r\n$200000\r\n\(long)\r\n$3\r\nend\r\n"
        #expect(
            outcomes(stream, piece: piece) == [
                .reply(.status, [Array("PONG".utf8)]), .reply(.array, [Array("a\n".utf8), nil, []]),
                .reply(.error, [Array("ERR no".utf8)]), .reply(.value, [nil]), .reply(.array, []),
                .reply(.value, [nil]), .reply(.value, [Array("z".utf8)]),
                .reply(.array, [nil, Array(long.utf8)]), .reply(.value, [Array("end".utf8)]),
            ])
    }

    @Test(arguments: [
        "?\r\n", "$x\r\n", "$\r\n", "$-2\r\n", "$536870913\r\n", "$99999999999999999999\r\n", "*1048577\r\n", "*-2\r\n",
        "*1\r\n*1\r\n", "*1\r\n-ERR\r\n", "$1\r\nabc\r\n", "$1\r\na\r\r\n", ":\r\n", ":1x\r\n", ":--1\r\n", "%1\r\n",
    ])
    func `what is not the protocol is malformed, and no number of it is believed`(text: String) {
        #expect(outcomes(text).last == .malformed)
        #expect(outcomes(text, piece: 1).last == .malformed)
    }

    @Test func `a line without an end is given up`() {
        #expect(outcomes("-" + String(repeating: "e", count: 65_000)) == [])
        #expect(outcomes("-" + String(repeating: "e", count: 70_000)) == [.malformed])
    }

    @Test func `hostile bytes neither trap nor read past their end`() {
        var random = SplitMix64(5)
        let alphabet = Array("$*:+-0123456789\r\nab".utf8)
        for _ in 0..<5_000 {
            let bytes = (0..<Int.random(in: 0...40, using: &random)).map { _ in
                alphabet[Int.random(in: 0..<alphabet.count, using: &random)]
            }
            #expect(outcomes(bytes, piece: 3) == outcomes(bytes, piece: .max))
        }
    }
}

@Suite struct RedisAddressTests {
    @Test func `a Unix socket is an address`() throws {
        let plain = try RedisAddress(url: "unix:///run/redis/r.sock")
        #expect((plain.socketPath, plain.database, plain.password) == ("/run/redis/r.sock", 0, nil))
        #expect(plain.name == "/run/redis/r.sock")
        let full = try RedisAddress(url: "unix://me:s%3Acret@/run/a%20b@c.sock?db=3&timeout=1")
        #expect((full.socketPath, full.user, full.password) == ("/run/a b@c.sock", "me", "s:cret"))
        #expect(full.database == 3)
        #expect(try RedisAddress(url: "redis://h:7").socketPath == nil)
    }

    @Test(arguments: [
        "unix://", "unix:///", "unix://run/r.sock", "unix://secret@/r.sock", "unix:///r.sock?db=x",
        "unix:///r.sock?db=-1", "unix:/r.sock", "unix:///r%zz",
    ])
    func `what names no socket is refused`(url: String) {
        #expect {
            _ = try RedisAddress(url: url)
        } throws: { error in
            !"\(error)".contains("secret")
        }
    }
}
