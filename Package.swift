// swift-tools-version: 6.2
import PackageDescription

let isCI = Context.environment["CI"] != nil
let common: [SwiftSetting] =
    [
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    ] + (isCI ? [.treatAllWarnings(as: .error)] : [])  // a newer compiler must not break a user's build
let wrapsC = common + [.strictMemorySafety()]  // every touch of a pointer is marked `unsafe`

func library(_ name: String, in folder: String? = nil, depending dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, path: folder ?? "packages/\(name)", swiftSettings: common)
}
func wrapper(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, path: "packages/\(name)", swiftSettings: wrapsC)
}
func system(_ name: String, _ pkgConfig: String?, _ package: String) -> Target {
    .systemLibrary(
        name: name, path: "packages/\(name)", pkgConfig: pkgConfig, providers: [.apt([package])])
}
func unitTests(_ target: String, _ more: [Target.Dependency] = [], fixtures: Bool = false) -> Target {
    .testTarget(
        name: "\(target)Tests", dependencies: [.byName(name: target), "TestSupport"] + more,
        path: "Tests/Unit/\(target)Tests", exclude: fixtures ? ["Fixtures"] : [], swiftSettings: common)
}
func integrationTests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(
        name: name, dependencies: ["TestSupport"] + dependencies, path: "Tests/Integration/\(name)",
        swiftSettings: common)
}

