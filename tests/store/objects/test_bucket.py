"""Objects by key: conditions that a store keeps or ignores, and answers that are lost."""

from __future__ import annotations

import socket

import pytest
from obstore.exceptions import GenericError, PreconditionError
from obstore.store import AzureStore, MemoryStore

from dltk_runtime.errors import NotStored, SettingInvalid
from dltk_runtime.settings import Settings
from dltk_runtime.store.errors import ConditionIgnored, StoreUnreachable, StoreUnusable
from dltk_runtime.store.objects import address, keys, probe
from dltk_runtime.store.objects import bucket as module
from dltk_runtime.store.objects.address import connected
from dltk_runtime.store.objects.bucket import Bucket, Tag, reason, unique

LOST = GenericError("the answer was lost")


class Unreliable(Bucket):
    """A store that ignores conditions, or loses answers before or after the write was done."""

    def __init__(self, *, ignores: str = "", lost: tuple[str, ...] = ()) -> None:
        super().__init__(MemoryStore(), "memory://")
        self.ignores = ignores
        self.lost = list(lost)

    def _tried(self, key: str, data: bytes, tag: Tag | None) -> tuple[bool, Exception | None]:
        if self.ignores == ("create" if tag is None else "replace"):
            self.put(key, data)
            return False, None
        lost = self.lost.pop(0) if self.lost else ""
        if lost == "before":
            return False, LOST
        answer = super()._tried(key, data, tag)
        if lost == "after, and it was sent again":  # by the client itself: the second try is refused
            return True, PreconditionError("it has changed")
        return (False, LOST) if lost == "after" else answer


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.0)


def test_a_store_that_keeps_its_conditions_passes_and_keeps_nothing_of_the_probe() -> None:
    store = Unreliable()
    probe.check(store)
    assert store.below("probes") == []


@pytest.mark.parametrize(
    ("ignores", "what"),
    [
        ("create", "it writes over an object that a put may only create"),
        ("replace", "it replaces an object that has changed since it was read"),
    ],
)
def test_a_store_that_ignores_a_condition_is_refused_by_name(ignores: str, what: str) -> None:
    with pytest.raises(ConditionIgnored, match=f"^The object store memory:// cannot be used: {what}"):
        probe.check(Unreliable(ignores=ignores))


@pytest.mark.parametrize("lost", ["before", "after", "after, and it was sent again"])
def test_a_write_whose_answer_is_lost_is_done_once(lost: str) -> None:
    store = Unreliable(lost=(lost,))
    assert store.create("key", b"first")
    found = store.get("key")
    assert found is not None
    store.lost = [lost]
    assert store.replace("key", b"second", found.tag)
    now = store.get("key")
    assert now is not None
    assert now.data == b"second"
    assert not store.replace("key", b"third", found.tag)
    assert not store.create("key", b"third")


def test_a_write_that_never_gets_through_says_so() -> None:
    store = Unreliable(lost=("before",) * 10)
    with pytest.raises(NotStored, match="memory:///key could not be written: the answer was lost"):
        store.create("key", unique())
    assert store.get("key") is None


def test_no_signature_of_an_address_is_in_an_error() -> None:
    error = GenericError("error sending request for url (http://host/c/k?sig=SECRET&sv=1)\n\nDebug source: SECRET")
    assert reason(error) == "error sending request for url (http://host/c/k?…)"


@pytest.mark.parametrize("path", ["umap_a.json", "a b/ü%=x", "é/…/~+@", "a=20b"])
def test_any_path_of_a_file_becomes_a_key_and_back(path: str) -> None:
    quoted = keys.quoted(path)
    assert keys.unquoted(quoted) == path
    store = Unreliable()
    store.put(f"files/{quoted}", b"x")
    assert [each.key for each in store.below("files")] == [f"files/{quoted}"]


@pytest.mark.parametrize(
    "address", ["s3://user:pass@bucket/a", "https://bucket/a", "/srv/store", "az://account", "s3://b/a?sig=x", "s3://"]
)
def test_an_address_that_is_none_or_has_credentials_is_refused(address: str) -> None:
    with pytest.raises(SettingInvalid, match="expected s3://bucket/folder"):
        Settings.from_env({"DLTK_STORE": address})


def test_an_address_becomes_a_client_and_asks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings.from_env({"DLTK_STORE": "s3://bucket/folder/"})
    assert settings.paths.objects == "s3://bucket/folder"
    assert connected(settings.paths.objects).where == "s3://bucket/folder"
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "no key")
    with pytest.raises(StoreUnusable, match="az://account/container"):
        connected("az://account/container")


def test_an_address_of_azure_names_the_account_before_the_container(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "bWFkZS11cA==")
    client = connected("az://account/container/one/two")._client
    assert isinstance(client, AzureStore)
    assert (client.config["account_name"], client.config["container_name"]) == ("account", "container")
    assert client.prefix == "one/two"


def test_a_store_that_cannot_be_reached_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address, "MAX_RETRIES", 0)
    with socket.socket() as taken:  # nothing listens here
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{taken.getsockname()[1]}")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
        store = connected("s3://bucket/folder")
        with pytest.raises(
            StoreUnreachable, match=r"s3://bucket/folder/key could not be read: .*Check that the object"
        ):
            store.get("key")
        with pytest.raises(NotStored, match=r"s3://bucket/folder/probes/[0-9a-f]+ could not be written") as caught:
            probe.check(store)
        assert "made-up" not in caught.value.sentence
