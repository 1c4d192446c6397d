"""Refusals by rights and bounds: each names the bound, and whose it is."""

from __future__ import annotations

from pathlib import Path

from dltk_runtime.errors import DltkError, RequestError


class RightMissing(RequestError):
    """The token is known, and may not do this."""

    http_status = 403
    opening = ""

    def __init__(self, holder: str, right: str, rights: str) -> None:
        super().__init__(
            f"The token '{holder}' lacks the right '{right}': it has {rights or 'no right'}. Whoever keeps "
            "DLTK_TOKENS_FILE can give it that right, or use another token."
        )


class ModelForbidden(RequestError):
    """The token's pattern does not have this model."""

    http_status = 403
    opening = ""

    def __init__(self, holder: str, model: str, patterns: str) -> None:
        super().__init__(
            f"The token '{holder}' is for the models {patterns}, and {model} is none of them. Whoever keeps "
            "DLTK_TOKENS_FILE can add it, or use another token."
        )


class BoundReached(RequestError):
    """A bound of the token is reached."""

    http_status = 429
    opening = ""

    def __init__(self, holder: str, bound: str, what: str, next_step: str) -> None:
        super().__init__(f"The bound '{bound}' of the token '{holder}' is reached: {what}. {next_step}")


class OtherOwner(RequestError):
    """The model's last version was fitted with another token, and a setting refuses that."""

    http_status = 403
    opening = ""

    def __init__(self, sentence: str) -> None:
        super().__init__(
            f"{sentence[0].upper()}{sentence[1:]}, and DLTK_OTHERS_MODELS=refuse. Fit into a model of another name."
        )


class TokensDamaged(DltkError):
    """The file of named tokens cannot be used."""

    exit_code = 78

    def __init__(self, file: Path, problem: str) -> None:
        super().__init__(f"The tokens in {file} cannot be used (DLTK_TOKENS_FILE): {problem}")


class TokenUnknown(DltkError):
    """There is no such named token."""

    def __init__(self, name: str, known: str) -> None:
        super().__init__(f"There is no token '{name}': there are {known or 'none'}.")


class TokenInvalid(DltkError):
    """What a new named token should be is no token."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"No token was made: {problem}.")


class TokenExists(DltkError):
    """There is a token of this name."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"There is a token '{name}' already. With --rotate it gets a second value, and the first one goes on "
            "until 'dltk tokens remove --old'."
        )
