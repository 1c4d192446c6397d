"""Unmodified clients score the rows that stdin names; what each got goes to stdout as JSON.

Run by the Python of ``.venv-clients``, which has none of our packages; MLflow's client by our own.
Each client's library is imported by its method alone.
"""

from __future__ import annotations

import asyncio
import io
import json
import ssl
import sys
import urllib.request
from typing import Any

import numpy as np

ARROW = "application/vnd.apache.arrow.stream"
TOOLS = ["list_models", "describe_model", "apply_model", "job_state"]
Columns = dict[str, list[Any]]


class Clients:
    """Each method scores all rows of one model by one client."""

    def __init__(self, asked: dict[str, Any]) -> None:
        self._url = asked["url"]
        self._model = asked["model"]
        self._columns: Columns = asked["columns"]
        self._certificate = asked["certificate"]
        self._forwarder = asked["forwarder"]
        self._bearer = "Bearer " + asked["token"]

    @property
    def _token(self) -> dict[str, str]:
        """A new dict for each call, as tritonclient adds its own headers to the one that it gets."""
        return {"Authorization": self._bearer}

    # ------------------------------------------------------------ Arrow

    def _rows(self, body: bytes) -> bytes:
        algorithm, model = self._model.split(".")
        path = f"/v1/models/{urllib.request.quote(algorithm)}/{model}/apply"
        request = urllib.request.Request(self._url + path, body, {**self._token, "Content-Type": ARROW})
        with urllib.request.urlopen(request, context=self._context()) as answer:
            return bytes(answer.read())

    def _context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self._certificate)

    def pyarrow(self) -> Columns:
        import pyarrow as pa

        table = pa.table(self._columns)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table)
        return dict(pa.ipc.open_stream(self._rows(sink.getvalue().to_pybytes())).read_all().to_pydict())

    def polars(self) -> Columns:
        import polars

        body = io.BytesIO()
        polars.DataFrame(self._columns).write_ipc_stream(body)
        return dict(polars.read_ipc_stream(io.BytesIO(self._rows(body.getvalue()))).to_dict(as_series=False))

    # ------------------------------------------------------------ Open Inference Protocol

    def triton_columns(self) -> Columns:
        return self._by_triton(self._triton_inputs(binary=True))

    def triton_json(self) -> Columns:
        return self._by_triton(self._triton_inputs(binary=False))

    def triton_matrix(self) -> Columns:
        import tritonclient.http as triton

        values = np.array(list(self._columns.values())).T
        tensor = triton.InferInput("rows", list(values.shape), "FP64")
        tensor.set_data_from_numpy(values)
        return self._by_triton([tensor])

    def _triton_inputs(self, *, binary: bool) -> list[Any]:
        import tritonclient.http as triton

        inputs = []
        for name, values in self._columns.items():
            kind, dtype = ("FP64", np.float64) if isinstance(values[0], float) else ("BYTES", np.object_)
            tensor = triton.InferInput(name, [len(values)], kind)
            tensor.set_data_from_numpy(np.array(values, dtype=dtype), binary_data=binary)
            inputs.append(tensor)
        return inputs

    def _by_triton(self, inputs: list[Any]) -> Columns:
        import tritonclient.http as triton

        host = self._url.partition("//")[2]
        client = triton.InferenceServerClient(host, ssl=True, ssl_options={"ca_certs": self._certificate})
        live = client.is_server_live() and client.is_server_ready()
        if not (live and client.is_model_ready(self._model, headers=self._token)):
            raise RuntimeError("the model is not ready")
        known = client.get_model_metadata(self._model, headers=self._token)
        if [each["name"] for each in known["inputs"]] != list(self._columns):
            raise RuntimeError(f"other inputs: {known}")
        answer = client.infer(self._model, inputs, headers=self._token, request_id="an id")
        if answer.get_response()["id"] != "an id":
            raise RuntimeError("another id")
        outputs = answer.get_response()["outputs"]
        if [(each["name"], each["datatype"]) for each in outputs] != [
            (each["name"], each["datatype"]) for each in known["outputs"]
        ]:
            raise RuntimeError(f"other outputs: {known}")
        names = [each["name"] for each in outputs]
        return {name: _plain(answer.as_numpy(name)) for name in names}

    def kserve(self) -> Columns:
        return asyncio.run(self._by_kserve())

    async def _by_kserve(self) -> Columns:
        import kserve

        client = kserve.InferenceRESTClient(kserve.RESTConfig(protocol="v2", verify=self._context()))
        if not await client.is_model_ready(self._url, self._model, headers=self._token):
            raise RuntimeError("the model is not ready")
        inputs = []
        for name, values in self._columns.items():
            kind = "FP64" if isinstance(values[0], float) else "BYTES"
            inputs.append(kserve.InferInput(name, [len(values)], kind, data=values))
        request = kserve.InferRequest(model_name=self._model, infer_inputs=inputs)
        answer = await client.infer(self._url, request, model_name=self._model, headers=self._token)
        return {each.name: _plain(each.as_numpy()) for each in answer.outputs}

    # ------------------------------------------------------------ MCP

    def mcp(self) -> Columns:
        return asyncio.run(self._by_mcp())

    async def _by_mcp(self) -> Columns:
        import httpx2
        from mcp import Client
        from mcp.client.streamable_http import streamable_http_client

        algorithm, model = self._model.split(".")
        rows = [dict(zip(self._columns, row, strict=True)) for row in zip(*self._columns.values(), strict=True)]
        connection = httpx2.AsyncClient(headers=self._token, verify=self._context())
        async with Client(streamable_http_client(self._url + "/mcp", http_client=connection)) as client:
            if [each.name for each in (await client.list_tools()).tools] != TOOLS:
                raise RuntimeError("other tools")
            named = {"algorithm": algorithm, "model": model}
            described = await client.call_tool("describe_model", named)
            if [each["name"] for each in described.structured_content["inputs"]] != list(self._columns):
                raise RuntimeError(f"other inputs: {described}")
            answer = await client.call_tool("apply_model", {**named, "rows": rows})
        if answer.is_error:
            raise RuntimeError(f"an error: {answer}")
        found = answer.structured_content["rows"]
        return {name: [row[name] for row in found] for name in found[0]}

    # ------------------------------------------------------------ MLflow

    def mlflow(self) -> Columns:
        import pandas as pd
        from mlflow.pyfunc.scoring_server.client import ScoringServerClient

        host, port = self._forwarder
        client = ScoringServerClient(host, port)
        client.wait_server_ready()
        if not client.get_version():
            raise RuntimeError("no version")
        return dict(client.invoke(pd.DataFrame(self._columns)).get_predictions().to_dict("list"))


def _plain(values: np.ndarray[Any, Any]) -> list[Any]:
    return [each.decode() if isinstance(each, bytes) else each for each in values.reshape(-1).tolist()]


def main() -> None:
    """Score what is asked for: by model, then by client."""
    scored = {}
    for asked in json.load(sys.stdin):
        clients = Clients(asked)
        scored[asked["model"]] = {name: getattr(clients, name)() for name in asked["clients"]}
    json.dump(scored, sys.stdout)


if __name__ == "__main__":
    main()
