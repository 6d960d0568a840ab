"""Ids of recordings: one audio, one id; nothing secret in it; and the entry alone decides."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alm_beam.core.manifest import parse_recording
from alm_beam.core.recording_ids import recording_id

HASHED = re.compile(r".+-[0-9a-f]{8}", re.DOTALL)


def id_of(path: object) -> str:
    return recording_id({"audio_filepath": path})


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/data/a/meeting.wav", "meeting"),
        ("meeting.wav", "meeting"),
        ("/data/meeting.1.wav", "meeting.1"),
        ("/data/meeting", "meeting"),
        ("/data/meeting/", "meeting"),
        ("s3://b/.hidden", ".hidden"),
        ("C:\\data\\meeting.wav", "meeting"),
        ("/", "unknown"),
        ("file:///data/meeting.wav", "meeting"),
        ("https://host/a/meeting.wav?X-Amz-Signature=0a/b.c#d/e.f", "meeting"),
        ("https://host", "host"),
        ("https://me:secret@host?id=1", "host"),
        ("https://host/download?file=/a/b.wav", "download"),
        ("s3://b/meeting.wav?versionId=a/b.c", "meeting"),
        ("/data/what?.wav", "what?"),
        ("/data/take#1.wav", "take#1"),
        ("/data/" + "x" * 400 + ".wav", "x" * 255),
    ],
)
def test_a_person_recognises_the_base_name(path, name):
    found = id_of(path)
    assert HASHED.fullmatch(found)
    assert found[:-9] == name


DIFFERENT = [
    ["/data/a/meeting.wav", "/data/b/meeting.wav", "meeting.wav", "/data/a/meeting.flac", "/data/a/meeting"],
    ["/data/a/1", "/data/b/1", "/data/a.d/1", "/data/1.5", "/data/1.6"],
    ["https://h/a/m.wav?s=1", "https://h/b/m.wav?s=1", "https://g/a/m.wav?s=1", "http://h/a/m.wav?s=1"],
    ["https://h/a.wav?sig=x/y", "https://h/b.wav?sig=x/y"],
    ["https://h/get?id=1&sig=x", "https://h/get?id=2&sig=x", "https://h/get.php?id=1", "https://h/get.php?id=2"],
    [
        "s3://b/m.wav?versionId=1",
        "s3://b/m.wav?versionId=2",
        "s3://b/m?1.wav",
        "s3://b/m?2.wav",
        "gs://b/m#1",
        "gs://b/m#2",
    ],
    ["/data/m?a=1.wav", "/data/m?a=2.wav", "/data/m#1.wav", "/data/m#2.wav", "/data/m?token=1", "/data/m?token=2"],
    ["file:///d/m?1.wav", "file:///d/m?2.wav", "zip://a.wav::s3://b/x.zip", "zip://b.wav::s3://b/x.zip"],
    ["C:\\a\\m.wav", "C:\\b\\m.wav", "\\\\host\\a\\m.wav"],
    ["/data//m.wav", "/data/m.wav ", "/data/\n/m.wav", "/data/é.wav", "/data/e\u0301.wav"],
]


def test_audio_at_different_places_has_ids_of_its_own():
    paths = [path for group in DIFFERENT for path in group]
    assert len(set(map(id_of, paths))) == len(paths)


PLACE = "https://lake.host/a/meeting.wav"


@pytest.mark.parametrize(
    "query",
    [
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AK/2026/us-east-1/s3&X-Amz-Signature={}",
        "x-goog-credential=me@x.com&X-Goog-Date={}&X-Goog-Expires=9&X-Goog-Signature={}",
        "GoogleAccessId=me@x&Expires={}&Signature={}",
        "AWSAccessKeyId=AK&Signature={}&Expires=1",
        "Policy={}&Signature={}&Key-Pair-Id=K",
        "sv=2024&st={}&se={}&sr=b&sp=r&spr=https&sig={}",
        "security-token={}&OSSAccessKeyId=AK&Signature={}",
        "q-sign-algorithm=sha1&q-ak=AK&q-sign-time={}&q-key-time=1&q-header-list=host&q-url-param-list=&q-signature={}",
        "token={}",
        "access_token={}",
        "hdnts=exp={}~hmac={}",
        "expires={}&api_key={}",
    ],
)
@pytest.mark.parametrize("place", [PLACE, "https://lake.host/a/meeting", "gs://lake/a/meeting.wav", "abfs://c@x/m.wav"])
def test_a_signature_is_no_part_of_an_id(place, query):
    urls = [f"{place}?{query.replace('{}', word)}" for word in ("0a1b", "2c/3d.4e", "")]
    assert {id_of(url) for url in urls} == {id_of(place)}


def test_another_query_or_fragment_of_an_audio_file_or_a_password_is_no_part_of_an_id():
    urls = [f"{PLACE}?download=1", f"{PLACE}?v=2#t=10", f"{PLACE}#t=10", PLACE.replace("//", "//me:secret@")]
    assert {id_of(url) for url in urls} == {id_of(PLACE)}


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"id": 7}, "7"),
        ({"id": "", "audio_item_id": "z"}, "z"),
        ({"id": None, "audio_item_id": "z"}, "z"),
        ({"id": 0}, "0"),
        ({"id": "x", "recording_id": "r"}, "r"),
        ({"recording_id": "a/b\n?c"}, "a/b\n?c"),
    ],
)
def test_an_id_that_is_stated_stays_as_it_is(fields, name):
    assert recording_id({"audio_filepath": "/data/meeting.wav", **fields}) == name


@pytest.mark.parametrize("stated", ["", None, 1.5, True, ["x"], {"id": "x"}])
def test_what_is_no_id_states_none(stated):
    assert recording_id({"audio_filepath": "/m.wav", "id": stated}) == id_of("/m.wav")


@pytest.mark.parametrize("path", [None, "", 5, ["a.wav"]])
def test_recordings_without_a_file_have_ids_of_their_own(path):
    entries = [
        {"audio_filepath": path, "audio_sample_rate": 16000, "segments": [{"start": 0, "end": end, "words": []}]}
        for end in (1, 2)
    ]
    ids = [recording_id(parse_recording(entry).entry) for entry in entries]
    assert ids[0] != ids[1]
    assert all(re.fullmatch("unknown-[0-9a-f]{8}", each) for each in ids)
    written_otherwise = json.dumps(dict(reversed(entries[0].items())), indent=1)
    assert recording_id(parse_recording(written_otherwise).entry) == ids[0]


@given(st.text(min_size=1), st.text(min_size=1))
def test_any_two_paths_that_are_no_urls_have_ids_of_their_own(one, other):
    assert HASHED.fullmatch(id_of(one))
    if "://" not in one + other and one != other:
        assert id_of(one) != id_of(other)
