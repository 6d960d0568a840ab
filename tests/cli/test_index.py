"""`alm-beam index`: what it prints, and its exit codes."""

from alm_beam.cli.main import main
from alm_beam.storage.index.open import open_index
from tests.storage.cuts import rewrite, shard


def test_the_command(folder, capsys):
    assert main(["index", str(folder)]) == 1
    assert "there is an index; give --overwrite" in capsys.readouterr().err
    assert main(["index", str(folder), "--overwrite"]) == 0
    assert main(["index", str(folder), "--check"]) == 0
    printed = capsys.readouterr().out
    assert "1,000 windows" in printed
    assert f"sound: {folder}, fingerprint {open_index(str(folder)).fingerprint}" in printed
    rewrite(shard(folder), lambda b: b.replace(b"\xc3\xa9\xc3\xa9", b"\xc3\xa9\xc3\xa8", 1))
    assert main(["index", str(folder), "--check"]) == 1
    assert "cuts-00001-of-00003.jsonl: its lines are not those" in capsys.readouterr().err
