"""JSON Web Tokens: the same on every transport and over HTTP."""
import base64
import json
import subprocess
import time

import pytest

from process import until
from test_http import get

TRANSPORTS = ["rtmp", "rtmps", "rtmpq", "rtmpq?transport=quic-only"]


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Signer:
    """An RSA key of the openssl program: nothing of it is ours, and nothing of libjose's."""

    def __init__(self, folder):
        self.key = folder / "key.pem"
        subprocess.run(["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", self.key], check=True, capture_output=True)
        modulus = subprocess.run(["openssl", "rsa", "-in", self.key, "-noout", "-modulus"], check=True, capture_output=True, text=True).stdout
        self.jwk = {"kty": "RSA", "kid": "k1", "n": b64(bytes.fromhex(modulus.strip().split("=")[1])), "e": "AQAB"}

    def token(self, lasts=600, **claims):
        head = b64(json.dumps({"alg": "RS256", "typ": "JWT", "kid": "k1"}).encode())
        body = b64(json.dumps({"exp": int(time.time()) + lasts, **claims}).encode())
        signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.key], input=f"{head}.{body}".encode(), check=True, capture_output=True).stdout
        return f"{head}.{body}.{b64(signature)}"


@pytest.fixture(scope="module")
def signer(tmp_path_factory):
    return Signer(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def server(start_server, tmp_path, signer):
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [signer.jwk]}))
    config = tmp_path / "tokens.toml"
    config.write_text(f'[access]\njwt_keys = "{tmp_path}/jwks.json"\njwt_audience = "us"\n[publish]\nallow = []\n[play]\nallow = []\n')
    return start_server("--config", config)


@pytest.mark.parametrize("form", TRANSPORTS)
def test_publish_and_play(server, signer, procs, clip, tmp_path, form):
    publish, play = signer.token(publish="live/a", aud="us"), signer.token(play=["live/*"], aud=["us", "them"])
    for token, why in ((signer.token(publish="live/b", aud="us"), "does not allow to publish"), (play, "does not allow to publish"),
                       (signer.token(publish="live/a"), "another audience"), (signer.token(publish="live/a", aud="us", lasts=-100), "expired"),
                       (publish[:-8] + "AAAAAAAA", "signature is wrong")):
        refused = procs.millrace("push", "--no-reconnect", clip.path, server.url(form, f"live/a?jwt={token}"))
        assert refused.wait(20) == 6 and why in refused.text
    procs.millrace("push", "--loop", clip.path, server.url(form, f"live/a?jwt={publish}"))
    server.wait_publisher("live/a")
    assert procs.millrace("pull", "--no-reconnect", server.url(form, "live/a"), tmp_path / "none.flv").wait(20) == 6
    out = tmp_path / "got.flv"
    procs.millrace("pull", server.url(form, f"live/a?jwt={play}"), out)
    until(lambda: out.exists() and out.stat().st_size > 50_000, timeout=30, what="media")
    assert publish not in server.process.text and "jwt=***" in server.process.text


def test_over_http(server, signer, procs, clip, tmp_path):
    procs.millrace("push", "--loop", clip.path, server.rtmp(f"live/a?jwt={signer.token(publish='*', aud='us')}"))
    server.wait_publisher("live/a")
    play = signer.token(play="live/a", aud="us")
    assert get(server, "/live/a.flv")[0] == 403
    assert get(server, "/live/a/index.m3u8")[0] == 403
    for arguments in ((server.http(f"/live/a.flv?jwt={play}"),), ("-H", f"Authorization: Bearer {play}", server.http("/live/a.flv"))):
        out = tmp_path / "got.flv"
        subprocess.run(["curl", "-s", "-m", "2", "-o", out, *arguments])
        assert out.stat().st_size > 10_000
        out.unlink()
    assert get(server, f"/live/a.m3u8?jwt={play}")[0] == 200
    assert get(server, "/live/a/index.m3u8")[0] == 200  # as with signatures: by the client's address, until the token's end
    assert get(server, f"/live/a/index.m3u8?jwt={play}x")[0] == 403