// Top to bottom in dependency order.
let package = Package(
    name: "needletail",
    products: [.executable(name: "needletail", targets: ["needletail"])],
    targets: [
        // C libraries
        system("CRdKafka", "rdkafka", "librdkafka-dev"),
        system("CHiredis", nil, "libhiredis-dev"),  // its .pc names a flag that the package manager refuses
        system("CLibPQ", "libpq", "libpq-dev"),
        system("CXGBoost", "xgboost", "libxgboost-dev"),
        system("CLBFGS", "liblbfgs", "liblbfgs-dev"),
        system("CLibEvent", "libevent", "libevent-dev"),
        system("CMicroHTTPD", "libmicrohttpd", "libmicrohttpd-dev"),
        system("CLibYAML", "yaml-0.1", "libyaml-dev"),
        system("CZlib", "zlib", "zlib1g-dev"),
        system("CZstd", "libzstd", "libzstd-dev"),
        .target(
            name: "CSimdJSON", path: "packages/CSimdJSON", publicHeadersPath: "include",
            linkerSettings: [.linkedLibrary("simdjson")]),
        .target(name: "CContributions", path: "packages/CContributions", publicHeadersPath: "include"),
        .target(name: "CCRC32C", path: "packages/CCRC32C", publicHeadersPath: "include"),

        // core
        library("Text"),
        library("FeatureEngine", depending: ["Text"]),
        library("Observability", depending: ["Text"]),
        library("ServiceRuntime", depending: ["Observability", "Text"]),
        wrapper("TerminalUI", ["Text"]),

        // wrappers
        wrapper("KafkaClient", ["CRdKafka"]),
        wrapper("EventLoop", ["CLibEvent"]),
        wrapper("RedisClient", ["CHiredis", "EventLoop"]),
        wrapper("PostgresClient", ["CLibPQ"]),
        wrapper("GradientBoosting", ["CXGBoost"]),
        wrapper("LBFGS", ["CLBFGS"]),
        wrapper("YAML", ["CLibYAML"]),
        .target(
            name: "JSON", dependencies: ["CSimdJSON"], path: "packages/JSON",
            swiftSettings: wrapsC + [.enableExperimentalFeature("Lifetimes")]),
        wrapper("Compression", ["CZlib", "CZstd"]),

        // serving and broker
        wrapper("HTTPServer", ["CMicroHTTPD", "EventLoop", "JSON"]),
        library("AdminServer", depending: ["HTTPServer", "EventLoop", "Observability"]),
        wrapper("KafkaProtocol", ["CCRC32C"]),
        wrapper("KafkaBroker", ["KafkaProtocol", "EventLoop", "Observability", "Compression", "Text"]),

        // stores and data
        library("FeatureStore", depending: ["FeatureEngine", "YAML", "Text", "CCRC32C"]),
        library("Parquet", depending: ["Compression", "FeatureEngine"]),
        library("TransactionData", depending: ["FeatureEngine", "JSON", "Compression", "Parquet", "Text"]),
        library("Pipeline", depending: ["FeatureStore", "FeatureEngine", "TransactionData", "JSON"]),
        library("RedisOnlineStore", depending: ["FeatureStore", "RedisClient"]),
        .target(
            name: "PostgresOfflineStore",
            dependencies: ["Pipeline", "FeatureStore", "FeatureEngine", "PostgresClient", "JSON"],
            path: "packages/PostgresOfflineStore", resources: [.embedInCode("Migrations")], swiftSettings: common),

        // recovery: a state machine without I/O
        library("StreamRecovery"),

        // model
        library(
            "FraudModel",
            depending: [
                "CContributions", "GradientBoosting", "LBFGS", "FeatureStore", "FeatureEngine", "JSON", "Text",
            ]),

        // what commands share
        library(
            "PipelineRuntime",
            depending: ["ServiceRuntime", "Observability", "Pipeline", "FeatureStore", "FeatureEngine", "KafkaClient"]),

        library("MLflow", depending: ["ServiceRuntime", "JSON"]),

        // services and pipelines
        library(
            "KafkaProducerService", in: "services/kafka-producer",
            depending: [
                "Pipeline", "PipelineRuntime", "ServiceRuntime", "Observability", "TransactionData", "FeatureStore",
                "FeatureEngine", "KafkaClient",
                "AdminServer", "JSON", "Compression",
            ]),
        library(
            "FeatureTransformer", in: "services/feature-transformer",
            depending: [
                "Pipeline", "PipelineRuntime", "ServiceRuntime", "Observability", "TransactionData", "FeatureStore",
                "FeatureEngine", "KafkaClient", "KafkaProtocol",
                "RedisOnlineStore", "PostgresOfflineStore", "RedisClient", "PostgresClient", "AdminServer",
                "StreamRecovery",
            ]),
        library(
            "FeatureStoreCommands", in: "services/feature-store",
            depending: [
                "Pipeline", "PipelineRuntime", "ServiceRuntime", "Observability", "FeatureStore",
                "FeatureEngine", "KafkaClient", "RedisOnlineStore", "PostgresOfflineStore", "PostgresClient", "JSON",
                "Text", "TransactionData", "Compression", "RedisClient", "HTTPServer", "EventLoop", "AdminServer",
            ]),
        .target(
            name: "PredictionAPI",
            dependencies: [
                "Pipeline", "PipelineRuntime", "ServiceRuntime", "Observability", "TransactionData", "FeatureStore",
                "FeatureEngine", "FraudModel", "KafkaClient", "RedisClient", "RedisOnlineStore",
                "PostgresOfflineStore", "AdminServer", "HTTPServer", "EventLoop", "JSON", "PostgresClient", "Text",
                "MLflow",
            ], path: "services/prediction-api", resources: [.embedInCode("Docs")], swiftSettings: common),
        library(
            "Dashboard", in: "services/dashboard",
            depending: [
                "Pipeline", "PipelineRuntime", "ServiceRuntime", "Observability", "TerminalUI", "KafkaClient",
                "PostgresClient", "RedisClient", "RedisOnlineStore", "FeatureStore", "FeatureEngine", "FraudModel",
                "PostgresOfflineStore", "JSON", "Text",
            ]),
        library(
            "KafkaBrokerService", in: "services/kafka-broker",
            depending: ["ServiceRuntime", "Observability", "KafkaBroker"]),
        library(
            "Scheduler", in: "services/scheduler",
            depending: ["ServiceRuntime", "Observability", "AdminServer", "Text"]),
        library(
            "BatchFeatures", in: "pipelines/batch-features",
            depending: [
                "Pipeline", "PipelineRuntime", "ServiceRuntime", "Observability", "TransactionData", "FeatureStore",
                "FeatureEngine", "Parquet",
                "PostgresOfflineStore", "PostgresClient", "Compression", "JSON",
            ]),
        library(
            "Training", in: "pipelines/training",
            depending: [
                "PipelineRuntime", "ServiceRuntime", "Observability", "TransactionData", "FeatureStore",
                "FeatureEngine", "FraudModel", "PostgresOfflineStore", "PostgresClient", "JSON", "Compression", "Text",
                "YAML", "MLflow",
            ]),
        library(
            "Retention", in: "pipelines/retention",
            depending: [
                "ServiceRuntime", "PipelineRuntime", "Observability", "Pipeline", "FeatureStore", "FeatureEngine",
                "PostgresOfflineStore", "PostgresClient",
            ]),
        .executableTarget(
            name: "needletail",
            dependencies: [
                "ServiceRuntime", "KafkaProducerService", "FeatureTransformer", "FeatureStoreCommands",
                "PredictionAPI", "Dashboard", "KafkaBrokerService", "Scheduler", "BatchFeatures", "Training",
                "Retention",
            ], path: "services/needletail", swiftSettings: common),

        // tests
        .target(
            name: "ServingSupport",
            dependencies: ["FeatureEngine", "FeatureStore", "FraudModel", "JSON", "TestSupport"],
            path: "Tests/Support/ServingSupport", swiftSettings: common),
        .target(
            name: "TestSupport", dependencies: ["FeatureEngine", "FeatureStore", "CAllocationCounter"],
            path: "Tests/Support/TestSupport", swiftSettings: common),
        .target(name: "CDiskJournal", path: "Tests/Support/CDiskJournal", publicHeadersPath: "include"),
        .target(name: "CAllocationCounter", path: "Tests/Support/CAllocationCounter", publicHeadersPath: "include"),
        unitTests("Text"),
        .testTarget(name: "TidyTests", path: "Tests/Unit/TidyTests", swiftSettings: common),
        unitTests("FeatureEngine"),
        unitTests("FeatureStore", ["FeatureEngine", "YAML"]),
        unitTests("StreamRecovery"),
        unitTests("JSON"),
        unitTests("RedisClient"),
        unitTests("Compression"),
        unitTests("TransactionData", ["FeatureEngine", "Compression", "JSON", "Parquet"]),
        unitTests("Parquet", ["Compression"], fixtures: true),
        .testTarget(
            name: "PipelineContractTests",
            dependencies: ["Pipeline", "FeatureEngine", "FeatureStore", "JSON", "ServingSupport", "TestSupport"],
            path: "Tests/Unit/PipelineContractTests", swiftSettings: common),
        unitTests("KafkaClient"),
        unitTests("HTTPServer", ["EventLoop"]),
        unitTests("AdminServer", ["Observability"]),
        unitTests(
            "PredictionAPI",
            [
                "HTTPServer", "Pipeline", "FeatureStore", "FeatureEngine", "FraudModel", "JSON", "RedisClient",
                "Observability", "EventLoop", "ServiceRuntime", "ServingSupport", "TransactionData",
            ]),
        unitTests("FraudModel", ["GradientBoosting", "FeatureEngine", "FeatureStore", "JSON"], fixtures: true),
        unitTests("ServiceRuntime", ["Observability"]),
        unitTests("TerminalUI"),
        unitTests(
            "Dashboard",
            [
                "TerminalUI", "FeatureStore", "FeatureEngine", "Pipeline", "JSON", "KafkaClient", "AdminServer",
                "Observability",
            ]),
        unitTests("MLflow"),
        unitTests("KafkaProtocol"),
        unitTests("KafkaBroker", ["KafkaProtocol"]),
        unitTests("Scheduler", ["ServiceRuntime", "Observability"]),
        unitTests(
            "FeatureTransformer",
            [
                "FeatureEngine", "FeatureStore", "TransactionData", "Pipeline", "PostgresOfflineStore",
                "PostgresClient", "RedisClient", "KafkaClient", "StreamRecovery", "AdminServer", "Observability",
            ]),
        unitTests(
            "KafkaProducerService",
            [
                "FeatureEngine", "FeatureStore", "TransactionData", "KafkaClient", "ServiceRuntime", "Observability",
                "JSON", "Compression", "HTTPServer", "EventLoop",
            ]),
        unitTests(
            "BatchFeatures",
            [
                "FeatureEngine", "FeatureStore", "ServiceRuntime", "Observability", "Compression", "Parquet",
                "TransactionData",
            ]),
        unitTests(
            "Training",
            [
                "FraudModel", "FeatureEngine", "FeatureStore", "PostgresOfflineStore", "ServiceRuntime",
                "Observability", "JSON",
            ]),
        unitTests(
            "FeatureStoreCommands",
            ["FeatureEngine", "FeatureStore", "ServiceRuntime", "TransactionData", "YAML", "HTTPServer", "JSON"]),
        unitTests("PipelineRuntime", ["FeatureEngine", "FeatureStore", "KafkaClient", "ServiceRuntime"]),
        integrationTests(
            "StoreTests",
            [
                "RedisClient", "PostgresClient", "RedisOnlineStore", "PostgresOfflineStore", "Pipeline", "FeatureStore",
                "FeatureEngine", "EventLoop", "FraudModel", "JSON",
            ]
        ),
        integrationTests(
            "TerminalTests",
            [
                "Dashboard", "TerminalUI", "Pipeline", "PostgresOfflineStore", "PostgresClient", "KafkaClient",
                "FeatureStore", "FeatureEngine",
            ]),
        integrationTests("ProgramTests", ["needletail", "MLflow", "JSON"]),
        integrationTests("BrokerTests", ["KafkaClient", "KafkaBroker", "KafkaProtocol", "CDiskJournal"]),
        integrationTests(
            "ServingTests",
            [
                "PredictionAPI", "ServingSupport", "ServiceRuntime", "Observability", "FraudModel", "RedisClient",
                "KafkaClient", "JSON", "FeatureEngine", "FeatureStore", "EventLoop", "HTTPServer", "Pipeline",
                "PostgresOfflineStore", "CAllocationCounter",
            ]),
        integrationTests(
            "PipelineTests",
            [
                "FeatureTransformer", "StreamRecovery", "Dashboard", "ServiceRuntime", "Observability",
                "KafkaClient", "RedisClient", "PostgresClient", "RedisOnlineStore", "PostgresOfflineStore", "Pipeline",
                "FeatureStore", "FeatureEngine", "TransactionData", "Compression", "JSON",
            ]),
    ]
)

