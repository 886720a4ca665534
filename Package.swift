// swift-tools-version: 6.2

import PackageDescription

/// One set of settings for every target of ours: see docs/architecture.md, "Settings".
let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .enableUpcomingFeature("InferIsolatedConformances"),
    .treatAllWarnings(as: .error),
]

/// Targets that hold C pointers also check every use of an unsafe construct.
let wrapperSettings = settings + [.strictMemorySafety()]

extension Target.Dependency {
    static let argumentParser = product(name: "ArgumentParser", package: "swift-argument-parser")
    static let collections = product(name: "DequeModule", package: "swift-collections")
    static let crypto = product(name: "Crypto", package: "swift-crypto")
    static let cryptoExtras = product(name: "CryptoExtras", package: "swift-crypto")
    static let grdb = product(name: "GRDB", package: "GRDB.swift")
    static let grdbSQLite = product(name: "GRDBSQLite", package: "GRDB.swift")
    static let hummingbirdCore = product(name: "HummingbirdCore", package: "hummingbird")
    static let logging = product(name: "Logging", package: "swift-log")
    static let nioCore = product(name: "NIOCore", package: "swift-nio")
    static let nioEmbedded = product(name: "NIOEmbedded", package: "swift-nio")
    static let nioHTTP1 = product(name: "NIOHTTP1", package: "swift-nio")
    static let nioPosix = product(name: "NIOPosix", package: "swift-nio")
    static let nioSSL = product(name: "NIOSSL", package: "swift-nio-ssl")
    static let nioTLS = product(name: "NIOTLS", package: "swift-nio")
    static let serviceLifecycle = product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
    static let unixSignals = product(name: "UnixSignals", package: "swift-service-lifecycle")
    static let subprocess = product(name: "Subprocess", package: "swift-subprocess")
    static let yams = product(name: "Yams", package: "Yams")
}

