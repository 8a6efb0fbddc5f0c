"""aiokafka against a broker: aio.py HOST:PORT"""

import asyncio

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from scenario import Scenarios, bootstrap, equal, fresh

scenario = Scenarios()
B = bootstrap()


async def make(topic, partitions=1):
    admin = AIOKafkaAdminClient(bootstrap_servers=B)
    await admin.start()
    await admin.create_topics([NewTopic(name=topic, num_partitions=partitions, replication_factor=1)])
    await admin.close()


async def send(topic, values, **config):
    producer = AIOKafkaProducer(bootstrap_servers=B, **config)
    await producer.start()
    try:
        futures = [await producer.send(topic, value) for value in values]
        return [(await future).offset for future in futures]
    finally:
        await producer.stop()


async def read(consumer, count, seconds=25):
    found = []

    async def collect():
        while len(found) < count:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found.extend(records)

    try:
        await asyncio.wait_for(collect(), seconds)
    except asyncio.TimeoutError:
        pass
    return found


@scenario
def produce_codecs_and_idempotence():
    async def body():
        for config in [{}, {"compression_type": "gzip"}, {"enable_idempotence": True}]:
            topic = fresh("aio")
            await make(topic)
            values = [f"{i} {'x' * 50}".encode() for i in range(300)]
            equal(await send(topic, values, **config), list(range(300)))
            consumer = AIOKafkaConsumer(topic, bootstrap_servers=B, auto_offset_reset="earliest")
            await consumer.start()
            equal([r.value for r in await read(consumer, 300)], values)
            await consumer.stop()

    asyncio.run(body())


@scenario
def produce_to_a_topic_nobody_made():
    asyncio.run(asyncio.wait_for(send(fresh("aioauto"), [b"a"]), 15))


@scenario
def consume_seek_and_ends():
    async def body():
        topic = fresh("aioseek")
        await make(topic)
        await send(topic, [str(i).encode() for i in range(100)])
        consumer = AIOKafkaConsumer(bootstrap_servers=B)
        await consumer.start()
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        equal((await consumer.beginning_offsets([partition]))[partition], 0)
        equal((await consumer.end_offsets([partition]))[partition], 100)
        consumer.seek(partition, 60)
        equal([r.offset for r in await read(consumer, 40)], list(range(60, 100)))
        equal((await consumer.offsets_for_times({partition: 1}))[partition].offset, 0)
        await consumer.stop()

    asyncio.run(body())


@scenario
def groups_two_members():
    async def body():
        topic, group = fresh("aiogroup"), fresh("g")
        await make(topic, 4)
        await send(topic, [str(i).encode() for i in range(200)])

        async def member():
            consumer = AIOKafkaConsumer(topic, bootstrap_servers=B, group_id=group, auto_offset_reset="earliest",
                                        session_timeout_ms=10000, heartbeat_interval_ms=500)
            await consumer.start()
            return consumer

        members = [await member(), await member()]
        found, split = [], []
        for _ in range(100):
            for consumer in members:
                found += await read(consumer, 1, 0.2)
            split = [len(consumer.assignment()) for consumer in members]
            if len({(r.partition, r.offset) for r in found}) == 200 and split == [2, 2]:
                break
        for consumer in members:
            await consumer.stop()
        equal(len({(r.partition, r.offset) for r in found}), 200, "records")
        equal(split, [2, 2], "partitions of each")
        again = AIOKafkaConsumer(bootstrap_servers=B, group_id=group)
        await again.start()
        equal(sum([await again.committed(TopicPartition(topic, p)) or 0 for p in range(4)]), 200, "committed")
        await again.stop()

    asyncio.run(body())


@scenario
def admin_topics_and_groups():
    async def body():
        topic = fresh("aioadmin")
        await make(topic, 2)
        admin = AIOKafkaAdminClient(bootstrap_servers=B)
        await admin.start()
        equal(topic in await admin.list_topics(), True)
        equal(len((await admin.describe_topics([topic]))[0]["partitions"]), 2)
        await admin.delete_topics([topic])
        await asyncio.sleep(0.5)
        equal(topic in await admin.list_topics(), False)
        equal(isinstance(await admin.list_consumer_groups(), list), True)
        await admin.close()

    asyncio.run(body())


scenario.run()
