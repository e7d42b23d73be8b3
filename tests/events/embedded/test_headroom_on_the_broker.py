"""The headroom against the real mock: more than it keeps goes through, and nothing is dropped unread."""

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from events.core.broker import Partition, Place
from events.embedded.headroom import Headroom, ask_positions

RECORD_BYTES = 10_000
BATCH = 50
RECORDS = 1_500  # 15 MB into one partition that keeps 5 MiB


@pytest.fixture
async def ask(mock_cluster):
    """Asks the broker what a group has committed."""
    admin = AIOKafkaAdminClient(bootstrap_servers=mock_cluster.address)
    await admin.start()

    async def ask(group, partitions):
        wanted = [TopicPartition(*partition) for partition in partitions]
        found = await admin.list_consumer_group_offsets(group, partitions=wanted)
        return {Partition(*place): known.offset if known.offset >= 0 else None for place, known in found.items()}

    yield ask
    await admin.close()


async def relay(address, headroom, ask, full):
    """Send numbered records in batches, waiting for room, which sets `full`."""
    producer = AIOKafkaProducer(bootstrap_servers=address, max_batch_size=1_000_000)
    await producer.start()
    for start in range(0, RECORDS, BATCH):
        while not headroom.room():
            full.set()
            await asyncio.sleep(0.01)
            await ask_positions(headroom, ask)
        values = [str(number).encode().ljust(RECORD_BYTES) for number in range(start, start + BATCH)]
        acks = [await producer.send("quotes", value, partition=0) for value in values]
        for sent in await asyncio.gather(*acks):
            headroom.sent(Place("quotes", 0, sent.offset), RECORD_BYTES)
    await producer.stop()


async def read_later(address, full):
    """Read all records as a group would that begins when the relay has no more room; return their numbers."""
    await full.wait()
    consumer = AIOKafkaConsumer(
        "quotes",
        bootstrap_servers=address,
        group_id="likes",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=20,
        session_timeout_ms=30_000,
    )
    await consumer.start()
    numbers = []
    while len(numbers) < RECORDS:
        for place, records in (await consumer.getmany(timeout_ms=200, max_records=BATCH)).items():
            numbers += [int(record.value) for record in records]
            await consumer.commit({place: records[-1].offset + 1})
    await consumer.stop()
    return numbers


async def test_fifteen_megabytes_go_through_a_partition_of_five_without_a_loss(mock_cluster, ask):
    mock_cluster.create_topic("quotes", 1)
    headroom, full = Headroom(), asyncio.Event()
    headroom.groups({"likes": ["quotes"]})

    async with asyncio.timeout(120):
        _, numbers = await asyncio.gather(
            relay(mock_cluster.address, headroom, ask, full), read_later(mock_cluster.address, full)
        )

    assert numbers == list(range(RECORDS))
    assert mock_cluster.kept("quotes", 0).first > 0, "the broker had room for all"
