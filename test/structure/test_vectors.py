"""The published vectors, read by a decoder that shares nothing with ours."""
import json
import pathlib

VECTORS = json.loads((pathlib.Path(__file__).resolve().parents[2] / "doc/protocol/vectors/roqr.json").read_text())
ID_MAX = 2**32 - 1
LIMITS = {8: 16 << 20, 9: 16 << 20, 22: 16 << 20, 15: 256 << 10, 18: 256 << 10}


class Refused(Exception):
    pass


def varint(data, at):
    """RFC 9000 section 16."""
    length = 1 << (data[at] >> 6)
    value = data[at] & 0x3F
    for byte in data[at + 1 : at + length]:
        value = value << 8 | byte
    return value, at + length


def decode(data):
    flow, at = varint(data, 0)
    timestamp, at = varint(data, at)
    kind, at = data[at], at + 1
    message_stream, at = varint(data, at)
    chunk_stream, at = varint(data, at)
    length, at = varint(data, at)
    if message_stream > ID_MAX or chunk_stream > ID_MAX:
        raise Refused("32 bits")
    if length == 0:
        raise Refused("without payload")
    limit = LIMITS.get(kind, 64 << 10)
    if length > limit:
        raise Refused(f"{length} > limit {limit}")
    return flow, timestamp % 2**32, kind, message_stream, chunk_stream, data[at : at + length], at + length


def test_every_frame_means_what_the_file_says():
    assert len(VECTORS["frames"]) > 20
    for case in VECTORS["frames"]:
        data = bytes.fromhex(case["bytes"])
        meant = (int(case["flow"]), case["timestamp"], case["type"], case["message_stream"], case["chunk_stream"], bytes.fromhex(case["payload"]), len(data))
        assert decode(data) == meant, case["name"]


def test_every_refused_frame_is_refused():
    assert len(VECTORS["refused"]) > 5
    for case in VECTORS["refused"]:
        try:
            decode(bytes.fromhex(case["bytes"]))
        except Refused as refusal:
            assert case["why"] in str(refusal), case["name"]
        else:
            raise AssertionError(case["name"] + " was taken")
