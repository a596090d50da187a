"""Opening a house: where the root key comes from, and which are refused."""

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from customary import config
from customary.bootstrap.house import House
from customary.domain.errors import Unavailable
from customary.storage.sqlite import SQLiteEngine
from customary.vault import RootVault, root_key_of_file
from customary.vault.rootkey import RootKeyRefused


def settings_of(folder: Path, **environ: str) -> config.Settings:
    return config.load({"CUSTOMARY_DATA": str(folder), **environ}, overrides={}, cwd=folder.parent)


def test_a_new_folder_gets_a_root_key_file_of_its_own(tmp_path: Path) -> None:
    """Without a key anywhere, the first opening makes one that only its owner may read."""
    folder = tmp_path / "house"
    with House(settings_of(folder)) as house:
        assert house.opened.root_key_made
    assert (folder / "root.key").stat().st_mode & 0o777 == 0o600
    with House(settings_of(folder)) as again:
        assert not again.opened.root_key_made
        assert again.vault is not None


@pytest.mark.parametrize("variant", ["CUSTOMARY_ROOT_KEY", "CUSTOMARY_ROOT_KEY_FILE"])
def test_a_root_key_from_the_settings_makes_no_file(tmp_path: Path, variant: str) -> None:
    """A key from a variable, or from the file that its variant names, is used and written nowhere."""
    text = os.urandom(32).hex()
    mounted = tmp_path / "mounted"
    mounted.write_text(text + "\n")
    environ = {variant: text if variant == "CUSTOMARY_ROOT_KEY" else str(mounted)}
    folder = tmp_path / "house"
    with House(settings_of(folder, **environ)) as house:
        fingerprint = house.unsealed.fingerprint
    assert not (folder / "root.key").exists()
    with House(settings_of(folder, CUSTOMARY_ROOT_KEY=text)) as again:
        assert again.unsealed.fingerprint == fingerprint


def test_a_folder_of_before_there_were_house_keys_keeps_them(tmp_path: Path) -> None:
    """What was derived from the root key then stays as it was when it is stored, and when the key turns."""
    settings, root_key = settings_of(tmp_path / "house"), os.urandom(32)
    (tmp_path / "house").mkdir()
    (tmp_path / "house" / "root.key").write_text(root_key.hex())
    before = RootVault(root_key)
    with closing(SQLiteEngine(settings.data, serving=False)) as engine:
        engine.set_meta("root_key_fingerprint", before.fingerprint)
    with House(settings, may_make=False) as looking:
        _same(looking.unsealed, before)
        assert looking.engine.meta("house_keys") is None, "who only looks converts nothing"
    with House(settings) as converting:
        _same(converting.unsealed, before)
        assert converting.engine.meta("root_key_fingerprint") is None
        house_keys = converting.engine.meta("house_keys")
    with House(settings) as again:
        _same(again.unsealed, before)
        assert again.engine.meta("house_keys") == house_keys
    assert house_keys is not None
    _same(RootVault(os.urandom(32), version=2, others={1: root_key}, house_keys=house_keys), before)


def _same(one: RootVault, other: RootVault) -> None:
    """Hold that both verify, hash and show the same."""
    assert one.trail_public_key == other.trail_public_key
    assert one.hashed_secret("terms", b"secret") == other.hashed_secret("terms", b"secret")
    assert one.demo_secret("label") == other.demo_secret("label")


def test_a_new_folders_own_keys_are_not_its_root_keys(tmp_path: Path) -> None:
    """They are drawn, so that who has an old root key of it has nothing of them."""
    with House(settings_of(tmp_path / "house")) as house:
        root_key = root_key_of_file(tmp_path / "house" / "root.key")
        assert house.unsealed.fingerprint == RootVault(root_key).fingerprint
        assert house.unsealed.trail_public_key != RootVault(root_key).trail_public_key
        assert house.unsealed.demo_secret("") != RootVault(root_key).demo_secret("")


def test_another_root_key_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    """A folder opens under the key it was sealed under, or not at all."""
    folder = tmp_path / "house"
    with House(settings_of(folder)):
        pass
    with pytest.raises(RootKeyRefused):
        House(settings_of(folder, CUSTOMARY_ROOT_KEY=os.urandom(32).hex()))
    with House(settings_of(folder)) as house:
        assert house.vault is not None


def test_a_weak_root_key_from_the_settings_is_refused(tmp_path: Path) -> None:
    """A known or counted key is no key, wherever it comes from."""
    with pytest.raises(RootKeyRefused):
        House(settings_of(tmp_path / "house", CUSTOMARY_ROOT_KEY=bytes(range(32)).hex()))


def test_a_folder_whose_key_is_away_is_sealed(tmp_path: Path) -> None:
    """Without its key a folder opens sealed, no new key is made, and nothing can be done with it."""
    folder = tmp_path / "house"
    with House(settings_of(folder)):
        pass
    (folder / "root.key").rename(tmp_path / "elsewhere.key")
    with House(settings_of(folder)) as house:
        assert house.vault is None
        with pytest.raises(Unavailable):
            _ = house.unsealed
    assert not (folder / "root.key").exists()


def test_a_folder_that_is_not_there_is_not_made_by_a_look(tmp_path: Path) -> None:
    """What only looks makes nothing."""
    with pytest.raises(Unavailable):
        House(settings_of(tmp_path / "house"), may_make=False)
    assert not (tmp_path / "house").exists()


def test_programs_that_open_a_new_folder_at_once_agree_on_its_key(tmp_path: Path) -> None:
    """However many begin together, one makes the key and all open under it."""
    command = [
        sys.executable,
        "-m",
        "customary",
        "tenant",
        "create",
        "Acme",
        "--data",
        str(tmp_path / "house"),
    ]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(6)]
    told = [process.communicate(timeout=60)[1] for process in started]
    assert [process.returncode for process in started] == [0] * 6, told
