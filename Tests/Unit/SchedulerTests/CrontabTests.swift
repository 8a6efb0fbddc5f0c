import Scheduler
import Testing

@Suite struct CrontabTests {
    @Test func `comments, variables and jobs are read as cron reads them`() throws {
        let crontab = try Crontab(
            """
            # nightly
            PATH = "/opt/bin:/bin"

            0 3 * * *  needletail retrain --if-drift >>log 2>&1
            NAME='x y'
              @daily\t/usr/local/bin/report all%first%second
            5 4 * * sun echo 100\\% done
            """)
        #expect(crontab.jobs.map(\.name) == ["retrain", "report", "echo"])
        #expect(crontab.jobs.map(\.line) == [4, 6, 7])
        #expect(crontab.jobs[0].command == "needletail retrain --if-drift >>log 2>&1")
        #expect(crontab.jobs[0].variables == ["PATH": "/opt/bin:/bin"])
        #expect(crontab.jobs[1].variables == ["PATH": "/opt/bin:/bin", "NAME": "x y"])
        #expect(crontab.jobs[1].command == "/usr/local/bin/report all")
        #expect(crontab.jobs[1].input == "first\nsecond\n")
        #expect(crontab.jobs[2].command == "echo 100% done")
    }

    @Test func `jobs of one name are told apart`() throws {
        let crontab = try Crontab("0 1 * * * needletail drift\n0 2 * * * needletail drift\n")
        #expect(crontab.jobs.map(\.name) == ["drift", "drift (line 2)"])
    }

    @Test(arguments: [("\n\n0 1 * * *\n", 3), ("0 25 * * * echo\n", 1), ("# x\n@never echo\n", 2), ("hello\n", 1)])
    func `a malformed line is named`(text: String, line: Int) {
        let error = #expect(throws: Crontab.Malformed.self) { try Crontab(text) }
        #expect(error?.line == line)
    }
}
