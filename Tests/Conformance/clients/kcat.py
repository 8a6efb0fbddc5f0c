"""kcat against a broker: kcat.py HOST:PORT"""

import subprocess
import time

from scenario import Scenarios, bootstrap, equal, fresh

scenario = Scenarios()
B = bootstrap()


def kcat(*arguments, text="", seconds=30):
    done = subprocess.run(["kcat", "-b", B, *arguments], input=text, capture_output=True, text=True, timeout=seconds)
    if done.returncode != 0:
        raise AssertionError(f"kcat {' '.join(arguments)}: {done.stderr.strip()[-300:]}")
    return done.stdout


def lines(count, prefix=""):
    return "".join(f"{prefix}{i}\n" for i in range(count))


@scenario
def produce_every_codec():
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"]:
        topic = fresh("kcat")
        kcat("-P", "-t", topic, "-z", codec, "-X", "enable.idempotence=true", text=lines(1000))
        equal(sorted(kcat("-C", "-t", topic, "-e", "-q").split(), key=int), lines(1000).split())


@scenario
def produce_without_waiting_for_an_answer():
    topic = fresh("acks0")
    kcat("-P", "-t", topic, "-X", "acks=0", text=lines(100))
    time.sleep(0.3)
    equal(len(kcat("-C", "-t", topic, "-e", "-q").split()), 100)


@scenario
def produce_keys_headers_and_tombstones():
    topic = fresh("keys")
    kcat("-P", "-t", topic, "-p", "0", "-K:", "-Z", "-H", "a=1", text="k:v\nnull:\n")
    equal(kcat("-C", "-t", topic, "-p", "0", "-e", "-q", "-f", "%k|%S|%h\n").split("\n")[:2], ["k|1|a=1", "null|-1|a=1"])


@scenario
def consume_large_first_batch_whole():
    topic = fresh("big")
    kcat("-P", "-t", topic, "-p", "0", text="x" * 900_000 + "\n")
    kcat("-P", "-t", topic, "-p", "0", text=lines(10))
    found = kcat("-C", "-t", topic, "-p", "0", "-e", "-q", "-X", "fetch.message.max.bytes=1000").split()
    equal([len(found), len(found[0])], [11, 900_000])


@scenario
def consume_from_offsets_and_times():
    topic = fresh("offsets")
    kcat("-P", "-t", topic, "-p", "0", text=lines(100))
    equal(kcat("-C", "-t", topic, "-p", "0", "-o", "90", "-e", "-q").split(), [str(i) for i in range(90, 100)])
    equal(kcat("-C", "-t", topic, "-p", "0", "-o", "-5", "-e", "-q").split(), [str(i) for i in range(95, 100)])
    equal(kcat("-Q", "-t", f"{topic}:0:1").split(), [topic, "[0]", "offset", "0"])


@scenario
def groups_consume_and_go_on():
    for strategy in ["range,roundrobin", "cooperative-sticky"]:
        topic, group = fresh("group"), fresh("g")
        kcat("-P", "-t", topic, text=lines(50))
        common = ["-G", group, topic, "-q", "-e", "-X", "auto.offset.reset=earliest", "-X",
                  f"partition.assignment.strategy={strategy}"]
        equal(len(kcat(*common).split()), 50)
        kcat("-P", "-t", topic, text=lines(7))
        equal(len(kcat(*common).split()), 7)


@scenario
def admin_lists_topics():
    topic = fresh("list")
    kcat("-P", "-t", topic, text="a\n")
    listing = kcat("-L")
    equal(f'topic "{topic}"' in listing and "(controller)" in listing, True, "listing")


scenario.run()
