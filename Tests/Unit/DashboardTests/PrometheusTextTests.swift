import Dashboard
import Testing

@Suite struct PrometheusTextTests {
    @Test func `reads names, labels with escapes, and special values`() {
        let page = PrometheusText(
            """
            # HELP a What a is.
            # TYPE a counter
            a 3
            a_total{topic="x, \\"y\\" } z",partition="0"} 1.5e3
            a_total{topic="b",partition="1"} 2
            nan NaN
            not a sample
            h_bucket{le="0.1",loop="0"} 1
            h_bucket{le="0.1",loop="1"} 2
            h_bucket{le="+Inf",loop="0"} 4
            h_bucket{le="+Inf",loop="1"} 5
            """)
        #expect(page.sum("a") == 3)
        #expect(page.sum("a_total") == 1502)
        #expect(page.sum("a_total") { $0["topic"] == "x, \"y\" } z" } == 1500)
        #expect(page.sum("missing") == nil)
        #expect(page.sum("nan")?.isNaN == true)
        #expect(page.buckets("h").map(\.upperBound) == [0.1, .infinity])
        #expect(page.buckets("h").map(\.count) == [3, 9])
    }
}
