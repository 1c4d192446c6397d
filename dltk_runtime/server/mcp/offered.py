"""What agents are offered: four tools, none of which changes anything. In the helper process only."""

from __future__ import annotations

from typing import Annotated, Any

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import CallToolResult, InputRequiredResult, Tool, ToolAnnotations
from pydantic import WithJsonSchema
from starlette.requests import Request

from dltk_runtime.errors import shown
from dltk_runtime.server.mcp.helper import Failed, Front

INSTRUCTIONS = (
    "Models that Splunk users train with notebooks. A model is named by its algorithm and its name; a version is one "
    "finished fit. list_models says which there are, describe_model which fields a model takes and which columns it "
    "answers, apply_model applies it to rows, job_state says how a fit goes. Nothing here changes a model."
)
# Schemas for the client's eyes: what is sent is checked where rows of all doors are, which stops at the first fault.
ROW = {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean", "null"]}}
Rows = Annotated[list[Any], WithJsonSchema({"type": "array", "items": ROW})]
TEXTS = {"type": ["object", "null"], "additionalProperties": {"type": "string"}}
Texts = Annotated[dict[str, Any] | None, WithJsonSchema(TEXTS)]
Call = Context[Any, Any]


class Offering(MCPServer[Any]):
    """Takes no arguments but those of its tools: the SDK passes over others, and a version misspelt is another one."""

    async def list_tools(self) -> list[Tool]:
        """Return the tools, whose schemas close with their own arguments."""
        tools = await super().list_tools()
        closed = {"additionalProperties": False}
        return [each.model_copy(update={"input_schema": each.input_schema | closed}) for each in tools]

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Call | None = None
    ) -> CallToolResult | InputRequiredResult:
        """Call a tool.

        Raises:
            ToolError: it failed, or has no argument of that name.
        """
        known = {each.name: list(each.input_schema["properties"]) for each in await self.list_tools()}
        for argument in arguments:
            if argument not in known.get(name, arguments):
                expected = ", ".join(known[name]) or "none"
                raise ToolError(f"The tool {name} has no argument {shown(argument)}: expected {expected}.")
        return await super().call_tool(name, arguments, context)


def server(front: Front, version: str) -> MCPServer[Any]:
    """Make the server, whose tools the front calls."""
    made = Offering("dltk-runtime", version=version, instructions=INSTRUCTIONS, subscriptions=False)
    reads = ToolAnnotations(read_only_hint=True, open_world_hint=False)

    async def asked(call: Call, tool: str, **arguments: Any) -> dict[str, Any]:
        request: Request = call.request_context.request  # type: ignore[assignment]  # by HTTP there always is one
        try:
            return await front.call(request.scope, tool, arguments)
        except Failed as error:
            raise ToolError(str(error)) from error

    @made.tool(annotations=reads)
    async def list_models(call: Call) -> dict[str, Any]:
        """List the models that may be applied, each with the number of its current version."""
        return await asked(call, "list_models")

    @made.tool(annotations=reads)
    async def describe_model(call: Call, algorithm: str, model: str) -> dict[str, Any]:
        """Describe a model: its versions with their figures, the fields it takes and the columns it answers."""
        return await asked(call, "describe_model", algorithm=algorithm, model=model)

    @made.tool(annotations=reads)
    async def apply_model(
        call: Call,
        algorithm: str,
        model: str,
        rows: Rows,
        version: int | None = None,
        parameters: Texts = None,
    ) -> dict[str, Any]:
        """Apply a model to rows. Each row has a value for each field of the model; null is a missing one.

        Answers a row for each row in the same order, where the model answers all. Without `version`
        the current version answers. `parameters` go to the notebook as those of a search do.
        """
        chosen = {"version": version, "parameters": parameters or {}}
        return await asked(call, "apply_model", algorithm=algorithm, model=model, rows=rows, **chosen)

    @made.tool(annotations=reads)
    async def job_state(call: Call, job: str) -> dict[str, Any]:
        """Return the state of a fit by the id of its job: state, progress, phase, message."""
        return await asked(call, "job_state", job=job)

    return made
