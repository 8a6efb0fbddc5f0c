"""confluent-kafka (librdkafka) against a broker: confluent.py HOST:PORT"""

import threading
import time

import confluent_kafka
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic

from scenario import Scenarios, bootstrap, equal, fresh

scenario = Scenarios()
B = bootstrap()
# Whether it has the newer half of the administration: configurations one by one, records, groups' positions.
NEW = hasattr(AdminClient, "incremental_alter_configs")


ADMIN = AdminClient({"bootstrap.servers": B})  # One for all: its futures fail when it is collected.


def admin():
    return ADMIN


def make(topic, partitions=1, **config):
    for future in admin().create_topics([NewTopic(topic, partitions, 1, config=config)]).values():
        future.result(10)


def produce(topic, values, partition=None, **config):
    reports = []
    producer = Producer({"bootstrap.servers": B, **config})
    for index, value in enumerate(values):
        extra = {} if partition is None else {"partition": partition}
        producer.produce(topic, value, key=str(index), on_delivery=lambda error, m: reports.append((error, m)), **extra)
        producer.poll(0)
    equal(producer.flush(20), 0, "left in the queue")
    for error, _ in reports:
        if error:
            raise KafkaException(error)
    return [m.offset() for _, m in reports]


def consume(topic, count, partitions=(0,), start=confluent_kafka.OFFSET_BEGINNING, seconds=20, **config):
    consumer = Consumer({"bootstrap.servers": B, "group.id": fresh("g"), "enable.auto.commit": False, **config})
    consumer.assign([TopicPartition(topic, p, start) for p in partitions])
    return read(consumer, count, seconds)


def read(consumer, count, seconds=20, close=True):
    found, deadline = [], time.monotonic() + seconds
    while len(found) < count and time.monotonic() < deadline:
        message = consumer.poll(0.2)
        if message is None:
            continue
        if message.error():
            raise KafkaException(message.error())
        found.append(message)
    if close:
        consumer.close()
    equal(len(found), count, "records")
    return found


@scenario
def produce_every_codec():
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"]:
        topic = fresh("codec")
        make(topic)
        values = [f"{codec} {i} {'x' * 100}".encode() for i in range(500)]
        produce(topic, values, **{"compression.type": codec, "linger.ms": 20})
        equal([m.value() for m in consume(topic, 500)], values)


@scenario
def produce_idempotent_in_order():
    topic = fresh("idem")
    make(topic)
    offsets = produce(topic, [str(i) for i in range(5000)], **{"enable.idempotence": True})
    equal(offsets, list(range(5000)), "offsets")


@scenario
def produce_headers_timestamps_and_nulls():
    topic = fresh("fields")
    make(topic)
    now = int(time.time() * 1000)
    producer = Producer({"bootstrap.servers": B})
    producer.produce(topic, None, key="k", timestamp=now, headers=[("a", b"1"), ("b", None)])
    producer.produce(topic, b"", key=None, timestamp=now + 1)
    producer.flush(10)
    first, second = consume(topic, 2)
    equal((first.value(), first.key(), first.headers()), (None, b"k", [("a", b"1"), ("b", None)]))
    equal((first.timestamp()[1], second.timestamp()[1]), (now, now + 1))
    equal((second.value(), second.key()), (b"", None))


@scenario
def produce_too_large_is_refused():
    topic = fresh("large")
    make(topic, **{"max.message.bytes": "1000"})
    try:
        produce(topic, [b"x" * 5000])
        raise AssertionError("accepted")
    except KafkaException as error:
        equal(error.args[0].code(), KafkaError.MSG_SIZE_TOO_LARGE, "error")


@scenario
def produce_transactions():
    # Transactions are outside of the embedded broker's scope: a clear and immediate refusal counts as well.
    producer = Producer({"bootstrap.servers": B, "transactional.id": fresh("tx")})
    started = time.monotonic()
    try:
        producer.init_transactions(10)
    except KafkaException as error:
        equal(error.args[0].code(), KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, "error")
        if time.monotonic() - started > 5:
            raise AssertionError("the refusal came late")


@scenario
def consume_large_first_batch_whole():
    topic = fresh("oversized")
    make(topic)
    produce(topic, [b"x" * 900_000] + [str(i).encode() for i in range(10)])
    found = consume(topic, 11, **{"fetch.message.max.bytes": 1000, "receive.message.max.bytes": 100_000_000})
    equal(len(found[0].value()), 900_000)


@scenario
def consume_from_the_middle_of_a_batch():
    topic = fresh("middle")
    make(topic)
    produce(topic, [str(i).encode() for i in range(1000)], **{"linger.ms": 100})
    for start in [1, 499, 998]:
        equal([m.offset() for m in consume(topic, 1000 - start, start=start)], list(range(start, 1000)))


