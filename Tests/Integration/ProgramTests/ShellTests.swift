import Foundation
import TestSupport
import Testing

/// What the program gives to shells and manuals, run by them.
@Suite struct ShellTests {
    private let program: String

    init() throws { program = try #require(TestEnvironment.needletail) }

    private func run(_ words: [String]) throws -> String {
        let ended = try TestCommand.run(words, environment: ["NEEDLETAIL_ENV_FILE": "", "NO_COLOR": "1"], seconds: 60)
        #expect(ended.exitCode == 0, "\(words): \(ended.output)")
        return ended.output
    }

    /// What bash offers for the last of some words, several lines of them in one bash.
    private func complete(_ lines: [[String]], in folder: String) throws -> [[String]] {
        func quoted(_ word: String) -> String { "'\(word.replacing("'", with: #"'\''"#))'" }
        var script = "source <(\(quoted(program)) completion bash) && cd \(quoted(folder)) || exit 1\n"
        for words in lines {
            script += "COMP_WORDS=(needletail \(words.map(quoted).joined(separator: " "))); COMP_CWORD=\(words.count)\n"
            script += "_needletail; printf '%s\\n' \"${COMPREPLY[@]}\" ==\n"
        }
        let output = try run(["/usr/bin/env", "bash", "--norc", "-c", script])
        return output.components(separatedBy: "==\n").dropLast().map {
            $0.split(separator: "\n").map(String.init)
        }
    }

    @Test func `bash completes commands, options, their words, files and folders`() throws {
        let folder = try TestEnvironment.temporaryFolder("complete")
        try Data().write(to: URL(fileURLWithPath: folder + "/my file.csv"))
        try FileManager.default.createDirectory(atPath: folder + "/my repo", withIntermediateDirectories: true)
        let cases: [(words: [String], offered: [String])] = [
            (["transf"], ["transform"]), (["features", "ap"], ["apply"]), (["models", "reg"], ["register"]),
            (["features", "apply", "--kafka"], ["--kafka-bootstrap-servers"]),
            (["serve", "--log-level", ""], ["debug", "info", "warning", "error"]),
            (["serve", "--log-format", "=", "j"], ["json"]),
            (["serve", "--log-format", "="], ["auto", "json", "text"]),
            (["init", "my"], ["my file.csv", "my repo"]), (["features", "init", "my f"], ["my file.csv"]),
            (["features", "apply", "--feature-repo", "my"], ["my repo"]), (["serve", "--port", ""], []),
            (["transform", ""], []), (["completion", "z"], ["zsh"]), (["no-such", "--"], []),
        ]
        let offered = try complete(cases.map(\.words), in: folder)
        for (index, test) in cases.enumerated() { #expect(offered[index] == test.offered, "\(test.words)") }
    }

    @Test func `bash offers every option that a command's help names`() throws {
        let names = try run([program, "help"]).split(separator: "\nMore\n")[0].split(separator: "\n").filter {
            $0.hasPrefix("  ") && !$0.hasPrefix("   ")
        }.compactMap { line in line.dropFirst(2).firstRange(of: "  ").map { line.dropFirst(2)[..<$0.lowerBound] } }
        #expect(names.count > 15)
        let commands = names.map { $0.split(separator: " ").map(String.init) }
        let offered = try complete(commands.map { $0 + ["--"] }, in: "/")
        for (command, options) in zip(commands, offered) {
            let help = try run([program] + command + ["--help"])
            let named = Set(help.matches(of: /\n  (--[a-z0-9-]+)/).map { String($0.1) })
            #expect(Set(options) == named.union(["--help"]), "\(command)")
        }
    }

    @Test func `a command that others begin with is a command still`() throws {
        let help = try run([program, "train", "--help"])
        #expect(help.contains("--rounds") && help.contains("needletail train fit [options]"))
        #expect(try run([program, "train", "fit", "--help"]).contains("Usage: needletail train fit"))
        #expect(try run([program, "help", "train"]) == help)
        let offered = try complete([["train", ""], ["train", "--rou"], ["train", "fit", "--rou"]], in: "/")
        #expect(offered[0].contains("fit") && offered[1] == ["--rounds"] && offered[2] == ["--rounds"])
    }

    @Test(arguments: ["zsh", "fish"]) func `other shells can read theirs, where they are installed`(shell: String)
        throws
    {
        let script = try run([program, "completion", shell])
        #expect(script.contains("needletail") && script.contains("feature-repo") && script.contains("register"))
        guard let path = ["/usr/bin/", "/bin/"].map({ $0 + shell }).first(where: FileManager.default.isExecutableFile)
        else { return }
        let file = try TestEnvironment.temporaryFolder("complete") + "/script"
        try script.write(toFile: file, atomically: true, encoding: .utf8)
        #expect(try run([path, "-n", file]).isEmpty)
    }

    @Test func `manual pages are without a complaint of those who render them`() throws {
        let groff = ["/usr/bin/groff", "-ww", "-man", "-Tutf8"]
        let mandoc = ["/usr/bin/mandoc", "-T", "lint", "-W", "error"]
        let folder = try TestEnvironment.temporaryFolder("man")
        for words in [[], ["transform"], ["features", "apply"], ["init"], ["serve"], ["produce"]] {
            let file = "\(folder)/\(words.joined(separator: "-")).1"
            let page = try run([program, "man"] + words)
            try page.write(toFile: file, atomically: true, encoding: .utf8)
            for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS", "SEE ALSO"] {
                #expect(page.contains("\n.SH \(section)\n"), "\(words) \(section)")
            }
            if FileManager.default.isExecutableFile(atPath: groff[0]) {
                let shown = try run(groff + [file])
                #expect(!shown.contains("warning:") && shown.contains("needletail"), "\(shown)")
            }
            if FileManager.default.isExecutableFile(atPath: mandoc[0]) { #expect(try run(mandoc + [file]).isEmpty) }
        }
    }

    @Test func `the README and help name every exit code`() throws {
        let readme = try String(contentsOfFile: TestEnvironment.packageRoot + "/README.md", encoding: .utf8)
        let list = try run([program, "help"]).components(separatedBy: "\nExit codes\n")[1]
        let codes = list.split(separator: "\n").filter { $0.hasPrefix("  ") }.compactMap {
            Int($0.dropFirst(2).prefix { $0 != " " })
        }
        #expect(codes.count == 11)
        let sentence = try #require(readme.firstMatch(of: /Exit codes are those of `sysexits.h`: ([^.]*)\./)).1
        let words = sentence.replacing("\n", with: " ")
        for code in codes { #expect(" \(words)".contains(" \(code) "), "\(code)") }
    }
}
