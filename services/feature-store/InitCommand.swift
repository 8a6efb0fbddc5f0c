import Compression
import FeatureEngine
import FeatureStore
import Foundation
import Observability
public import ServiceRuntime
import Text
import TransactionData

/// `needletail init my.csv`: proposes definitions for a file of one's own.
public struct InitCommand: Command {
    /// What calls it.
    public static let name = "init"
    /// It is one of the feature commands too.
    public static let aliases = ["features init"]
    public static let summary = "Propose definitions for a CSV of your own, every guess a comment."
    public static let example = "needletail init my.csv && DATA=my.csv FEATURE_REPO=my_repo make up"
    /// What follows.
    public static let arguments = "FILE"
    /// More lines of help.
    public static let details = """
        It reads the first rows and writes a folder of definitions: which column is the event's id, its time and in which
        format, whose the event is, the label and the amount, the type of each, and a first view and service over them.
        Read what it wrote before you use it: the rows behind the first may be otherwise.

        The file may be packed (.gz, .zst, the one CSV of a .zip); its cells may be separated by commas, semicolons, tabs or
        bars. A folder that is there already is never written to.
        """
    public static let settings: [any SettingProtocol] = [output, rows]

    static let output = Setting<String?>(
        "output", help: "The folder to write; without it FILE's name with _repo behind it.", flagOnly: true,
        placeholder: "DIR")
    static let rows = Setting<Int>(
        "rows", default: 10_000, in: 10...1_000_000, help: "How many rows to look at.", flagOnly: true)

    /// Most bytes of cells that are kept to be looked at.
    private static let sampleBytes = 256 << 20

    public init() {}

    /// Reads, chooses, writes.
    public func run(_ settings: Settings, _ runtime: ServiceRuntime) async throws {
        guard settings.arguments.count == 1, let file = settings.arguments.first else {
            throw CommandError(.usage, "give one CSV file, or - for standard input.")
        }
        let source = Self.sourceName(file)
        let folder = settings[Self.output] ?? "\(source)_repo"
        guard !FileManager.default.fileExists(atPath: folder) else {
            throw CommandError(.cannotCreate, "\(folder) is there already; give --output another folder.")
        }
        let limit = settings[Self.rows]
        let (columns, refused) = try await runtime.onThread("init") { try Self.sample(file, limit) }
        if refused > 0 { runtime.log.warning("rows that are no CSV were passed over", ["rows": refused]) }
        let proposal = try RepositoryProposal(columns, file: file)
        let files = try Self.write(proposal, source: source, file: file, to: folder)
        try runtime.print(Self.report(proposal, files, file: file, folder: folder))
    }

    /// The columns of the first rows, and how many rows were none.
    static func sample(_ file: String, _ limit: Int) throws -> (columns: [ColumnProfile], refused: Int) {
        do {
            let reader = try CSVReader(.open(file))
            var cells = [[ByteString]](repeating: [], count: reader.header.count)
            var (rows, refused, bytes) = (0, 0, 0)
            while rows + refused < limit, bytes < sampleBytes, try reader.next() {
                guard reader.defect == nil, reader.cellCount == reader.header.count else {
                    refused += 1
                    continue
                }
                rows += 1
                for index in cells.indices {
                    let cell = reader.withCell(index) { ByteString(copying: $0) }
                    bytes += cell.bytes.count
                    cells[index].append(cell)
                }
            }
            guard rows > 1 else {
                throw CommandError(
                    .dataError,
                    "\(file) has \(rows == 0 ? "no row" : "one row") below its header: give a file with some."
                )
            }
            return (zip(reader.header, cells).map { ColumnProfile(name: $0, cells: $1) }, refused)
        } catch let error as CompressionError {
            throw CommandError(.noInput, "\(error).")
        } catch let error as CSVError {
            throw CommandError(.dataError, "\(error).")
        }
    }

    /// `my payments.csv.gz` is `my_payments`.
    static func sourceName(_ file: String) -> String {
        var name = file.split(separator: "/").last.map(String.init) ?? ""
        for ending in [".gz", ".zst", ".zip", ".csv", ".tsv", ".txt"] where name.lowercased().hasSuffix(ending) {
            name.removeLast(ending.count)
        }
        return RepositoryProposal.identifier(name, else: "events").lowercased()
    }

    /// Writes the files beside their place, reads them as every command would, and puts them in place. Names that Needletail uses
    /// itself get another ending.
    static func write(
        _ proposal: RepositoryProposal, source: String, file: String, to folder: String
    ) throws(CommandError) -> [String] {
        let partial = "\(folder).partial"
        defer { try? FileManager.default.removeItem(atPath: partial) }
        var problem = ""
        for name in [source, "\(source)_events"] {
            let files = proposal.files(named: name, from: file)
            do {
                try? FileManager.default.removeItem(atPath: partial)
                try FileManager.default.createDirectory(atPath: partial, withIntermediateDirectories: true)
                for file in files {
                    try Data(file.text.utf8).write(to: URL(fileURLWithPath: "\(partial)/\(file.name)"))
                }
                _ = try FeatureRepository.load(directory: partial, environment: [:])
                try FileManager.default.moveItem(atPath: partial, toPath: folder)
                return files.map(\.name)
            } catch let error as DefinitionError {
                problem = error.description
            } catch {
                throw CommandError(.cannotCreate, "\(folder) cannot be written: \(error.localizedDescription).")
            }
        }
        throw CommandError(.software, "the proposal is no valid definition: \(problem)")
    }

    static func report(_ proposal: RepositoryProposal, _ files: [String], file: String, folder: String) -> String {
        var table = TextTable(["GUESS", "COLUMN", "WHY"])
        let rows = Padding.grouped(proposal.rows)
        table.add(["event id", proposal.eventID.name, "another value in each of \(rows) rows"])
        let (time, order) = (proposal.timeProfile, proposal.timeProfile.ordered)
        table.add([
            "time", proposal.time.name,
            "\(time.format.name)\(order < 1 ? "; the rows are not in its order: sort them" : "")",
        ])
        table.add(["key", proposal.key.name, "\(Padding.grouped(proposal.key.distinct)) different in \(rows) rows"])
        table.add([
            "label", proposal.label?.name ?? "-",
            proposal.label == nil ? "no column of only 0 and 1: no model can be trained" : "only 0 and 1, after 7d",
        ])
        table.add([
            "amount", proposal.amount?.name ?? "-", proposal.amount.map { proposal.declaration($0).type } ?? "-",
        ])
        for column in proposal.leftOut { table.add(["left out", column.name, column.reason]) }
        let (data, repository) = (shellWord(file), shellWord(folder))
        return """
            \(table.text)

            Wrote \(files.count) files into \(folder): read them, each guess is a comment. Then
              needletail features apply --feature-repo \(repository)
            or all of it: DATA=\(data) FEATURE_REPO=\(repository) make up
            """
    }

    /// A word as a shell takes it.
    private static func shellWord(_ text: String) -> String {
        let isPlain = text.utf8.allSatisfy { byte in
            (0x61...0x7A).contains(byte | 0x20) || (0x2B...0x3A).contains(byte) || byte == 0x5F || byte == 0x3D
        }
        return isPlain && !text.isEmpty ? text : "'\(text.replacing("'", with: "'\\''"))'"
    }
}
