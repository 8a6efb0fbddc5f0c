#!/usr/bin/env python3
"""Clients that nobody here wrote, against a broker: each produces, consumes, works in groups and administers.

    Tests/Conformance/run.py [--broker embedded|apache|HOST:PORT] [--quick] [--needletail PATH] [--only NAME]

Python clients come from PyPI into virtual environments under var/conformance; kcat from Debian; Kafka's own tools from
../shared/kafka. What is absent is skipped, and the table says so. Exit 1 when a check failed.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
APACHE = os.path.join(os.path.dirname(ROOT), "shared", "kafka", "bin")
AREAS = ["produce", "consume", "groups", "admin"]

# Name, script, packages, and whether the quick run has it.
CLIENTS = [
    ("kcat", "kcat.py", None, True),
    ("confluent-kafka 2.0.2", "confluent.py", ["confluent-kafka==2.0.2"], True),
    ("confluent-kafka newest", "confluent.py", ["confluent-kafka"], True),
    ("kafka-python 2.0.2", "kafka_python.py", ["kafka-python==2.0.2"], True),
    ("kafka-python 3", "kafka_python.py", ["kafka-python>=3"], True),
    ("aiokafka 0.8.1", "aio.py", ["aiokafka==0.8.1", "kafka-python==2.0.2"], True),
    ("aiokafka 0.14", "aio.py", ["aiokafka==0.14.*"], True),
    ("Kafka 4.1.1 tools", "apache_tools.py", None, False),
]


def environment(packages):
    """The Python of a virtual environment with `packages`; None when they cannot be had."""
    name = "-".join(packages).translate(str.maketrans("=><*", "____"))
    folder = os.path.join(ROOT, "var", "conformance", name)
    python = os.path.join(folder, "bin", "python")
    if os.path.exists(os.path.join(folder, "installed")):
        return python
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    made = subprocess.run([sys.executable, "-m", "venv", folder], capture_output=True)
    if made.returncode == 0:
        made = subprocess.run([python, "-m", "pip", "install", "-q", *packages], capture_output=True)
    if made.returncode != 0:
        return None
    open(os.path.join(folder, "installed"), "w").close()
    return python


class Broker:
    def __init__(self, kind, needletail):
        self.process = self.folder = None
        if ":" in kind:
            self.address = kind
            return
        self.folder = tempfile.mkdtemp(prefix="conformance-")
        program = [os.path.join(APACHE, "kafka-broker")] if kind == "apache" else [needletail, "broker"]
        if not os.access(program[0], os.X_OK):
            sys.exit(f"conformance: {program[0]} is not there; build it, or choose another --broker")
        self.log = open(os.path.join(self.folder, "log"), "w")
        self.process = subprocess.Popen(program + ["--data", os.path.join(self.folder, "data"), "--port", "0"],
                                        stdout=subprocess.PIPE, stderr=self.log, text=True, start_new_session=True)
        line = self.process.stdout.readline()
        if not line.startswith("ready "):
            sys.exit(f"conformance: the broker did not start: {line or open(self.log.name).read()[-500:]}")
        self.address = line.split()[1]

    def stop(self):
        if self.process is None:
            return 0
        self.process.terminate()
        try:
            code = self.process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            code = self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
        return code


def run(name, script, packages, address, seconds):
    """The checks of one client: (area, what, verdict, seconds, reason)."""
    if packages is None:
        python = sys.executable
        needed = "kcat" if script == "kcat.py" else os.path.join(APACHE, "kafka-cli")
        if shutil.which(needed) is None:
            return f"{needed} is not there"
        if script == "apache_tools.py" and shutil.which("java") is None:
            return "java is not there"
    else:
        python = environment(packages)
        if python is None:
            return "could not be installed from PyPI"
    more = [os.path.join(APACHE, "kafka-cli")] if script == "apache_tools.py" else []
    command = [python, os.path.join(HERE, "clients", script), address, *more]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
        output, errors = done.stdout, done.stderr
    except subprocess.TimeoutExpired as expired:
        output, errors = (expired.stdout or b"").decode(), "it hung"
    rows = [line.split("\t") for line in output.splitlines() if line.startswith(("PASS\t", "FAIL\t"))]
    checks = [(row[1], row[2], row[0], float(row[3]), row[4]) for row in rows]
    if not checks or errors == "it hung":
        checks.append(("admin", "the script itself", "FAIL", 0.0, errors.strip()[-300:]))
    return checks


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--broker", default="embedded", help="embedded, apache, or HOST:PORT of a running one")
    parser.add_argument("--quick", action="store_true", help="without Kafka's own tools: under five minutes")
    parser.add_argument("--needletail", help="the built program")
    parser.add_argument("--only", help="clients whose name contains this")
    parser.add_argument("--verbose", action="store_true", help="every check with its time")
    options = parser.parse_args()
    built = [os.path.join(ROOT, ".build", mode, "needletail") for mode in ("release", "debug")]
    needletail = options.needletail or next((path for path in built if os.access(path, os.X_OK)), built[0])

    broker = Broker(options.broker, needletail)
    started = time.monotonic()
    table, failures = [], []
    try:
        for name, script, packages, is_quick in CLIENTS:
            if (options.quick and not is_quick) or (options.only and options.only not in name):
                continue
            checks = run(name, script, packages, broker.address, 600)
            if isinstance(checks, str):
                table.append((name, ["skipped"] * len(AREAS)))
                print(f"{name}: skipped, {checks}", flush=True)
                continue
            cells = []
            for area in AREAS:
                own = [check for check in checks if check[0] == area]
                good = sum(check[2] == "PASS" for check in own)
                cells.append(f"{good}/{len(own)}" if own else "-")
            table.append((name, cells))
            failures += [(name, *check) for check in checks if check[2] == "FAIL"]
            if options.verbose:
                for area, what, verdict, seconds, reason in checks:
                    print(f"  {verdict} {name}: {area} {what.replace('_', ' ')} ({seconds:.1f} s) {reason}", flush=True)
    finally:
        code = broker.stop()
    width = max([len(name) for name, _ in table] + [6])
    print(f"\n{'client':{width}}  " + "  ".join(f"{area:>8}" for area in AREAS))
    for name, cells in table:
        print(f"{name:{width}}  " + "  ".join(f"{cell:>8}" for cell in cells))
    for name, area, what, _, _, reason in failures:
        print(f"FAIL {name}: {area} {what.replace('_', ' ')}: {reason}")
    if options.broker == "embedded" and code != 0:
        print(f"FAIL the broker ended with {code}")
    print(f"broker {options.broker}, {time.monotonic() - started:.0f} s")
    sys.exit(1 if failures or (options.broker == "embedded" and code != 0) else 0)


if __name__ == "__main__":
    main()
