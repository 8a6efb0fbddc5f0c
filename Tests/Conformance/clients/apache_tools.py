"""Kafka's own command-line tools against a broker: apache_tools.py HOST:PORT KAFKA_CLI"""

import json
import re
import subprocess
import sys
import tempfile
import time

from scenario import Scenarios, bootstrap, equal, fresh

scenario = Scenarios()
B = bootstrap()
CLI = sys.argv[2]


def cli(tool, *arguments, text="", seconds=60, code=0):
    done = subprocess.run([CLI, tool, *arguments], input=text, capture_output=True, text=True, timeout=seconds)
    output = done.stdout + done.stderr
    if code is not None and done.returncode != code:
        raise AssertionError(f"{tool} {' '.join(arguments)} ended with {done.returncode}: {output.strip()[-400:]}")
    return output


def topics(*arguments, **more):
    return cli("topics", "--bootstrap-server", B, *arguments, **more)


def groups(*arguments, **more):
    return cli("consumer-groups", "--bootstrap-server", B, *arguments, **more)


def contains(text, *parts):
    for part in parts:
        if part not in text:
            raise AssertionError(f"no {part!r} in {text[-400:]!r}")


@scenario
def produce_console():
    topic = fresh("console")
    topics("--create", "--topic", topic, "--partitions", "1")
    cli("console-producer", "--bootstrap-server", B, "--topic", topic, "--compression-codec", "zstd", text="a\nb\nc\n")
    found = cli("console-consumer", "--bootstrap-server", B, "--topic", topic, "--from-beginning", "--max-messages", "3",
                "--timeout-ms", "20000")
    contains(found, "a\nb\nc\n", "Processed a total of 3 messages")


@scenario
def produce_verifiable():
    topic = fresh("verifiable")
    topics("--create", "--topic", topic, "--partitions", "3")
    sent = cli("verifiable-producer", "--bootstrap-server", B, "--topic", topic, "--max-messages", "2000", "--acks", "-1")
    summary = json.loads([line for line in sent.splitlines() if '"tool_data"' in line][-1])
    equal((summary["sent"], summary["acked"]), (2000, 2000))
    found = cli("verifiable-consumer", "--bootstrap-server", B, "--topic", topic, "--group-id", fresh("g"),
                "--max-messages", "2000", "--reset-policy", "earliest")
    counts = [json.loads(line)["count"] for line in found.splitlines() if '"records_consumed"' in line]
    equal(sum(counts), 2000)


@scenario
def produce_perf():
    topic = fresh("perf")
    topics("--create", "--topic", topic, "--partitions", "1")
    for extra in [["acks=all"], ["acks=all", "enable.idempotence=false", "compression.type=lz4"]]:
        sent = cli("producer-perf", "--topic", topic, "--num-records", "20000", "--record-size", "300", "--throughput",
                   "-1", "--producer-props", f"bootstrap.servers={B}", *extra)
        contains(sent, "20000 records sent")


@scenario
def consume_perf():
    topic = fresh("cperf")
    topics("--create", "--topic", topic, "--partitions", "1")
    cli("producer-perf", "--topic", topic, "--num-records", "20000", "--record-size", "300", "--throughput", "-1",
        "--producer-props", f"bootstrap.servers={B}")
    found = cli("consumer-perf", "--bootstrap-server", B, "--topic", topic, "--messages", "20000", "--timeout", "30000")
    contains(found, " 20000,")


@scenario
def consume_read_committed_and_small_fetches():
    topic = fresh("rc")
    topics("--create", "--topic", topic, "--partitions", "1")
    with tempfile.NamedTemporaryFile("w+") as big:
        big.write("x" * 900_000 + "\n" + "".join(f"{i}\n" for i in range(10)))
        big.flush()
        cli("console-producer", "--bootstrap-server", B, "--topic", topic, text=open(big.name).read())
    found = cli("console-consumer", "--bootstrap-server", B, "--topic", topic, "--from-beginning", "--max-messages", "11",
                "--timeout-ms", "20000", "--isolation-level", "read_committed", "--consumer-property",
                "max.partition.fetch.bytes=1000")
    contains(found, "Processed a total of 11 messages")


