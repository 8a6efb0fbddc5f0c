"""kafka-python against a broker: kafka_python.py HOST:PORT"""

import threading
import time

import kafka
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewPartitions, NewTopic

from scenario import Scenarios, bootstrap, equal, fresh

scenario = Scenarios()
B = bootstrap()


def make(topic, partitions=1):
    admin = KafkaAdminClient(bootstrap_servers=B)
    admin.create_topics([NewTopic(name=topic, num_partitions=partitions, replication_factor=1)])
    admin.close()


def send(topic, values, **config):
    producer = KafkaProducer(bootstrap_servers=B, **config)
    futures = [producer.send(topic, value) for value in values]
    producer.flush(20)
    result = [future.get(20).offset for future in futures]
    producer.close()
    return result


def read(consumer, count, seconds=25):
    found, deadline = [], time.monotonic() + seconds
    while len(found) < count and time.monotonic() < deadline:
        for records in consumer.poll(timeout_ms=200).values():
            found += records
    return found


@scenario
def produce_codecs():
    for codec in [None, "gzip"]:
        topic = fresh("kp")
        make(topic)
        values = [f"{i} {'x' * 50}".encode() for i in range(300)]
        equal(sorted(send(topic, values, compression_type=codec)), list(range(300)))
        consumer = KafkaConsumer(topic, bootstrap_servers=B, auto_offset_reset="earliest")
        equal([r.value for r in read(consumer, 300)], values)
        consumer.close()


@scenario
def produce_to_a_topic_nobody_made():
    topic = fresh("kpauto")
    equal(send(topic, [b"a"]), [0])


@scenario
def consume_seek_and_ends():
    topic = fresh("kpseek")
    make(topic)
    send(topic, [str(i).encode() for i in range(100)])
    consumer = KafkaConsumer(bootstrap_servers=B)
    partition = TopicPartition(topic, 0)
    consumer.assign([partition])
    equal(consumer.beginning_offsets([partition])[partition], 0)
    equal(consumer.end_offsets([partition])[partition], 100)
    consumer.seek(partition, 60)
    equal([r.offset for r in read(consumer, 40)], list(range(60, 100)))
    equal(consumer.offsets_for_times({partition: 1})[partition].offset, 0)
    consumer.close()


@scenario
def consume_a_topic_nobody_made():
    topic = fresh("kpnew")
    consumer = KafkaConsumer(topic, bootstrap_servers=B, auto_offset_reset="earliest", metadata_max_age_ms=1000)
    threading.Timer(1, lambda: send(topic, [b"a"])).start()
    equal([r.value for r in read(consumer, 1)], [b"a"])
    consumer.close()


@scenario
def groups_two_members():
    topic, group = fresh("kpgroup"), fresh("g")
    make(topic, 4)
    producer = KafkaProducer(bootstrap_servers=B)
    for index in range(200):
        producer.send(topic, str(index).encode(), partition=index % 4)
    producer.flush(10)
    found, splits, stop = [[], []], [0, 0], threading.Event()

    def member(index):
        consumer = KafkaConsumer(topic, bootstrap_servers=B, group_id=group, auto_offset_reset="earliest",
                                 session_timeout_ms=10000, heartbeat_interval_ms=500, enable_auto_commit=True)
        while not stop.is_set():
            # 3.0.12 forgets an assignment that arrives just when the time of its poll is up: short polls lose members.
            for records in consumer.poll(timeout_ms=3000).values():
                found[index] += records
            splits[index] = len(consumer.assignment())
        consumer.close()

    threads = [threading.Thread(target=member, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if len({(r.partition, r.offset) for r in found[0] + found[1]}) == 200 and splits == [2, 2]:
            break
        time.sleep(0.1)
    split = list(splits)
    stop.set()
    for thread in threads:
        thread.join(20)
    equal(len({(r.partition, r.offset) for r in found[0] + found[1]}), 200, "records")
    equal(split, [2, 2], "partitions of each")
    consumer = KafkaConsumer(bootstrap_servers=B, group_id=group)
    equal(sum(consumer.committed(TopicPartition(topic, p)) or 0 for p in range(4)), 200, "committed")
    consumer.close()


@scenario
def admin_topics_and_groups():
    topic = fresh("kpadmin")
    make(topic, 2)
    admin = KafkaAdminClient(bootstrap_servers=B)
    equal(topic in admin.list_topics(), True)
    equal(len(admin.describe_topics([topic])[0]["partitions"]), 2)
    admin.create_partitions({topic: NewPartitions(3)} if kafka.__version__ < "3" else {topic: 3})
    equal(len(admin.describe_topics([topic])[0]["partitions"]), 3)
    admin.delete_topics([topic])
    time.sleep(0.5)
    equal(topic in admin.list_topics(), False)
    groups = admin.list_consumer_groups() if kafka.__version__ < "3" else admin.list_groups()
    equal(isinstance(groups, list), True)
    admin.close()


scenario.run()