@scenario
def consume_waits_for_records_without_spinning():
    topic = fresh("wait")
    make(topic)
    consumer = Consumer({"bootstrap.servers": B, "group.id": fresh("g"), "fetch.wait.max.ms": 500})
    consumer.assign([TopicPartition(topic, 0, 0)])
    equal(consumer.poll(1.5), None)
    threading.Timer(0.5, lambda: produce(topic, [b"late"])).start()
    started = time.monotonic()
    equal(read(consumer, 1)[0].value(), b"late")
    if time.monotonic() - started > 3:
        raise AssertionError("the record came late")


@scenario
def consume_offset_reset_out_of_range():
    topic = fresh("range")
    make(topic)
    produce(topic, [b"a", b"b"])
    equal([m.value() for m in consume(topic, 2, start=1000, **{"auto.offset.reset": "earliest"})], [b"a", b"b"])


@scenario
def consume_watermarks_and_times():
    topic = fresh("times")
    make(topic)
    base = 1_600_000_000_000
    producer = Producer({"bootstrap.servers": B, "linger.ms": 500})
    for delta in [100, 300, 200]:
        producer.produce(topic, b"x", timestamp=base + delta)
    producer.flush(10)
    producer.produce(topic, b"x", timestamp=base + 150)
    producer.flush(10)
    consumer = Consumer({"bootstrap.servers": B, "group.id": fresh("g")})
    equal(consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=10), (0, 4))
    times = [50, 150, 250, 301]
    found = [consumer.offsets_for_times([TopicPartition(topic, 0, base + t)], timeout=10)[0].offset for t in times]
    equal(found, [0, 1, 1, -1], "offsets for times")
    consumer.close()


@scenario
def consume_read_committed():
    topic = fresh("committed")
    make(topic)
    produce(topic, [b"a"])
    equal(consume(topic, 1, **{"isolation.level": "read_committed"})[0].value(), b"a")


