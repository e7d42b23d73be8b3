"""An authority of certificates of its own, made by `openssl`: what a broker and its clients show each other."""

import subprocess

_EXTENSIONS = """[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[broker]
basicConstraints = critical,CA:FALSE
subjectAltName = IP:127.0.0.1
authorityKeyIdentifier = keyid
[client]
basicConstraints = critical,CA:FALSE
authorityKeyIdentifier = keyid
"""


class Authority:
    """Signs certificates that live two days. `certificate` is the file that clients trust."""

    def __init__(self, folder):
        self.folder, self.certificate, self._key = folder, folder / "ca.pem", folder / "ca.key"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "openssl.cnf").write_text(_EXTENSIONS)
        self._make("ca", "authority")

    def sign(self, name, *, kind):
        """Make a key and a certificate of this kind, `broker` (for 127.0.0.1) or `client`; return the two files."""
        self._make(name, kind, "-CA", str(self.certificate), "-CAkey", str(self._key))
        return self.folder / f"{name}.pem", self.folder / f"{name}.key"

    def _make(self, name, kind, *signed_by):
        files = ["-keyout", f"{self.folder}/{name}.key", "-out", f"{self.folder}/{name}.pem"]
        of = ["-config", f"{self.folder}/openssl.cnf", "-extensions", kind, "-subj", f"/CN={name}", "-days", "2"]
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        done = subprocess.run([*command, *files, *of, *signed_by], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
