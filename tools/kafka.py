"""A one-node Apache Kafka 4 in KRaft mode, from Maven Central, without Docker.

    python3 -m tools.kafka start|stop|status|address [--folder FOLDER] [--port PORT]

Needs Java 17 or newer, and Maven once, to fetch the jars. Everything lies in a folder that git ignores. The broker
holds a lock on `lock` in its folder for as long as it lives: that, and not a stored process id, tells whether it
runs. Any python3 >= 3.8 can run this file.
"""

import argparse
import base64
import glob
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
import uuid
from pathlib import Path

from tools.server import ServerError, free_port, is_locked, is_taken, locked, wait_until

VERSION = "4.3.0"
HOME = Path(__file__).resolve().parent.parent / ".run" / "kafka"
LIBS = HOME / "libs"

_POM = """<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion><groupId>local</groupId><artifactId>kafka</artifactId><version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{version}</version>
    </dependency>
    <dependency><!-- else the broker logs nothing -->
      <groupId>org.apache.logging.log4j</groupId><artifactId>log4j-core</artifactId><version>2.24.3</version>
    </dependency>
    <dependency><!-- Kafka 4 still binds slf4j 1.7 -->
      <groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.24.3</version>
    </dependency>
  </dependencies>
</project>
"""

# It prints the class path, and Maven needs 9 jars to run it. The plugin that copies jars needs 48: with it the first
# fetch took 62 s where this one takes 23.
_GOAL = "org.codehaus.mojo:exec-maven-plugin:3.5.0:exec"

# For what ends in a second: with it the format takes 1.5 s of processor time instead of 2.5.
_QUICK_START = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")

_LOGGING = """rootLogger.level=info
rootLogger.appenderRef.out.ref=out
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d %p %m (%c)%n
"""

_PROPERTIES = """process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}{more}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}{more}
controller.listener.names=CONTROLLER
controller.quorum.voters=1@127.0.0.1:{controller}
log.dirs={data}
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
# 50 by default: a slow first join.
offsets.topic.num.partitions=5
# 3 s by default, which makes every first join slow.
group.initial.rebalance.delay.ms=0
# A forgotten topic is to be seen.
auto.create.topics.enable=false
# A broker that is not heard for so long loses all partitions, and no topic can be made: with 2 s that came 28 times
# in 20 minutes of tests on a busy machine. After SIGKILL the next start waits for the end of the session: 13 s.
broker.session.timeout.ms=10000
broker.heartbeat.interval.ms=500
{settings}"""


class Extra:
    """What a broker has besides: further listeners (NAME://host:port), lines of settings, arguments of its format."""

    def __init__(self, listeners=(), *, settings="", format=()):
        self.listeners, self.settings, self.format = listeners, settings, format


class Kafka:
    """One broker in one folder. The port is chosen once and kept, so that a restart has the same address."""

    def __init__(self, folder=HOME, port=0, *, extra=None):
        self.folder, self.wanted_port, self.process = Path(folder), port, None
        self.extra = extra or Extra()
        self.lock, self.log = self.folder / "lock", self.folder / "kafka.log"
        self.properties = self.folder / "server.properties"

    @property
    def address(self):
        """The address for clients, as host:port."""
        found = re.search(r"PLAINTEXT://(\S+?),", self.properties.read_text())
        return found.group(1)

    def is_running(self):
        return is_locked(self.lock)

    def start(self):
        """Start the broker and return when it answers; nothing happens when it runs already."""
        if self.is_running():
            return
        java = find_java()
        self.folder.mkdir(parents=True, exist_ok=True)
        fetch_jars()
        self._configure(java)
        self._launch(java)
        if not wait_until(lambda: self._answers() or not self.is_running(), 120) or not self.is_running():
            self.kill()
            raise ServerError(f"Kafka did not start; its last words (all of them are in {self.log}):\n{self._words()}")

    def stop(self):
        """Stop the broker as an administrator would, and return when it is gone."""
        self._signal(signal.SIGTERM)
        if not wait_until(lambda: not self.is_running(), 30):
            self.kill()
        self._reap()

    def kill(self):
        """End the broker as a crash would."""
        self._signal(signal.SIGKILL)
        wait_until(lambda: not self.is_running(), 10)
        self._reap()

    def _signal(self, number):
        if self.is_running():
            os.kill(int(self.lock.read_text()), number)

    def _reap(self):
        if self.process:
            self.process.wait(10)
            self.process = None

    def _configure(self, java):
        """Write the settings and format the data folder, once."""
        port = self.wanted_port or (self._port_of_address() if self.properties.exists() else free_port())
        if is_taken(port):
            raise ServerError(f"Port {port} is taken: another Kafka? Stop it, or choose another one with --port.")
        fresh = not self.properties.exists()
        if fresh or port != self._port_of_address():
            data = self.folder / "data"
            more = "".join(f",{one}" for one in self.extra.listeners)
            given = {"port": port, "controller": free_port(), "data": data, "settings": self.extra.settings}
            self.properties.write_text(_PROPERTIES.format(more=more, **given))
            (self.folder / "log4j2.properties").write_text(_LOGGING)
        if not (self.folder / "data" / "meta.properties").exists():
            identity = base64.urlsafe_b64encode(uuid.UUID(int=uuid.uuid4().int >> 1).bytes).decode().rstrip("=")
            given = ["-t", identity, "-c", str(self.properties), *self.extra.format]
            self._java(java, "kafka.tools.StorageTool", "format", *given)

    def _port_of_address(self):
        return int(self.address.rpartition(":")[2])

    def _java(self, java, *arguments):
        command = [java, *_QUICK_START, "-cp", f"{LIBS}/*", *arguments]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode:
            raise ServerError(f"{arguments[0]} failed:\n{done.stdout.decode(errors='replace')[-2000:]}")

    def _launch(self, java):
        """Start the process, which inherits the lock and holds it until it ends."""
        options = ["-Xms256m", "-Xmx512m", f"-Dlog4j2.configurationFile=file:{self.folder}/log4j2.properties"]
        command = [java, *options, "-cp", f"{LIBS}/*", "kafka.Kafka", str(self.properties)]
        with locked(self.lock) as lock, self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[lock.fileno()],
                start_new_session=True,
            )
            self.lock.write_text(str(self.process.pid))

    def _answers(self):
        """Ask for the API versions: an open port is not yet a broker."""
        request = struct.pack(">hhih", 18, 0, 1, 2) + b"up"
        host, _, port = self.address.rpartition(":")
        try:
            with socket.create_connection((host, int(port)), 1) as connection:
                connection.sendall(struct.pack(">i", len(request)) + request)
                return len(connection.recv(4)) == 4
        except OSError:
            return False

    def _words(self):
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join([line for line in lines if "ERROR" in line or "Exception" in line][-5:] or lines[-5:])


