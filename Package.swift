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
    static let collections = product(name: "DequeModule", package: "swift-collections")
    static let logging = product(name: "Logging", package: "swift-log")
    static let nioCore = product(name: "NIOCore", package: "swift-nio")
    static let nioPosix = product(name: "NIOPosix", package: "swift-nio")
    static let nioSSL = product(name: "NIOSSL", package: "swift-nio-ssl")
    static let subprocess = product(name: "Subprocess", package: "swift-subprocess")
}

let package = Package(
    name: "sallyport",
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.0"),
    ],
    targets: [
        // C libraries from Debian
        .systemLibrary(name: "CMosquitto", pkgConfig: "libmosquitto", providers: [.apt(["libmosquitto-dev"])]),
        .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),

        // The vocabulary and the hot path
        .target(name: "Tags", swiftSettings: settings),
        .target(name: "TagStore", dependencies: ["Tags"], swiftSettings: settings),
        .target(name: "WireFormat", dependencies: ["Tags"], swiftSettings: settings),
        .target(
            name: "Publishing", dependencies: ["Tags", "TagStore", "WireFormat", .logging, .collections],
            swiftSettings: settings),

        // The floor
        .target(name: "Drivers", dependencies: ["Tags", .nioCore, .nioPosix, .logging], swiftSettings: settings),

        // Who may do what, and over which TLS
        .target(name: "TLS", dependencies: ["COpenSSL", .nioSSL, .logging], swiftSettings: wrapperSettings),

        // Agents
        .target(
            name: "MQTTAgent",
            dependencies: ["Tags", "TagStore", "Publishing", "TLS", "CMosquitto", .logging],
            swiftSettings: wrapperSettings),

        // Tests
        .target(
            name: "TestPeers",
            dependencies: [.subprocess],
            path: "Tests/TestPeers",
            exclude: ["forward.py"],
            swiftSettings: settings),
        .testTarget(name: "TagsTests", dependencies: ["Tags"], swiftSettings: settings),
        .testTarget(name: "TagStoreTests", dependencies: ["TagStore", "Tags"], swiftSettings: settings),
        .testTarget(name: "WireFormatTests", dependencies: ["WireFormat", "Tags"], swiftSettings: settings),
        .testTarget(
            name: "PublishingTests",
            dependencies: ["Publishing", "Tags", "TagStore", "WireFormat", .logging], swiftSettings: settings),
        .testTarget(
            name: "DriversTests",
            dependencies: ["Drivers", "Tags", "TestPeers", .nioCore, .nioPosix, .logging], swiftSettings: settings),
        .testTarget(
            name: "TLSTests",
            dependencies: ["TLS", "TestPeers", "COpenSSL", .nioCore, .nioPosix, .nioSSL, .subprocess],
            swiftSettings: settings),
        .testTarget(
            name: "MQTTAgentTests",
            dependencies: ["MQTTAgent", "Publishing", "TLS", "TagStore", "Tags", "TestPeers", .logging],
            swiftSettings: settings),
    ],
    swiftLanguageModes: [.v6]
)
