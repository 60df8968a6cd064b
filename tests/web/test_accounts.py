"""Accounts, sessions and links: who gets in, how often one may try, and for how long."""

import hashlib
import json
import stat

import pytest

from medgraft.cli.__main__ import main
from medgraft.errors import ArgumentError, TableError
from medgraft.web.accounts import (
    FREE_TRIES,
    LONGEST_WAIT,
    Doorkeeper,
    Hash,
    load_accounts,
    save_accounts,
)
from medgraft.web.sessions import LASTS, Sessions, Tokens
from tests.web.conftest import quick_hash


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


class TestAHash:
    def test_is_the_scrypt_key_of_its_salt_at_the_cost_that_owasp_asks_for(self):
        found = Hash.of("correct horse battery")
        key = hashlib.scrypt(
            b"correct horse battery",
            salt=bytes.fromhex(found.salt),
            n=2**15,
            r=8,
            p=3,
            maxmem=2**28,
            dklen=32,
        )
        assert found.key == key.hex()
        assert found.matches("correct horse battery")
        assert not found.matches("correct horse batterY")

    def test_has_a_salt_of_its_own(self):
        assert quick_hash("the same words").key != quick_hash("the same words").key

    def test_of_a_short_password_is_refused(self):
        with pytest.raises(ArgumentError, match="at least 12 characters, got 5"):
            Hash.of("short")


class TestTheFile:
    def test_comes_back_and_is_for_its_owner_alone(self, tmp_path):
        accounts = {"anna": quick_hash("a"), "ben": quick_hash("b")}
        save_accounts(tmp_path / "a.json", accounts)
        assert load_accounts(tmp_path / "a.json") == accounts
        assert stat.S_IMODE((tmp_path / "a.json").stat().st_mode) == 0o600

    @pytest.mark.parametrize(
        "change",
        [
            {"n": 2**40},
            {"n": 3},
            {"n": 0},
            {"n": "16"},
            {"p": 2**20},
            {"salt": "zz"},
            {"salt": ""},
            {"key": "00"},
            {"password": "x"},
        ],
    )
    def test_with_a_hash_that_is_none_is_refused(self, tmp_path, change):
        entry = vars(quick_hash("a")) | change
        (tmp_path / "a.json").write_text(json.dumps({"readers": {"anna": entry}}))
        with pytest.raises(TableError, match="must be a file of accounts"):
            load_accounts(tmp_path / "a.json")

    @pytest.mark.parametrize("text", ["{}", "[]", '{"readers": 3}', "nothing"])
    def test_that_is_another_one_is_refused(self, tmp_path, text):
        (tmp_path / "a.json").write_text(text)
        with pytest.raises(TableError):
            load_accounts(tmp_path / "a.json")


class TestTheCommand:
    @pytest.fixture
    def typed(self, monkeypatch):
        """Passwords come from a pipe."""
        monkeypatch.setattr("medgraft.web.accounts.COST", {"n": 16, "r": 1, "p": 1})

        def give(words):
            import io

            monkeypatch.setattr("sys.stdin", io.StringIO(f"{words}\n"))

        return give

    def test_makes_changes_and_removes_accounts(self, tmp_path, typed, capsys):
        file = str(tmp_path / "readers.json")
        typed("correct horse battery")
        assert main(["account", "anna", "--accounts", file]) == 0
        typed("staple shadow purple")
        assert main(["account", "ben", "--accounts", file]) == 0
        typed("another horse battery")
        assert main(["account", "anna", "--accounts", file]) == 0
        found = load_accounts(tmp_path / "readers.json")
        assert found["anna"].matches("another horse battery")
        assert found["ben"].matches("staple shadow purple")
        assert main(["account", "anna", "--accounts", file, "--remove"]) == 0
        assert main(["account", "ben", "--accounts", file, "--remove"]) == 0
        assert load_accounts(tmp_path / "readers.json") == {}
        typed("correct horse battery")
        assert main(["account", "anna", "--accounts", file]) == 0
        assert "battery" not in capsys.readouterr().out

    @pytest.mark.parametrize("name", ["", " anna", "anna ", "../anna", "a" * 65, "an\nna"])
    def test_refuses_what_is_no_name(self, tmp_path, typed, name):
        typed("correct horse battery")
        assert main(["account", name, "--accounts", str(tmp_path / "readers.json")]) == 2
        assert not (tmp_path / "readers.json").exists()

    def test_removes_nobody_who_is_not_there(self, tmp_path, typed, capsys):
        file = str(tmp_path / "readers.json")
        typed("correct horse battery")
        main(["account", "anna", "--accounts", file])
        assert main(["account", "ann", "--accounts", file, "--remove"]) == 2
        assert "Did you mean 'anna'?" in capsys.readouterr().err


