import FeatureEngine
import Foundation
import FraudModel
import GradientBoosting
import JSON
import TestSupport
import Testing

/// Model files that were damaged, or made to harm.
@Suite struct HostileModelTests {
    /// Everything that is done with a model: compiled, scored, explained. Throws what the file deserves.
    @discardableResult
    private func use(_ bytes: [UInt8]) throws -> Float {
        let predictor = try Predictor(BoosterModel(bytes, file: "model"))
        var inputs = predictor.makeInputs()
        for index in 0..<predictor.featureCount { inputs.set(index, Double(index)) }
        var contributions: [Double] = []
        let bias = predictor.contributions(&inputs, into: &contributions)
        let margin = predictor.margin(inputs)
        #expect(!margin.isNaN)
        #expect(contributions.allSatisfy { !$0.isNaN } && !bias.isNaN)
        return margin
    }

    /// A tree that splits the same feature `depth` times, each time to a leaf and on.
    private func chain(_ depth: Int) -> DecisionTree {
        var tree = DecisionTree(left: [], right: [], feature: [], condition: [], defaultLeft: [], cover: [])
        func node(_ left: Int32, _ right: Int32, _ condition: Float, _ cover: Float) {
            tree.left.append(left)
            tree.right.append(right)
            tree.feature.append(0)
            tree.condition.append(condition)
            tree.defaultLeft.append(false)
            tree.cover.append(cover)
        }
        for split in 0..<Int32(depth) {
            node(2 * split + 1, 2 * split + 2, Float(split), Float(2 * depth - 2 * Int(split)))
            node(-1, -1, 0.01, 1)
        }
        node(-1, -1, 0.02, 1)
        return tree
    }

    private func predictor(_ trees: [DecisionTree], features: Int = 1) throws -> Predictor {
        try Predictor(
            BoosterModel(
                booster: .trees(trees), baseScore: 0.5, featureCount: features, featureNames: [], version: [1, 7, 4]))
    }

    @Test func `a tree may be as deep as the limit says, and no deeper`() throws {
        let deepest = try predictor([chain(512)])
        for (value, margin) in [(-1.0, Float(0.01)), (600, 0.02), (.nan, 0.02)] {
            var inputs = deepest.makeInputs()
            inputs.set(0, value)
            #expect(deepest.margin(inputs) == margin)
            var contributions: [Double] = []
            let bias = deepest.contributions(&inputs, into: &contributions)
            #expect(abs(contributions[0] + bias - Double(margin)) < 1e-7)
        }
        for depth in [513, 200_000] {
            let error = #expect(throws: ModelError.self) { try predictor([chain(depth)]) }
            #expect(error?.description.contains("deeper than 512") == true, "\(String(describing: error))")
        }
    }

    @Test func `a path may split on 128 different features, and on no more`() throws {
        func wide(_ depth: Int) -> DecisionTree {
            var tree = chain(depth)
            for split in 0..<depth { tree.feature[2 * split] = Int32(split) }
            return tree
        }
        let widest = try predictor([wide(128)], features: 200)
        var inputs = widest.makeInputs()
        for feature in 0..<200 { inputs.set(feature, 1_000) }
        var contributions: [Double] = []
        let bias = widest.contributions(&inputs, into: &contributions)
        #expect(abs(contributions.reduce(bias, +) - 0.02) < 1e-7)
        let error = #expect(throws: ModelError.self) { try predictor([wide(129)], features: 200) }
        #expect(error?.description.contains("128 different features") == true)
    }

    @Test func `loops, shared children, leaves and sums that are no numbers are refused`() throws {
        var loop = chain(3)
        loop.right[4] = 2
        var shared = chain(3)
        shared.left[4] = 3
        var root = chain(3)
        root.left[2] = 0
        var leaf = chain(3)
        leaf.condition[1] = .nan
        var infinite = chain(3)
        infinite.condition[1] = .infinity
        var threshold = chain(3)
        threshold.condition[2] = .nan
        var lowest = chain(3)
        lowest.condition[2] = -.infinity
        var cover = chain(3)
        cover.cover[3] = .infinity
        var large = chain(3)
        large.condition[1] = 3e38
        for (trees, reason) in [
            ([loop], "do not form a tree"), ([shared], "do not form a tree"), ([root], "a child that is not there"),
            ([leaf], "leaf 1 is no number"), ([infinite], "leaf 1 is no number"), ([threshold], "threshold"),
            ([lowest], "threshold"), ([cover], "cover"), ([large, large], "too large"),
        ] {
            let error = #expect(throws: ModelError.self) { try predictor(trees) }
            #expect(error?.description.contains(reason) == true, "\(reason): \(String(describing: error))")
        }
    }

    @Test func `a threshold of infinity parts present values from missing ones`() throws {
        for isMissingLeft in [false, true] {
            let tree = DecisionTree(
                left: [1, -1, -1], right: [2, -1, -1], feature: [0, 0, 0], condition: [.infinity, 1, 2],
                defaultLeft: [isMissingLeft, false, false], cover: [2, 1, 1])
            let model = try predictor([tree])
            var inputs = model.makeInputs()
            #expect(model.margin(inputs) == (isMissingLeft ? 1 : 2))
            for value: Double in [.infinity, 1e39, 0, -.infinity] {
                inputs.set(0, value)
                #expect(model.margin(inputs) == 1)
            }
        }
    }