@scenario
def groups_describe_and_reset():
    topic, group = fresh("reset"), fresh("g")
    topics("--create", "--topic", topic, "--partitions", "2")
    cli("producer-perf", "--topic", topic, "--num-records", "100", "--record-size", "10", "--throughput", "-1",
        "--producer-props", f"bootstrap.servers={B}")
    cli("console-consumer", "--bootstrap-server", B, "--topic", topic, "--group", group, "--from-beginning",
        "--max-messages", "100", "--timeout-ms", "20000")
    contains(groups("--list"), group)
    rows = re.findall(rf"{topic}\s+(\d)\s+(\d+)\s+(\d+)\s+(\d+)", groups("--describe", "--group", group))
    equal(sum(int(row[1]) for row in rows), 100, "committed")
    equal(sum(int(row[3]) for row in rows), 0, "lag")
    contains(groups("--describe", "--group", group, "--state"), "Empty")
    groups("--reset-offsets", "--group", group, "--topic", topic, "--to-earliest", "--execute")
    rows = re.findall(rf"{topic}\s+(\d)\s+(\d+)\s+(\d+)\s+(\d+)", groups("--describe", "--group", group))
    equal(sum(int(row[3]) for row in rows), 100, "lag after the reset")
    groups("--reset-offsets", "--group", group, "--topic", f"{topic}:0", "--shift-by", "3", "--execute")
    groups("--reset-offsets", "--group", group, "--topic", topic, "--to-datetime", "2020-01-01T00:00:00.000", "--execute")
    contains(groups("--delete-offsets", "--group", group, "--topic", topic), "Successful")
    contains(groups("--delete", "--group", group), "successful")


@scenario
def groups_members_are_described():
    topic, group = fresh("members"), fresh("g")
    topics("--create", "--topic", topic, "--partitions", "2")
    member = subprocess.Popen([CLI, "console-consumer", "--bootstrap-server", B, "--topic", topic, "--group", group],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            described = groups("--describe", "--group", group, "--members", code=None)
            if "console-consumer" in described:
                break
        contains(described, "console-consumer")
        contains(groups("--describe", "--group", group, "--state"), "Stable")
        contains(groups("--delete", "--group", group, code=None), "GroupNotEmptyException")
    finally:
        member.terminate()
        member.wait(20)


@scenario
def admin_topics():
    topic = fresh("topics")
    contains(topics("--create", "--topic", topic, "--partitions", "2", "--config", "retention.ms=3600000"), "Created topic")
    contains(topics("--list"), topic)
    described = topics("--describe", "--topic", topic)
    contains(described, "PartitionCount: 2", "ReplicationFactor: 1", "retention.ms=3600000", "Leader: 1")
    topics("--alter", "--topic", topic, "--partitions", "4")
    contains(topics("--describe", "--topic", topic), "PartitionCount: 4")
    contains(topics("--create", "--topic", topic, code=1), "already exists")
    topics("--create", "--topic", topic, "--if-not-exists")
    topics("--delete", "--topic", topic)
    time.sleep(0.5)
    equal(topic in topics("--list"), False)


@scenario
def admin_topic_ids():
    """A topic is described by its id, and one that is made again under its name has another."""
    def described(*how):
        return re.findall(r"Topic: (\S+)\s+TopicId: (\S+)", topics("--describe", *how))

    topic = fresh("ids")
    topics("--create", "--topic", topic)
    (name, first), = described("--topic", topic)
    equal(len(first), 22)
    equal(described("--topic-id", first), [(topic, first)])
    topics("--delete", "--topic", topic)
    deadline = time.monotonic() + 10
    while topic in topics("--list") and time.monotonic() < deadline:
        time.sleep(0.2)
    topics("--create", "--topic", topic)
    (name, second), = described("--topic", topic)
    equal((name, second != first), (topic, True))
    contains(topics("--describe", "--topic-id", first, code=None), "does not exist")


@scenario
def admin_configs():
    topic = fresh("configs")
    topics("--create", "--topic", topic)
    common = ["--bootstrap-server", B, "--entity-type", "topics", "--entity-name", topic]
    cli("configs", *common, "--alter", "--add-config", "retention.ms=99999,max.message.bytes=5000")
    contains(cli("configs", *common, "--describe"), "retention.ms=99999", "max.message.bytes=5000")
    cli("configs", *common, "--alter", "--delete-config", "retention.ms")
    equal("retention.ms=99999" in cli("configs", *common, "--describe"), False)
    contains(cli("configs", *common, "--alter", "--add-config", "no.such=1", code=1), "Unknown topic config name")


@scenario
def admin_get_offsets():
    topic = fresh("getoffsets")
    topics("--create", "--topic", topic, "--partitions", "1")
    cli("producer-perf", "--topic", topic, "--num-records", "50", "--record-size", "10", "--throughput", "-1",
        "--producer-props", f"bootstrap.servers={B}")
    contains(cli("get-offsets", "--bootstrap-server", B, "--topic", topic), f"{topic}:0:50")
    contains(cli("get-offsets", "--bootstrap-server", B, "--topic", topic, "--time", "-2"), f"{topic}:0:0")


scenario.run()
