import Glibc
import TestSupport
import Testing

/// What these tests start hears what it is told.
@Suite(.timeLimit(.minutes(1))) struct TestProcessTests {
    @Test func `a child ends on TERM`() throws {
        let log = try TestEnvironment.temporaryFolder("child") + "/log"
        let child = try TestProcess(["sleep", "60"], logPath: log)
        defer { child.killNow() }
        #expect(child.terminate(seconds: 5))
    }

    @Test func `a command has no signal blocked`() throws {
        let (output, exitCode) = try TestCommand.run(["/bin/sh", "-c", "kill -TERM $$; echo still here"])
        #expect(output == "")
        #expect(exitCode == SIGTERM)
    }
}