    /// A container that announces 10,000 empty things, as often as it fits into the file.
    @Test(arguments: ["[$Z#I", "[$[#I", "[$T#I", "{$Z#I", "[#I", "[$d#l", "[$N#I"])
    func `counts in binary JSON are not believed`(container: String) throws {
        var bytes = Array("{i".utf8) + [1] + Array("a[".utf8)
        while bytes.count < 10_000 {
            bytes += Array(container.utf8)
            bytes += container.hasSuffix("l") ? [0, 0, 0x27, 0x10] : [0x27, 0x10]
        }
        bytes += Array("]}".utf8)
        let error = #expect(throws: ModelError.self) { try use(bytes) }
        guard case .malformed(_, let reason) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(reason.contains("left") || reason.contains("without content") || reason.contains("nested"), "\(reason)")
    }

    @Test func `more features than any service has are not allocated`() throws {
        let text = String(decoding: try ModelFixtures.bytes("best-iteration.json"), as: UTF8.self)
        for count in ["65537", "999999", "9223372036854775807", "-1", "0", "1e3"] {
            let changed = text.replacing(#""num_feature": "1""#, with: #""num_feature": "\#(count)""#)
            #expect(changed != text)
            let error = #expect(throws: ModelError.self) { try use(Array(changed.utf8)) }
            #expect(error?.description.contains("num_feature") == true)
        }
    }

    @Test func `special numbers are read as libxgboost writes and reads them`() throws {
        let data = ModelFixtures.data(rows: 300, columns: 4, seed: 31)
        let booster = try ModelFixtures.train(data, columns: 4, rounds: 3)
        let text = String(decoding: try booster.model(format: .json), as: UTF8.self)
        // Where a float may be one: in what is kept for the trees' history only, and in a feature's name it is no number.
        let weights = try #require(text.firstRange(of: #""base_weights":["#)?.upperBound)
        let end = try #require(text[weights...].firstIndex(of: ","))
        for word in ["NaN", "Infinity", "-Infinity"] {
            var special = text.replacingCharacters(in: weights..<end, with: word)
            special = special.replacing(#""feature 1""#, with: #""NaN \\\" Infinity""#)
            let model = try BoosterModel(json: Array(special.utf8), file: "model.json")
            #expect(model.featureNames[1] == #"NaN \" Infinity"#)
            // The library reads the same file, and both score alike.
            let reference = try Booster(model: Array(special.utf8), threads: 1)
            let predictor = try Predictor(model)
            let margins = try reference.predictMargin(DataMatrix(data.values, columnCount: 4, threads: 1))
            for row in 0..<100 {
                var inputs = predictor.makeInputs()
                for column in 0..<4 { inputs.set(column, Double(data.values[row * 4 + column])) }
                #expect(predictor.margin(inputs) == margins[row])
            }
        }
        // Where it counts, it is refused in a sentence.
        let threshold = try #require(text.firstRange(of: #""split_conditions":["#)?.upperBound)
        let next = try #require(text[threshold...].firstIndex(of: ","))
        let error = #expect(throws: ModelError.self) {
            try use(Array(text.replacingCharacters(in: threshold..<next, with: "NaN").utf8))
        }
        #expect(error?.description.contains("threshold that is no number") == true, "\(String(describing: error))")
        // Other words are not JSON.
        #expect(throws: ModelError.self) {
            try use(Array(text.replacingCharacters(in: weights..<end, with: "nan").utf8))
        }
    }

    /// Two small trees; every byte of the file changed in nine ways. It may still be a model, but never a crash, and never an
    /// answer that is no number.
    @Test(arguments: [ModelFormat.json, .ubj])
    func `every damage of one byte is refused or harmless`(format: ModelFormat) throws {
        let data = ModelFixtures.data(rows: 60, columns: 2, seed: 32)
        let booster = try ModelFixtures.train(data, columns: 2, rounds: 2, [("max_depth", "2")])
        let sound = try booster.model(format: format)
        let margin = try use(sound)
        var refused = 0
        for place in sound.indices {
            let changes = (0..<8).map { sound[place] ^ (1 << $0) } + [UInt8(ascii: "9")]
            for change in changes {
                var damaged = sound
                damaged[place] = change
                do { try use(damaged) } catch is ModelError { refused += 1 }
            }
        }
        #expect(refused > sound.count)
        for length in 0..<sound.count { #expect(throws: ModelError.self) { try use(Array(sound[..<length])) } }
        #expect(try use(sound) == margin)
    }

    @Test(arguments: ["../secret.json", "/etc/passwd", "data/../../secret.json", "a//b", "..", ""])
    func `an MLmodel cannot lead out of its folder`(path: String) throws {
        let folder = try TestEnvironment.temporaryFolder("models")
        try FileManager.default.createDirectory(atPath: folder + "/model", withIntermediateDirectories: true)
        try Data(ModelFixtures.bytes("linear.json")).write(to: URL(fileURLWithPath: folder + "/secret.json"))
        try Data("flavors:\n  python_function:\n    data: \(path)\n".utf8).write(
            to: URL(fileURLWithPath: folder + "/model/MLmodel"))
        let error = #expect(throws: ModelError.self) { try ScoringModel.load(directory: folder + "/model") }
        #expect(path.isEmpty || error?.description.contains("inside the model's folder") == true)
    }

    @Test func `an MLmodel names a file below its folder`() throws {
        let folder = try TestEnvironment.temporaryFolder("models")
        try FileManager.default.createDirectory(atPath: folder + "/data", withIntermediateDirectories: true)
        try Data(ModelFixtures.bytes("linear.json")).write(to: URL(fileURLWithPath: folder + "/data/model.json"))
        try Data("    data: data/model.json\n".utf8).write(to: URL(fileURLWithPath: folder + "/MLmodel"))
        #expect(try ScoringModel.load(directory: folder).featureNames.count == 2)
    }
}