class TestTheDoorkeeper:
    @pytest.fixture
    def keeper(self, clock):
        return Doorkeeper({"anna": quick_hash("right"), "ben": quick_hash("also right")}, clock)

    def test_makes_whoever_guesses_wait_longer_each_time(self, keeper, clock):
        waits = []
        for _ in range(FREE_TRIES + 12):
            assert not keeper.admits("anna", "wrong", "here")
            waits.append(keeper.wait("anna", "here"))
            clock.now += waits[-1]
        assert waits[: FREE_TRIES - 1] == [0] * (FREE_TRIES - 1)
        grown = waits[FREE_TRIES - 1 :]
        assert grown[:4] == pytest.approx([1, 2, 4, 8])
        assert grown[-1] == pytest.approx(LONGEST_WAIT)
        assert keeper.admits("anna", "right", "here")
        assert keeper.wait("anna", "here") == 0

    def test_does_not_even_take_the_right_password_while_one_must_wait(self, keeper):
        for _ in range(FREE_TRIES):
            keeper.admits("anna", "wrong", "here")
        assert not keeper.admits("anna", "right", "here")

    def test_does_not_lock_a_reader_out_because_somebody_elsewhere_guesses(self, keeper):
        for _ in range(50):
            keeper.admits("anna", "wrong", "elsewhere")
        assert keeper.admits("anna", "right", "here")
        assert keeper.admits("ben", "also right", "elsewhere")

    def test_counts_all_unknown_names_together(self, keeper):
        for number in range(FREE_TRIES):
            assert not keeper.admits(f"nobody-{number}", "wrong", "here")
        assert keeper.wait("somebody", "here") > 0
        assert keeper.wait("anna", "here") == 0

    def test_forgets_wrong_passwords_after_a_while(self, keeper, clock):
        for _ in range(FREE_TRIES):
            keeper.admits("anna", "wrong", "here")
        clock.now += 3600
        keeper.admits("anna", "wrong", "here")
        assert keeper.wait("anna", "here") == 0

    def test_admits_nobody_where_there_are_no_accounts(self, clock):
        assert not Doorkeeper({}, clock).admits("", "", "here")


class TestSessions:
    def test_last_while_they_are_used_and_end_when_they_are_not(self, clock):
        sessions = Sessions(clock)
        secret = sessions.begin("anna")
        for _ in range(5):
            clock.now += LASTS - 1
            assert sessions.reader(secret) == "anna"
        clock.now += LASTS
        assert sessions.reader(secret) is None
        clock.now -= LASTS
        assert sessions.reader(secret) is None  # gone for good

    def test_are_not_kept_as_they_are(self, clock):
        sessions = Sessions(clock)
        secret = sessions.begin("anna")
        assert secret not in repr(vars(sessions))

    def test_end_one_by_one(self, clock):
        sessions = Sessions(clock)
        first, second = sessions.begin("anna"), sessions.begin("anna")
        sessions.end(first)
        assert (sessions.reader(first), sessions.reader(second)) == (None, "anna")


def test_a_token_is_taken_once_and_announces_the_next():
    told = []
    tokens = Tokens(told.append)
    assert not tokens.take("wrong")
    assert tokens.take(told[0])
    assert not tokens.take(told[0])
    assert tokens.take(told[1])
    assert len(set(told)) == 3
    assert all(len(token) >= 40 for token in told)
