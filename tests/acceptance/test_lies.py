"""Each claim of the acceptance app holds in the stand-in, and fails where the stand-in lies about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from dltk_runtime.acceptance.claims import table
from dltk_runtime.acceptance.claims.claim import Claim, Flavour
from dltk_runtime.acceptance.claims.table import claims
from dltk_runtime.emulator.mltk import request
from dltk_runtime.settings import ClientSettings
from tests.acceptance.notebook_server import NotebookServer
from tests.acceptance.world import World, told
from tests.conftest import asked_for

# Nothing runs a disabled search here; the test over REST lies about it.
CLAIMS = {
    each.name if Flavour.DSDL in each.flavours else f"{each.name} {flavour}": each
    for flavour in Flavour
    for each in claims(flavour)
    if not each.disabled
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NotebookServer]:
    with NotebookServer(tmp_path_factory.mktemp("models")) as made:
        yield made


@pytest.fixture(scope="module")
def honest(
    request: pytest.FixtureRequest, server: NotebookServer, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, str]:
    """The result of each claim, as its searches say it; one world for each client."""
    asked = asked_for(request, "name")
    client = ClientSettings(url=server.url, token="none")
    worlds = {flavour: World(tmp_path_factory.mktemp(flavour), flavour, client) for flavour in Flavour}
    return {name: worlds[flavour_of(CLAIMS[name])].result(CLAIMS[name]) for name in asked}


def flavour_of(claim: Claim) -> Flavour:
    return Flavour.DSDL if Flavour.DSDL in claim.flavours else Flavour.AITK


@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_fails_where_splunk_lies_about_it(
    name: str, honest: Mapping[str, str], server: NotebookServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert honest[name] == "pass"
    claim = CLAIMS[name]
    monkeypatch.setattr(server, "before", told({claim.name}))
    if claim.name in ("chunks", "partial_fit"):
        monkeypatch.setattr(request, "CHUNK_ROWS", 100_000)
    client = ClientSettings(url=server.url, token="none")
    lying = World(tmp_path, flavour_of(claim), client, {claim.name})
    assert lying.result(claim) == "fail"


def test_every_object_of_the_table_is_lied_about() -> None:
    """A name may stand for one claim of each client."""
    assert len(CLAIMS) == len([each for each in table.CLAIMS if not each.disabled])


def test_the_app_for_the_ai_toolkit_holds_in_the_stand_in(server: NotebookServer, tmp_path: Path) -> None:
    """Run it whole, as one of DSDL's is over REST: its preparations once, then each claim that is not disabled."""
    world = World(tmp_path, Flavour.AITK, ClientSettings(url=server.url, token="none"))
    results = world.results([each for each in claims(Flavour.AITK) if not each.disabled])
    assert results == dict.fromkeys(results, "pass")
    assert len(results) > 50
