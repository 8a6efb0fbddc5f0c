internal import Glibc

extension Response {
    /// An answer 400 that ends its connection, as it goes over the wire.
    func closingBytes() -> [UInt8] {
        var now = time(nil)
        var date = unsafe tm()
        var text = [CChar](repeating: 0, count: 32)
        unsafe gmtime_r(&now, &date)
        let count = unsafe strftime(&text, text.count, "%a, %d %b %Y %H:%M:%S GMT", &date)
        let head = """
            HTTP/1.1 \(status) Bad Request\r
            Date: \(String(decoding: text.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self))\r
            Connection: close\r
            Content-Type: \(contentType)\r
            Content-Length: \(body.count)\r
            \r

            """
        return Array(head.utf8) + body
    }
}
