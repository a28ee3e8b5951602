// Where this very module's sources lie: the module ships as source, because a compiled one breaks with each compiler patch.

/// Known to the process that was built from them.
package enum LanguageSources {
    /// Path of this file when the module was built.
    private static let path: String = #filePath

    /// Folder of the sources when the module was built. It need not exist where the program runs.
    package static var folderAtBuild: String {
        path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
    }
}
