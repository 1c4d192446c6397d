"""The package that notebooks import from, as in a DSDL container: ``from app.model import <helper>``."""