def find_java():
    """Return the path of a Java 17 or newer."""
    named = [os.path.join(os.environ["JAVA_HOME"], "bin", "java")] if os.environ.get("JAVA_HOME") else []
    for java in [*named, shutil.which("java"), *sorted(glob.glob("/usr/lib/jvm/*/bin/java"))]:
        if java and os.access(java, os.X_OK):
            said = subprocess.run([java, "-version"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout.decode()
            version = re.search(r'version "(\d+)', said)
            if version and int(version.group(1)) >= 17:
                return java
    raise ServerError(
        "Kafka 4 needs Java 17 or newer, and none was found: install one (Debian: default-jre-headless), "
        "or set JAVA_HOME."
    )


def find_maven():
    """Return the path of Maven, which is needed only until the jars are here."""
    maven = shutil.which("mvn")
    if not maven:
        raise ServerError("Maven fetches Kafka's jars, and `mvn` was not found: install it (Debian: maven).")
    return maven


def has_jars():
    return (LIBS / f"kafka_2.13-{VERSION}.jar").exists()


def fetch_jars():
    """Fetch Kafka and what it needs, 54 MB, unless they are here."""
    HOME.mkdir(parents=True, exist_ok=True)
    with locked(HOME / "libs.lock"):
        if has_jars():
            return
        maven = find_maven()
        print(f"Fetching Apache Kafka {VERSION} from Maven Central ...", file=sys.stderr, flush=True)
        partial = HOME / "libs.partial"
        for leftover in (partial, LIBS):
            shutil.rmtree(leftover, ignore_errors=True)
        partial.mkdir()
        for jar in _resolve(maven):
            shutil.copy(jar, str(partial))
        partial.rename(LIBS)


def _resolve(maven):
    """Let Maven fetch what the POM names into its own repository; return the paths of the jars."""
    (HOME / "pom.xml").write_text(_POM.format(version=VERSION))
    listed = HOME / "classpath"
    command = [maven, "-q", "-B", "-f", str(HOME / "pom.xml"), "-Dmaven.artifact.threads=16", _GOAL]
    command += ["-Dexec.executable=echo", "-Dexec.args=%classpath", "-Dexec.classpathScope=runtime"]
    command += [f"-Dexec.outputFile={listed}"]
    environment = {**os.environ, "MAVEN_OPTS": " ".join([*_QUICK_START, os.environ.get("MAVEN_OPTS", "")])}
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment)
    if done.returncode:
        words = "\n".join(done.stdout.decode(errors="replace").splitlines()[:5])
        raise ServerError(f"Maven could not fetch Kafka:\n{words}")
    return [path for path in listed.read_text().strip().split(os.pathsep) if path.endswith(".jar")]


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="tools.kafka", description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["start", "stop", "status", "address"])
    parser.add_argument("--folder", type=Path, default=HOME)
    parser.add_argument("--port", type=int, default=9092, help="0: a free one")
    options = parser.parse_args(arguments)
    kafka = Kafka(options.folder.resolve(), options.port)
    try:
        return _do(options.what, kafka)
    except ServerError as error:
        return str(error)
    except KeyboardInterrupt:
        return "Stopped half way."


def _do(what, kafka):
    if what == "start":
        began = time.monotonic()
        kafka.start()
        print(f"Kafka {VERSION} answers on {kafka.address} after {time.monotonic() - began:.1f} s.")
        print(f"To use it:  export EVENTS_BOOTSTRAP_SERVERS={kafka.address}")
    elif what == "stop":
        kafka.stop()
        print("Kafka is stopped; its data stays.")
    elif not kafka.is_running():
        return "Kafka is not running here (make kafka starts it)."
    else:
        print(kafka.address if what == "address" else f"Kafka {VERSION} runs on {kafka.address}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
