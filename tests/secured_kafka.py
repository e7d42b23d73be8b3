"""A real Apache Kafka 4 that demands TLS and a log-in, with users whose rights are those of docs/operations.md.

SASL_SSL   TLS, and a log-in by SCRAM-SHA-512 or PLAIN
SSL        TLS, and the client's own certificate
PLAINTEXT  for the broker itself, and for who gives out the rights
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from confluent_kafka import admin

from tests.certificates import Authority
from tests.servers import need_kafka
from tests.waiting import until_sync
from tools.kafka import Extra, Kafka
from tools.server import free_port

USER, PASSWORD = "shop-of-the-tests", "hunter2-is-the-password"
GUEST = "guest-of-the-tests"
"""A user with the same password, and without any right."""

GRANTED_S = 60

_SETTINGS = """listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL
ssl.keystore.type=PEM
ssl.keystore.location={folder}/broker-store.pem
ssl.truststore.type=PEM
ssl.truststore.location={folder}/ca.pem
listener.name.ssl.ssl.client.auth=required
listener.name.sasl_ssl.sasl.enabled.mechanisms=SCRAM-SHA-512,PLAIN
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl_ssl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \\
  user_{user}="{password}";
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
"""


@dataclass
class SecuredKafka:
    """The broker: where it wants a log-in, where a client's certificate, and the files for both."""

    kafka: Kafka
    address: str
    tls_address: str
    authority: Authority
    certificate: Path
    key: Path

    def log_in(self, mechanism="SCRAM-SHA-512", *, user=USER, password=PASSWORD, authority=None):
        """The arguments for `address`, as EVENTS["PRODUCER"] and EVENTS["CONSUMER"] take them."""
        return {
            "security_protocol": "SASL_SSL",
            "ssl_cafile": str(authority or self.authority.certificate),
            "sasl_mechanism": mechanism,
            "sasl_plain_username": user,
            "sasl_plain_password": password,
        }

    def at(self, mechanism="SCRAM-SHA-512", **changes):
        """The address with the arguments for it."""
        return self.address, self.log_in(mechanism, **changes)

    def certified(self):
        """The arguments for `tls_address`."""
        files = {"ssl_cafile": self.authority.certificate, "ssl_certfile": self.certificate, "ssl_keyfile": self.key}
        return {"security_protocol": "SSL", **{name: str(path) for name, path in files.items()}}

    def grant(self, *principals):
        """Give each the rights that docs/operations.md names, on topics and groups that begin with `shop.`.

        Comes back when they hold: the controller has them before the broker does.
        """
        client = admin.AdminClient({"bootstrap.servers": self.kafka.address})
        rights = {one for who in principals for one in _rights(who)}
        for future in client.create_acls([*rights]).values():
            future.result(GRANTED_S)
        until_sync(lambda: rights <= {*client.describe_acls(_ANY).result(GRANTED_S)}, GRANTED_S)


_ANY = admin.AclBindingFilter(
    admin.ResourceType.ANY,
    None,
    admin.ResourcePatternType.ANY,
    None,
    None,
    admin.AclOperation.ANY,
    admin.AclPermissionType.ANY,
)


def _rights(principal):
    topic, group = admin.ResourceType.TOPIC, admin.ResourceType.GROUP
    wanted = [(topic, right) for right in ("CREATE", "READ", "WRITE")] + [(group, "READ")]
    for kind, right in wanted:
        operation, prefixed = admin.AclOperation[right], admin.ResourcePatternType.PREFIXED
        permission = admin.AclPermissionType.ALLOW
        yield admin.AclBinding(kind, "shop.", prefixed, f"User:{principal}", "*", operation, permission)


def secured(folder):
    """A secured Kafka that is not yet started."""
    authority = Authority(folder / "certificates")
    broker, client = authority.sign("broker", kind="broker"), authority.sign("billing", kind="client")
    (authority.folder / "broker-store.pem").write_text(broker[1].read_text() + broker[0].read_text())
    address, tls_address = (f"127.0.0.1:{free_port()}" for _ in range(2))
    settings = _SETTINGS.format(folder=authority.folder, user=USER, password=PASSWORD)
    users = [f"SCRAM-SHA-512=[name={name},password={PASSWORD}]" for name in (USER, GUEST)]
    extra = Extra(
        [f"SASL_SSL://{address}", f"SSL://{tls_address}"],
        settings=settings,
        format=[part for user in users for part in ("--add-scram", user)],
    )
    return SecuredKafka(Kafka(folder, extra=extra), address, tls_address, authority, *client)


@pytest.fixture(scope="module")
def secured_kafka(tmp_path_factory):
    """A secured Kafka that runs, where the user and the certificate have their rights."""
    need_kafka()
    if not shutil.which("openssl"):
        pytest.skip("openssl makes the certificates, and was not found: install it (Debian: openssl).")
    server = secured(tmp_path_factory.mktemp("secured-kafka"))
    try:
        server.kafka.start()
        server.grant(USER, "CN=billing")
        yield server
    finally:
        server.kafka.stop()
