public import FeatureStore
public import Observability
public import ServiceRuntime

extension SettingProtocol where Self == Setting<Bool> {
    /// Whether a Redis that evicts is put up with.
    public static var allowEvictingRedis: Setting<Bool> {
        Setting(
            "allow-evicting-redis", default: false,
            help: "Run on a Redis that may throw keys away; answers about lost cards are then degraded.")
    }
}

/// Which online store is good enough: one that keeps what it was given.
public enum OnlineStorePolicy {
    /// Throws the sentence to stop with when the store may lose state by itself and nobody allowed that. One small command, so it
    /// can be asked again and again while a service runs; returns the same reason where it is allowed, nil where all is well.
    @discardableResult public static func check(_ store: some OnlineStore, isAllowed: Bool) throws -> String? {
        guard let reason = try store.evictionWarning() else { return nil }
        guard isAllowed else { throw CommandError(.configuration, sentence(reason)) }
        return reason
    }

    /// What is wrong with a store that gave this warning, and what to do.
    public static func sentence(_ warning: String) -> String {
        "Redis may throw features away (\(warning)). Set `maxmemory-policy noeviction`, or allow it with "
            + "--allow-evicting-redis."
    }

    /// The metric of both services that use the store.
    public static func gauge(_ metrics: MetricsRegistry) -> Gauge {
        metrics.gauge(
            "needletail_online_store_evicts", help: "1 while the online store may throw features away by itself.")
    }
}