if Context.environment["NEEDLETAIL_BENCHMARKS"] != nil {
    package.targets.append(
        .executableTarget(
            name: "needletail-bench",
            dependencies: [
                "TestSupport", "KafkaClient", "RedisClient", "RedisOnlineStore", "TransactionData", "FeatureStore",
                "FeatureEngine", "Compression", "JSON", "FraudModel", "GradientBoosting",
            ], path: "Tests/Benchmarks/NeedletailBench", swiftSettings: common))
    package.products.append(.executable(name: "needletail-bench", targets: ["needletail-bench"]))
}

// Each decoder under libFuzzer, built by Tests/Fuzz/run with the sanitizers that make it one, and linked there: libFuzzer has
// a main of its own.
if Context.environment["NEEDLETAIL_FUZZ"] != nil {
    package.targets.append(
        .target(
            name: "NeedletailFuzz",
            dependencies: [
                "KafkaProtocol", "Compression", "FeatureEngine", "FeatureStore", "FraudModel", "HTTPServer", "JSON",
                "Parquet", "RedisClient", "TransactionData", "YAML",
            ], path: "Tests/Fuzz/NeedletailFuzz"))
    package.products.append(.library(name: "NeedletailFuzz", type: .static, targets: ["NeedletailFuzz"]))
}

// NEEDLETAIL_TARGETS="FeatureEngineTests" builds only those targets and what they need: quick turns on a small machine.
if let wanted = Context.environment["NEEDLETAIL_TARGETS"], !wanted.isEmpty {
    var keep: Set<String> = []
    func visit(_ name: String) {
        guard keep.insert(name).inserted, let target = package.targets.first(where: { $0.name == name }) else { return }
        for case .byNameItem(let dependency, _) in target.dependencies { visit(dependency) }
    }
    for name in wanted.split(separator: ",") { visit(String(name)) }
    package.targets.removeAll { !keep.contains($0.name) }
    package.products.removeAll { !keep.contains($0.name) }
}
