import FeatureEngine
import Glibc
import Observability
import PostgresClient
import ServiceRuntime
import Synchronization

/// Which partitions belong to which process of one TRANSFORM_GROUP, agreed on in Postgres.
///
/// Why not by Kafka's consumer groups: a group learns that a member is dead by its silence, so a process that was killed and
/// started again waits for its own dead membership, 8 to 11 seconds. Postgres learns it at once: a killed process's sockets are
/// closed by its kernel, and a session's advisory locks end with the session. Nothing is lost by it: nothing can be stored while
/// Postgres is away, and who may write is decided by the epoch of `partition_state`, whatever the processes believe.
///
/// Every process holds one session with one advisory lock, (hash of the group, its number); the lowest free number is taken, so a
/// successor has its predecessor's number and its partitions, and the others keep theirs. Every quarter of a second it asks who
/// holds a lock. The question is the heartbeat, too: `pg_stat_activity` has the time of each session's last one, and a process
/// that has not asked for ten seconds (stopped, or its machine is gone) does not count. From the same list all compute the same
/// shares; while lists differ for a moment, two owners of a partition fence each other and none stores anything twice. A session
/// that is lost ends the ownership at once; ids that were read stay, for nobody may have claimed meanwhile.
final class TransformGroup: Sendable {
    struct Membership: Equatable, Sendable {
        var number: Int
        var members: [Int]
    }

    private static let pauseMillis = 250
    private static let membersMax = 1_000
    private let databaseURL: String
    private let key: Int32
    private let membership = Mutex<Membership?>(nil)
    private let trouble = Mutex<(sinceMillis: Int64, reason: String)?>(nil)

    init(_ group: String, databaseURL: String) {
        self.databaseURL = databaseURL
        key = Int32(truncatingIfNeeded: FNV1a64.hash("needletail \(group)".utf8) & 0x7FFF_FFFF)
    }

    /// Who belongs to the group; nil while this process does not.
    var current: Membership? { membership.withLock { $0 } }

    /// How long this process has belonged to no group, and why; nil while it does. Then it owns no partition that could be late.
    func absence(nowMillis: Int64) -> (seconds: Int64, reason: String)? {
        trouble.withLock { $0.map { ((nowMillis - $0.sinceMillis) / 1_000, $0.reason) } }
    }

    /// Takes part until the program stops.
    func run(_ runtime: ServiceRuntime) {
        var connection: PostgresConnection?
        while !runtime.isStopping {
            do {
                let open =
                    try connection
                    ?? PostgresConnection(
                        url: databaseURL, applicationName: "needletail-transform-group", limits: Self.limits)
                connection = open
                let number = try current?.number ?? take(open)
                try look(open, number, runtime.log)
            } catch {
                runtime.log.debug("the group cannot be asked", ["error": "\(error)"])
                membership.withLock { $0 = nil }
                trouble.withLock { $0 = ($0?.sinceMillis ?? StageClock.millis(), "\(error)") }
                connection?.close()
                connection = nil
            }
            usleep(UInt32(Self.pauseMillis) * 1_000)
        }
        membership.withLock { $0 = nil }
        connection?.close()
    }

    /// For a connection that asks one small question again and again.
    static let limits: PostgresLimits = {
        var limits = PostgresLimits()
        limits.silenceMillis = 5_000
        return limits
    }()

    private func take(_ connection: PostgresConnection) throws -> Int {
        for number in 0..<Self.membersMax {
            let result = try connection.execute("SELECT pg_try_advisory_lock(\(key), \(number))::int")
            if result.integer(0, 0) == 1 { return number }
        }
        throw PostgresError.unexpectedResult("\(Self.membersMax) processes are in the group")
    }

    private func look(_ connection: PostgresConnection, _ number: Int, _ log: Log) throws {
        let result = try connection.execute(
            """
            SELECT l.objid::bigint FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid \
            WHERE l.locktype = 'advisory' AND l.classid = \(key)::oid AND l.objsubid = 2 AND l.granted \
            AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
            AND (l.pid = pg_backend_pid() OR a.query_start > clock_timestamp() - interval '10 s') ORDER BY 1
            """)
        let members = (0..<result.count).compactMap { result.integer($0, 0).map { Int($0) } }
        guard members.contains(number) else { throw PostgresError.unexpectedResult("the group's lock is lost") }
        trouble.withLock { $0 = nil }
        let found = Membership(number: number, members: members)
        guard found != current else { return }
        membership.withLock { $0 = found }
        log.info("the group changed", ["number": number, "members": members.count])
    }

    /// Who owns each of so many partitions: every member as many as any other, or one more. A member that comes or goes moves few
    /// partitions but its own: each has an order of preference among the members (rendezvous hashing), bounded by a fair load.
    static func owners(partitions: Int, members: [Int]) -> [Int] {
        guard !members.isEmpty else { return [] }
        let share = partitions / members.count
        var larger = partitions % members.count  // members that take one more
        var load: [Int: Int] = [:]
        return (0..<partitions).map { partition in
            let open = members.filter { member in
                let load = load[member, default: 0]
                return load < share || (load == share && larger > 0)
            }
            let owner = open.max { weight(partition, $0) < weight(partition, $1) } ?? members[0]
            if load[owner, default: 0] == share { larger -= 1 }
            load[owner, default: 0] += 1
            return owner
        }
    }

    private static func weight(_ partition: Int, _ member: Int) -> UInt64 {
        var hash = UInt64(truncatingIfNeeded: partition) &* 0x9e37_79b9_7f4a_7c15
        hash = (hash ^ UInt64(truncatingIfNeeded: member)) &* 0xff51_afd7_ed55_8ccd
        hash = (hash ^ hash >> 33) &* 0xc4ce_b9fe_1a85_ec53
        return hash ^ hash >> 33
    }
}
