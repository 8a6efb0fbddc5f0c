/// The keys of the online store; what is stored under them: docs/design.md, Formats.
public enum OnlineKeys {
    /// One entity's blob in one view: `{project}:{view}:{hash8}:{entity}`.
    public static func blob(project: String, view: String, hash8: String, entity: String) -> String {
        "\(project):\(view):\(hash8):\(entity)"
    }

    /// How far one partition is complete: `wm:{hash8}:{topic}:{partition}`. Its value is a `Watermark`.
    public static func watermark(hash8: String, topic: String, partition: Int) -> String {
        "wm:\(hash8):\(topic):\(partition)"
    }

    /// Which entities one partition has: the watermark's key and `:known`. Its value is that of `KnownEntities`.
    public static func known(watermarkKey: String) -> String { watermarkKey + ":known" }

    /// When the partition was last known to be at its log's end: the watermark's key and `:alive`. Its value is a
    /// `Heartbeat`.
    public static func alive(watermarkKey: String) -> String { watermarkKey + ":alive" }
}
