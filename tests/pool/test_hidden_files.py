"""A notebook cannot read the server's token and key from their files, where the kernel has Landlock."""

from __future__ import annotations

from pathlib import Path

import pytest

from dltk_runtime import landlock, tls
from dltk_runtime.settings import Settings
from tests.conftest import write_notebook
from tests.support.service import Service

pytestmark = pytest.mark.process

READS = """
    from pathlib import Path
    import json
    import subprocess
    MODEL_DIRECTORY = "/srv/app/model/data/"
    def seen():
        files = [Path("/srv/tls/server.key"), Path("/srv/../api_token")]
        texts = []
        for file in files:
            try:
                texts.append(file.read_text())
            except OSError as error:
                texts.append(type(error).__name__)
            texts.append(subprocess.run(["cat", file], capture_output=True, text=True).stdout)
        return texts
"""
CELLS = {
    "import": READS,
    "init": "def init(df, param): return {}",
    "fit": "def fit(model, df, param): return {}",
    "apply": "def apply(model, df, param):\n    import pandas as pd\n    return pd.DataFrame({'seen': [repr(seen())]})",
}


def test_files_of_secrets_are_hidden_from_workers_and_the_server_says_whether(tmp_path: Path) -> None:
    write_notebook(tmp_path / "notebooks", "curious", **CELLS)
    tls.certificate(Settings(home=tmp_path / "home"))
    token = tmp_path / "api_token"
    token.write_text("token-5d1c")
    with Service(tmp_path / "home", tmp_path / "notebooks", api_token="", api_token_file=str(token)) as service:
        service.token = "token-5d1c"
        answer = service.fit("curious", "x\n1\n")
        events = [each for each in service.events() if str(token) in each.get("files", [])]
    assert answer["status"] == "success", answer
    in_force = not landlock.absence()
    assert ("['PermissionError', '', 'PermissionError', '']" in answer["results"]) == in_force
    assert ("token-5d1c" in answer["results"]) != in_force
    (event,) = events
    expected = "notebooks are kept from files of secrets" if in_force else "notebooks can read files of secrets"
    assert event["event"] == expected
    assert event["files"] == [str(token), str(tmp_path / "home" / "tls")]
