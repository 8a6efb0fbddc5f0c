import Dashboard
import Testing

@testable import TerminalUI

@Suite struct PlotPanelTests {
    /// The colours of each plot's lowest row, with a part that does not answer.
    private static func colors(without part: String) throws -> [Color?] {
        var model = DashboardModel(project: "fraud", columns: try PredictionColumnsTests.cards())
        for round in 0..<40 {
            var observation = DashboardViewTests.observation(round)
            observation.parts = DashboardViewTests.up.map { ($0.name, $0.name == part ? .down("refused") : .up) }
            update(&model, .observed(observation))
        }
        let size = Size(200, 60)
        let frame = view(model, size)
        let row = try #require(frame.lines.firstIndex { $0.contains("events/s") })
        let bottom = try #require((row + 1..<size.height).first { frame[0, $0].text == "└" }) - 1
        return (0..<5).map { frame[$0 * 40 + 37, bottom].style.color }
    }

    @Test(arguments: [
        ("kafka", [Color.cyan, .cyan, .cyan, .cyan, .cyan]), ("transform", [.grey, .cyan, .cyan, .cyan, .cyan]),
        ("api", [.cyan, .grey, .grey, .grey, .cyan]), ("postgres", [.cyan, .cyan, .cyan, .cyan, .grey]),
    ])
    func `a plot is dim when who tells its figure does not answer`(part: String, expected: [Color]) throws {
        #expect(try Self.colors(without: part) == expected)
    }
}
