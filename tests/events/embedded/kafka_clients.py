"""Two aiokafka clients at their simplest: send some values, read some values."""

import asyncio

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer


async def produce(address, topic, values):
    producer = AIOKafkaProducer(bootstrap_servers=address)
    await producer.start()
    try:
        for value in values:
            await producer.send_and_wait(topic, value, partition=0)
        return {topic: await producer.partitions_for(topic)}
    finally:
        await producer.stop()


async def consume(address, topic, count, group="readers"):
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=address,
        group_id=group,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=20,
        session_timeout_ms=30_000,
    )
    await consumer.start()
    try:
        return [(await asyncio.wait_for(consumer.getone(), 30)).value for _ in range(count)]
    finally:
        await consumer.stop()
