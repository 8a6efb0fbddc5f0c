import Glibc

/// What Prometheus' client libraries say of every process, under the names they gave it, and which build this is.
public enum ProcessMetrics {
    /// Adds `process_*` and `needletail_build_info`. Each is read from /proc when it is asked for.
    public static func register(in metrics: MetricsRegistry, version: String, command: String) {
        metrics.gauge(
            "needletail_build_info", help: "Always 1; the labels say which program this is.",
            labels: ["version": version, "command": command]
        ).set(1)
        metrics.counter("process_cpu_seconds_total", help: "CPU time of this process, user and system.") {
            var usage = rusage()
            getrusage(RUSAGE_SELF.rawValue, &usage)
            return [usage.ru_utime, usage.ru_stime].reduce(0) { $0 + Double($1.tv_sec) + Double($1.tv_usec) / 1e6 }
        }
        metrics.gauge("process_resident_memory_bytes", help: "Memory of this process that is in RAM.") {
            Double(statm(1) ?? 0) * Double(sysconf(Int32(_SC_PAGESIZE)))
        }
        metrics.gauge("process_virtual_memory_bytes", help: "Memory that this process has mapped.") {
            Double(statm(0) ?? 0) * Double(sysconf(Int32(_SC_PAGESIZE)))
        }
        metrics.gauge("process_open_fds", help: "Open files and sockets of this process.") {
            guard let folder = opendir("/proc/self/fd") else { return 0 }
            defer { closedir(folder) }
            var count = -3  // ".", ".." and the one that reads the folder
            while readdir(folder) != nil { count += 1 }
            return Double(max(0, count))
        }
        metrics.gauge("process_max_fds", help: "How many files and sockets this process may have open.") {
            var limit = rlimit()
            getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            return Double(limit.rlim_cur)
        }
        metrics.gauge("process_start_time_seconds", help: "When this process started, Unix time.").set(startSeconds())
    }

    /// The n-th number of /proc/self/statm, in pages.
    private static func statm(_ index: Int) -> Int? {
        let words = read("/proc/self/statm").split(separator: " ")
        return index < words.count ? Int(words[index]) : nil
    }

    /// Boot time and the start in ticks after it: field 22 of /proc/self/stat, counted behind the name in parentheses.
    private static func startSeconds() -> Double {
        let stat = read("/proc/self/stat")
        let boot = read("/proc/stat").split(separator: "\n").first { $0.hasPrefix("btime ") }
        guard let end = stat.lastIndex(of: ")"), let seconds = boot.flatMap({ Double($0.dropFirst(6)) }) else {
            return 0
        }
        let fields = stat[stat.index(after: end)...].split(separator: " ")
        guard fields.count > 19, let ticks = Double(fields[19]) else { return 0 }
        return seconds + ticks / Double(max(1, sysconf(Int32(_SC_CLK_TCK))))
    }

    private static func read(_ path: String) -> String {
        guard let file = fopen(path, "re") else { return "" }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 65_536)
        var used = 0
        while used < bytes.count {
            let got = bytes.withUnsafeMutableBytes {
                fread($0.baseAddress?.advanced(by: used), 1, $0.count - used, file)
            }
            if got == 0 { break }
            used += got
        }
        return String(decoding: bytes[..<used], as: UTF8.self)
    }
}
