/// The keys of the online store.
public enum OnlineKeys {
    /// One entity's blob in one view: `{project}:{view}:{hash8}:{entity}`.
    public static func blob(project: String, view: String, hash8: String, entity: String) -> String {
        "\(project):\(view):\(hash8):\(entity)"
    }

    /// How far one partition has been published: `wm:{hash8}:{topic}:{partition}`. Its value is the generation and the next
    /// offset, both u64 big-endian.
    public static func watermark(hash8: String, topic: String, partition: Int) -> String {
        "wm:\(hash8):\(topic):\(partition)"
    }
}
