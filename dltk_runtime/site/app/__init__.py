"""Package of notebooks and helpers, as in a DSDL container: ``from app.model import <helper>``."""
