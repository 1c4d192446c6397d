"""Ray's errors."""


class RayError(Exception):
    """Any of them."""


class ActorDiedError(RayError):
    """The node of an actor is gone."""