def group_of_two(strategy, **config):
    topic, group = fresh("group"), fresh("g")
    make(topic, 4)
    produce(topic, [str(i) for i in range(400)])
    common = {"bootstrap.servers": B, "group.id": group, "auto.offset.reset": "earliest", "session.timeout.ms": 6000,
              "partition.assignment.strategy": strategy, "enable.auto.commit": False}
    stop, found, assigned, errors = threading.Event(), [[], []], [set(), set()], []

    def member(index):
        extra = {k: v.format(index) for k, v in config.items()}
        consumer = Consumer({**common, **extra})
        consumer.subscribe([topic])
        while not stop.is_set():
            message = consumer.poll(0.1)
            assigned[index] = {p.partition for p in consumer.assignment()}
            if message is None:
                continue
            if message.error():
                errors.append(message.error())
                continue
            found[index].append((message.partition(), message.offset()))
            consumer.commit(message, asynchronous=True)
        consumer.commit(asynchronous=False) if found[index] else None
        consumer.close()

    threads = [threading.Thread(target=member, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
        time.sleep(0.3)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if {*found[0], *found[1]} >= {*[(p, o) for p, o in found[0] + found[1]]} and len({*found[0], *found[1]}) == 400 \
                and [len(a) for a in assigned] == [2, 2]:
            break
        time.sleep(0.1)
    split = [len(a) for a in assigned]
    stop.set()
    for thread in threads:
        thread.join(20)
    equal(errors, [], "errors")
    equal(len({*found[0], *found[1]}), 400, "records")
    equal(split, [2, 2], "partitions of each")
    return topic, group


@scenario
def groups_range():
    topic, group = group_of_two("range")
    consumer = Consumer({"bootstrap.servers": B, "group.id": group})
    committed = consumer.committed([TopicPartition(topic, p) for p in range(4)], timeout=10)
    equal(sum(p.offset for p in committed), 400, "committed")
    consumer.close()


@scenario
def groups_roundrobin():
    group_of_two("roundrobin")


@scenario
def groups_cooperative_sticky():
    group_of_two("cooperative-sticky")


@scenario
def groups_static_members():
    group_of_two("range", **{"group.instance.id": "member-{}"})


@scenario
def groups_static_member_comes_back_without_a_rebalance():
    topic, group = fresh("static"), fresh("g")
    make(topic)
    config = {"bootstrap.servers": B, "group.id": group, "group.instance.id": "one", "auto.offset.reset": "earliest",
              "session.timeout.ms": 30000}
    produce(topic, [b"a"])
    consumer = Consumer(config)
    consumer.subscribe([topic])
    equal(read(consumer, 1)[0].value(), b"a")
    produce(topic, [b"b"])
    consumer = Consumer(config)
    consumer.subscribe([topic])
    equal(read(consumer, 1)[0].value(), b"b")


@scenario
def groups_committed_metadata_comes_back():
    topic, group = fresh("meta"), fresh("g")
    make(topic)
    produce(topic, [b"a", b"b"])
    consumer = Consumer({"bootstrap.servers": B, "group.id": group})
    consumer.commit(offsets=[TopicPartition(topic, 0, 1, "a note")] if NEW else [TopicPartition(topic, 0, 1)],
                    asynchronous=False)
    found = consumer.committed([TopicPartition(topic, 0)], timeout=10)[0]
    equal(found.offset, 1)
    if NEW:
        equal(found.metadata, "a note")
    consumer.close()


@scenario
def groups_unknown_group_has_no_positions():
    topic = fresh("unknown")
    make(topic)
    consumer = Consumer({"bootstrap.servers": B, "group.id": fresh("never")})
    equal(consumer.committed([TopicPartition(topic, 0)], timeout=10)[0].offset, confluent_kafka.OFFSET_INVALID)
    consumer.close()


@scenario
def admin_create_describe_delete():
    topic = fresh("admin")
    make(topic, 3, **{"retention.ms": "3600000"})
    metadata = admin().list_topics(timeout=10)
    equal(len(metadata.topics[topic].partitions), 3)
    equal(metadata.controller_id in metadata.brokers, True, "the controller is a broker")
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    config = list(admin().describe_configs([resource]).values())[0].result(10)
    equal(config["retention.ms"].value, "3600000")
    equal(config["cleanup.policy"].value, "delete")
    list(admin().create_partitions([NewPartitions(topic, 5)]).values())[0].result(10)
    deadline = time.monotonic() + 10
    while len(admin().list_topics(topic, timeout=10).topics[topic].partitions) < 5 and time.monotonic() < deadline:
        time.sleep(0.1)
    equal(len(admin().list_topics(topic, timeout=10).topics[topic].partitions), 5)
    list(admin().delete_topics([topic]).values())[0].result(10)
    deadline = time.monotonic() + 5
    while topic in admin().list_topics(timeout=10).topics and time.monotonic() < deadline:
        time.sleep(0.1)
    equal(topic in admin().list_topics(timeout=10).topics, False)


@scenario
def admin_errors():
    topic = fresh("errors")
    make(topic)
    for wanted, code in [
        (NewTopic(topic, 1, 1), KafkaError.TOPIC_ALREADY_EXISTS),
        (NewTopic(fresh("r"), 1, 3), KafkaError.INVALID_REPLICATION_FACTOR),
        (NewTopic(fresh("p"), 0, 1), KafkaError.INVALID_PARTITIONS),
        (NewTopic("a b", 1, 1), KafkaError.TOPIC_EXCEPTION),
        (NewTopic(fresh("c"), 1, 1, config={"no.such.config": "1"}), KafkaError.INVALID_CONFIG),
        (NewTopic(fresh("c"), 1, 1, config={"retention.ms": "x"}), KafkaError.INVALID_CONFIG),
    ]:
        try:
            list(admin().create_topics([wanted]).values())[0].result(10)
            raise AssertionError(f"made {wanted}")
        except KafkaException as error:
            equal(error.args[0].code(), code, str(wanted))
    try:
        list(admin().delete_topics([fresh("gone")]).values())[0].result(10)
        raise AssertionError("deleted a topic that is not there")
    except KafkaException as error:
        equal(error.args[0].code(), KafkaError.UNKNOWN_TOPIC_OR_PART)


@scenario
def admin_groups():
    topic, group = fresh("list"), fresh("g")
    make(topic)
    produce(topic, [b"a"])
    consumer = Consumer({"bootstrap.servers": B, "group.id": group, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    read(consumer, 1, close=False)
    listed = {g.id: g for g in admin().list_groups(timeout=10)}
    equal((listed[group].state, listed[group].protocol_type, len(listed[group].members)), ("Stable", "consumer", 1))
    consumer.close()
    if NEW:
        list(admin().delete_consumer_groups([group]).values())[0].result(10)
        equal(group in {g.id for g in admin().list_groups(timeout=10)}, False)


if NEW:
    @scenario
    def admin_alter_configs():
        from confluent_kafka.admin import AlterConfigOpType, ConfigEntry
        topic = fresh("alter")
        make(topic)
        entry = ConfigEntry("retention.ms", "12345", incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[entry])
        list(admin().incremental_alter_configs([resource]).values())[0].result(10)
        found = list(admin().describe_configs([ConfigResource(ConfigResource.Type.TOPIC, topic)]).values())[0].result(10)
        equal(found["retention.ms"].value, "12345")

    @scenario
    def admin_delete_records():
        topic = fresh("records")
        make(topic)
        produce(topic, [str(i) for i in range(100)])
        done = list(admin().delete_records([TopicPartition(topic, 0, 40)]).values())[0].result(10)
        equal(done.low_watermark, 40)
        equal(consume(topic, 60, start=confluent_kafka.OFFSET_BEGINNING)[0].offset(), 40)

    @scenario
    def admin_offsets():
        from confluent_kafka import ConsumerGroupTopicPartitions
        topic, group = fresh("offsets"), fresh("g")
        make(topic)
        produce(topic, [str(i) for i in range(10)])
        wanted = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0, 7)])
        list(admin().alter_consumer_group_offsets([wanted]).values())[0].result(10)
        asked = ConsumerGroupTopicPartitions(group)
        found = list(admin().list_consumer_group_offsets([asked]).values())[0].result(10)
        equal([(p.topic, p.offset) for p in found.topic_partitions], [(topic, 7)])


scenario.run()
