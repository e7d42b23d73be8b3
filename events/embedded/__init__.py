"""The development broker: librdkafka's mock cluster in a child process, in memory, one for each folder.

`client` is what a process that wants a broker calls; `broker` is the child process; `control` is what the two say to
each other; `mock` drives librdkafka; `forwarder` keeps the port; `headroom` and `room` keep the relay from losing
records. It is not Kafka: 5 MiB a partition, one member a group, no transactions. Nothing here runs without `DEBUG`.

    user ── held_open(folder) ──┐                                     ┌─ Forwarder, the port that stays
    user ── held_open(folder) ──┼── control socket ── Broker (child) ─┤
    kafka client ───────────────┼── bootstrap ────────────────────────┘
                                └── everything else ── MockCluster, a port of its own
"""
