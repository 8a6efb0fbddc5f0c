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
    @Test(arguments: [
        "h_bucket{le=\"NaN\"} 1", "h_bucket{le=\"x\"} 1", "h_bucket{} 1", "h_bucket{le=\"1\"} NaN",
        "h_bucket{le=\"1\"} -1",
        "h_bucket{le=\"1\"} 5\nh_bucket{le=\"2\"} 4", "h_bucket{le=\"1\"} 1e308\nh_bucket{le=\"1\",a=\"b\"} 1e308",
    ])
    func `a damaged histogram is none`(page: String) {
        #expect(PrometheusText(page).buckets("h").isEmpty)
    }

    @Test func `words are told by the labels of a sample that is not zero`() {
        let page = PrometheusText(
            "m{version=\"2\"} 0\nm{version=\"3\"} 1\nage{p=\"0\"} 3\nage{p=\"1\"} 7\nage{p=\"2\"} NaN")
        #expect(page.labels("m") == ["version": "3"] && page.labels("n") == nil)
        #expect(page.largest("age") == 7 && page.largest("m2") == nil)
    }

    @Test(arguments: [
        "", "{", "a{", "a{b", "a{b=", "a{b=\"", "a{b=\"\\", "a{b=\"c\"", "a{b=\"c\"}", " 1", "{} 1", "a  2", "a{,} 1",
    ])
    func `a broken line is passed over`(line: String) {
        #expect(PrometheusText(line).samples.count <= 1)
        #expect(PrometheusText(line + "\nb 2").sum("b") == 2)
    }

    @Test func `quotes and names are bytes, whatever mark stands behind them`() {
        let page = PrometheusText(
            """
            a{topic="x\u{301}",part="1"} 1
            a{topic="\u{301}",part="\u{327}y"} 2
            \u{212A} 3
            """)
        #expect(page.samples.map(\.value) == [1, 2, 3])
        #expect(page.samples[0].labels["part"] == "1")
        #expect(Array((page.samples[1].labels["topic"] ?? "").utf8) == [0xCC, 0x81])
        #expect(page.sum("K") == nil)
    }
}
