"""On which node an actor is made."""


class NodeAffinitySchedulingStrategy:
    """On the one of that id; the stand-in goes by the actor's name."""

    def __init__(self, node_id: str, *, soft: bool) -> None:
        self.node_id, self.soft = node_id, soft
