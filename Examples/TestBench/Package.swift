// swift-tools-version: 6.2
import PackageDescription

// A package of your own that tests a SIP server from `swift test`. Here both sides run in the test; set `target` to your server's
// address to test that.
let package = Package(
    name: "TestBench",
    dependencies: [.package(name: "carillon", path: "../..")],
    targets: [
        .testTarget(
            name: "TestBenchTests",
            dependencies: [
                .product(name: "Carillon", package: "carillon"), .product(name: "ScenarioDSL", package: "carillon"),
            ])
    ]
)
