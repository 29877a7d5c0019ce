// swift-tools-version:5.9
// @generated@
import PackageDescription

let package = Package(
    name: "@module@",
    platforms: [.iOS(.v16), .macOS(.v13)],
    products: [.library(name: "@module@", targets: ["@module@"])],
    targets: [
        .target(name: "@module@"),
        .testTarget(
            name: "@module@Tests",
            dependencies: ["@module@"],
            resources: [.copy("Resources/golden.bin")]
        ),
    ]
)