let package = Package(
    name: "sallyport",
    products: [.executable(name: "sallyport", targets: ["sallyport"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.0", traits: []),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.0"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.0"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.0"),
    ],
    targets: [
        // C libraries from Debian
        .systemLibrary(name: "CMosquitto", pkgConfig: "libmosquitto", providers: [.apt(["libmosquitto-dev"])]),
        .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),

        // The vocabulary and the hot path
        .target(name: "Tags", swiftSettings: settings),
        .target(name: "TagStore", dependencies: ["Tags"], swiftSettings: settings),
        .target(name: "WireFormat", dependencies: ["Tags"], swiftSettings: settings),
        .target(
            name: "Publishing", dependencies: ["Tags", "TagStore", "WireFormat", "Outbox", .logging],
            swiftSettings: settings),
        .target(
            name: "Outbox", dependencies: [.grdb, .grdbSQLite, .logging, .collections], swiftSettings: wrapperSettings),

        // The floor
        .target(name: "Drivers", dependencies: ["Tags", .nioCore, .nioPosix, .logging], swiftSettings: settings),

        // Who may do what, and over which TLS
        .target(
            name: "SecurityPolicy",
            dependencies: ["Tags", .crypto, .cryptoExtras, .grdb, .logging],
            exclude: ["Passwords"],
            swiftSettings: settings,
            plugins: ["EmbedCommonPasswords"]),
        .target(
            name: "TLS", dependencies: ["COpenSSL", .nioCore, .nioPosix, .nioSSL], swiftSettings: wrapperSettings),

        .target(
            name: "Writes", dependencies: ["Tags", "WireFormat", "TagStore", "SecurityPolicy"],
            swiftSettings: settings),

        // Agents
        .target(
            name: "MQTTAgent",
            dependencies: ["Tags", "TagStore", "Publishing", "Outbox", "TLS", "CMosquitto", .logging],
            swiftSettings: wrapperSettings),
        .target(
            name: "RESTClientAgent",
            dependencies: ["Tags", "TagStore", "Publishing", "Outbox", "TLS", "CCurl", .logging],
            swiftSettings: wrapperSettings),
        .target(
            name: "RESTServerAgent",
            dependencies: [
                "Tags", "WireFormat", "TagStore", "SecurityPolicy", "TLS", "Publishing", "Writes",
                .hummingbirdCore, .nioCore, .nioHTTP1, .nioSSL, .nioTLS, .logging, .serviceLifecycle,
            ],
            swiftSettings: settings),

        // The whole
        .target(
            name: "GatewayConfiguration",
            dependencies: [
                "Tags", "WireFormat", "Publishing", "Outbox", "Drivers", "SecurityPolicy", "TLS", "MQTTAgent",
                "RESTClientAgent", "RESTServerAgent", .yams,
            ],
            swiftSettings: settings),
        .target(
            name: "Posture",
            dependencies: [
                "GatewayConfiguration", "MQTTAgent", "RESTClientAgent", "RESTServerAgent", "SecurityPolicy", "TLS",
                "Tags",
            ],
            swiftSettings: settings),
        .target(
            name: "Gateway",
            dependencies: [
                "Tags", "TagStore", "WireFormat", "Publishing", "Outbox", "Drivers", "SecurityPolicy", "TLS",
                "MQTTAgent",
                "RESTClientAgent", "RESTServerAgent", "GatewayConfiguration", "Writes",
                .nioCore, .nioPosix, .nioSSL, .nioTLS, .logging, .serviceLifecycle, .unixSignals,
            ],
            swiftSettings: settings),
        .executableTarget(
            name: "sallyport",
            dependencies: [
                "Gateway", "GatewayConfiguration", "MQTTAgent", "Outbox", "Posture", "SecurityPolicy", "TLS", "Tags",
                .argumentParser, .logging,
            ],
            swiftSettings: settings,
            plugins: ["StampVersion"]),

        // Tools
        .plugin(name: "StampVersion", capability: .buildTool()),
        .plugin(name: "EmbedCommonPasswords", capability: .buildTool()),
        .plugin(
            name: "EndToEnd",
            capability: .command(
                intent: .custom(verb: "e2e", description: "Runs the end-to-end tests with the real binary and peers"))),
        .executableTarget(
            name: "Benchmarks",
            dependencies: [
                "Tags", "TagStore", "WireFormat", "Outbox", "Publishing", "TLS", "MQTTAgent", "RESTClientAgent",
                .logging,
            ],
            path: "Benchmarks",
            exclude: ["README.md", "peers", "run"],
            swiftSettings: settings),

        // Tests
        .target(
            name: "TestPeers",
            dependencies: [.subprocess],
            path: "Tests/TestPeers",
            exclude: [
                "browser.py", "chromium.py", "forward.py", "handshakes.py", "hold.py", "keepalive.py", "records.py",
                "relay.py", "streams.py",
            ],
            swiftSettings: settings),
        .testTarget(name: "TagsTests", dependencies: ["Tags"], swiftSettings: settings),
        .testTarget(name: "TagStoreTests", dependencies: ["TagStore", "Tags"], swiftSettings: settings),
        .testTarget(name: "WireFormatTests", dependencies: ["WireFormat", "Tags"], swiftSettings: settings),
        .testTarget(
            name: "PublishingTests",
            dependencies: ["Publishing", "Outbox", "Tags", "TagStore", "TestPeers", "WireFormat", .logging],
            swiftSettings: settings),
        .testTarget(
            name: "OutboxTests", dependencies: ["Outbox", "TestPeers", .grdb, .logging], swiftSettings: settings),
        .testTarget(
            name: "DriversTests",
            dependencies: ["Drivers", "Tags", "TestPeers", .nioCore, .nioPosix, .logging], swiftSettings: settings),
        .testTarget(
            name: "SecurityPolicyTests", dependencies: ["SecurityPolicy", "Tags", .grdb],
            exclude: ["Fixtures"], swiftSettings: settings),
        .testTarget(
            name: "WritesTests",
            dependencies: [
                "Writes", "SecurityPolicy", "TagStore", "Tags", "WireFormat", "Drivers", "TestPeers", .nioPosix,
                .logging,
            ],
            swiftSettings: settings),
        .testTarget(
            name: "TLSTests",
            dependencies: [
                "TLS", "MQTTAgent", "Outbox", "Publishing", "TagStore", "Tags", "TestPeers", "CCurl", "COpenSSL",
                .nioCore,
                .nioPosix, .nioSSL, .logging, .subprocess,
            ],
            swiftSettings: settings),
        .testTarget(
            name: "MQTTAgentTests",
            dependencies: [
                "MQTTAgent", "Outbox", "Publishing", "TLS", "TagStore", "Tags", "TestPeers", "WireFormat", .logging,
            ],
            swiftSettings: settings),
        .testTarget(
            name: "RESTClientAgentTests",
            dependencies: [
                "RESTClientAgent", "Outbox", "Publishing", "TLS", "TagStore", "Tags", "TestPeers", "WireFormat",
                .logging, .subprocess,
            ],
            swiftSettings: settings),
        .testTarget(
            name: "RESTServerAgentTests",
            dependencies: [
                "RESTServerAgent", "SecurityPolicy", "TagStore", "Tags", "TLS", "Publishing", "WireFormat", "Writes",
                "TestPeers", .logging, .nioCore, .nioEmbedded, .nioHTTP1, .nioPosix, .nioSSL, .serviceLifecycle,
            ],
            swiftSettings: settings),
        .testTarget(
            name: "GatewayConfigurationTests",
            dependencies: [
                "GatewayConfiguration", "Drivers", "MQTTAgent", "Outbox", "RESTServerAgent", "Publishing",
                "SecurityPolicy", "TLS", "Tags", "TestPeers", "WireFormat",
            ],
            swiftSettings: settings),
        .testTarget(
            name: "PostureTests", dependencies: ["Posture", "GatewayConfiguration", "Tags", "TestPeers"],
            swiftSettings: settings),
        .testTarget(
            name: "GatewayTests",
            dependencies: [
                "Gateway", "GatewayConfiguration", "Drivers", "MQTTAgent", "Outbox", "SecurityPolicy", "TLS", "Tags",
                "TestPeers", "Writes", .nioCore, .nioPosix, .nioSSL, .logging,
            ],
            swiftSettings: settings),
        .testTarget(
            name: "EndToEndTests", dependencies: ["TestPeers", .subprocess],
            exclude: ["Faults/faultydisk.c", "Faults/powercut.c"],
            swiftSettings: settings),
    ],
    swiftLanguageModes: [.v6]
)
