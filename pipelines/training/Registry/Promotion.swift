internal import Foundation
internal import PostgresOfflineStore
internal import ServiceRuntime

/// What every command that makes a champion asks: by how much it must be better, who says so and who has to agree.
enum Promotion {
    static let margin = Setting<Double>(
        "margin", default: 0, in: 0...1,
        help: "By how much a challenger's average precision must be above the champion's, in 95 % of the draws.",
        environment: "PROMOTION_MARGIN")
    static let approve: Setting<Bool> = .needsApproval
    static let by = Setting<String?>(
        "by", help: "Who does it, for the history; without it the user's name.", flagOnly: true, placeholder: "NAME")

    static func apply(_ settings: Settings, to run: inout TrainingRun) throws(CommandError) {
        run.margin = settings[margin]
        run.needsApproval = settings[approve]
        run.forces = settings[TrainCommand.force]
        run.actor = try actor(settings)
    }

    /// Who does it.
    static func actor(_ settings: Settings) throws(CommandError) -> String {
        let name = settings[by] ?? NSUserName()
        guard !name.isEmpty, name.utf8.count <= 256 else {
            throw CommandError(.usage, "--by takes a name of 1 to 256 bytes.")
        }
        return name
    }
}
