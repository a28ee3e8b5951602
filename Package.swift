// swift-tools-version: 6.2
import PackageDescription

/// What every Swift target of ours is built with. Hot targets get nothing more: speed comes from the code.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
]

/// A room of the house: a target, its arrows down, and the tests that mirror it. See docs/architecture.md.
func room(_ name: String, _ dependencies: Target.Dependency..., path: String? = nil, exclude: [String] = []) -> Target {
    .target(name: name, dependencies: dependencies, path: path, exclude: exclude, swiftSettings: strict)
}

func tests(_ name: String, _ dependencies: Target.Dependency...) -> Target {
    .testTarget(name: name, dependencies: dependencies, path: "Tests/\(name)", swiftSettings: strict)
}

let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let histogram: Target.Dependency = .product(name: "Histogram", package: "hdrhistogram-swift")

let package = Package(
    name: "carillon",
    products: [
        .executable(name: "carillon", targets: ["carillon"]),
        .library(name: "Carillon", targets: ["CarillonKit"]),
        .library(name: "ScenarioDSL", targets: ["ScenarioDSL"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", exact: "0.2.0"),
    ],
    targets: [
        .target(name: "CLinuxSockets"),
        .target(name: "CChildProcess"),
        .target(name: "COctetSearch"),
        .target(name: "CGuardedMapping"),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CPcap", pkgConfig: "libpcap", providers: [.apt(["libpcap-dev"])]),
        .systemLibrary(name: "CCAres", pkgConfig: "libcares", providers: [.apt(["libc-ares-dev"])]),
        .systemLibrary(name: "COpenSSL", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),

        room("SIPWire", "COctetSearch"),
        tests("SIPWireTests", "SIPWire"),
        .executableTarget(
            name: "ScannerCost", dependencies: ["SIPWire"], path: "Benchmarks/ScannerCost", swiftSettings: strict),
        room("NameResolution", "SIPWire", "CCAres"),
        room("NameServer", path: "Tests/NameServer"),
        tests("NameResolutionTests", "NameResolution", "NameServer", "SIPWire"),
        room("SIPTransactions", "SIPWire"),
        .target(name: "CHashFunctions", dependencies: ["COpenSSL"], linkerSettings: [.linkedLibrary("crypto")]),
        room("Digest", "SIPWire", "CHashFunctions"),
        tests("DigestTests", "Digest", "SIPWire"),
        .executableTarget(
            name: "DigestCost", dependencies: ["Digest", "SIPWire"], path: "Benchmarks/DigestCost",
            swiftSettings: strict),
        .target(
            name: "CTLSSessions", dependencies: ["COpenSSL"],
            linkerSettings: [.linkedLibrary("ssl"), .linkedLibrary("crypto")]),
        room("TLSSessions", "CTLSSessions"),
        tests("TLSSessionsTests", "TLSSessions"),
        .executableTarget(
            name: "TLSCost", dependencies: ["TLSSessions"], path: "Benchmarks/TLSCost", swiftSettings: strict),
        room("ScenarioDSL"),
        room("Measurement", "SIPWire", "CZlib", histogram),
        room("RTPMedia", "SIPWire"),
        tests("RTPMediaTests", "RTPMedia", "SIPWire"),
        room("CallTraces", "SIPWire", "Measurement"),
        room(
            "CallEngine", "CLinuxSockets", "Feeds", "ScenarioDSL", "SIPTransactions", "SIPWire", "Digest",
            "Measurement", "CallTraces", "RTPMedia"),
        room("Blaster", "TLSSessions", "CallEngine", "CallTraces", "Measurement", "SIPWire", "CLinuxSockets"),
        room("MediaSockets", "Blaster", "RTPMedia", "CLinuxSockets", "Measurement", "SIPWire"),
        tests(
            "MediaSocketsTests", "MediaSockets", "RTPMedia", "Blaster", "CLinuxSockets", "CarillonKit", "ScenarioDSL",
            "Measurement", "SIPWire"),
        room("ElementServers", "SIPTransactions", "Digest", "SIPWire", "CLinuxSockets"),
        tests("ElementServersTests", "ElementServers", "SIPTransactions", "SIPWire"),
        room("Scenarios", "ScenarioDSL", path: "scenarios", exclude: ["README.md"]),
        room("ScenarioFiles", "ScenarioDSL", "CChildProcess"),
        room("Feeds", "CGuardedMapping"),
        tests("FeedsTests", "Feeds"),
        room("Reporting", "Measurement", "CallTraces"),
        room(
            "CarillonKit", "ScenarioDSL", "CallEngine", "Blaster", "CallTraces", "Measurement", "MediaSockets",
            "Reporting",
            "RTPMedia", "SIPTransactions", "SIPWire"),
        .executableTarget(
            name: "carillon",
            dependencies: [
                "Blaster", "CallEngine", "CallTraces", "CarillonKit", "ElementServers", "Measurement", "MediaSockets",
                "NameResolution",
                "Reporting",
                "ScenarioDSL", "ScenarioFiles", "Scenarios", "SIPTransactions", "SIPWire", "TLSSessions",
                argumentParser,
            ],
            swiftSettings: strict),

        room(
            "SimulatedNetwork", "CallEngine", "CallTraces", "Measurement", "ScenarioDSL", "Scenarios",
            "SIPTransactions",
            "SIPWire", path: "Tests/SimulatedNetwork"),
        .executableTarget(
            name: "SimulationSoak", dependencies: ["SimulatedNetwork", "Measurement", "ScenarioDSL", "Scenarios"],
            path: "Benchmarks/simulation", exclude: ["run.sh"], swiftSettings: strict),
        tests("SimulationTests", "SimulatedNetwork", "Measurement", "Scenarios"),
        .testTarget(
            name: "CommandTests", dependencies: ["carillon", "NameServer"], path: "Tests/CommandTests",
            swiftSettings: strict),
        tests("SIPTransactionsTests", "SIPTransactions"),
        tests(
            "CallEngineTests", "CallEngine", "RTPMedia", "Feeds", "ScenarioDSL", "Scenarios", "SIPWire", "Measurement",
            "CallTraces"
        ),
        tests("MeasurementTests", "Measurement", "SIPWire", histogram),
        tests("ReportingTests", "Reporting", "Measurement", "SIPWire"),
        tests("CallTracesTests", "CallTraces", "Measurement", "SIPWire", "CPcap"),
        tests("BlasterTests", "Blaster", "CallEngine", "CLinuxSockets", "Measurement", "SIPWire"),
        .testTarget(
            name: "InteropTests", path: "Tests/InteropTests", exclude: ["Fixtures"], swiftSettings: strict),
        tests("ScenarioDSLTests", "ScenarioDSL", "Scenarios"),
        tests("ScenarioFilesTests", "ScenarioFiles", "ScenarioDSL", "Scenarios"),
    ]
)
