"""Compiled code for the numbers of large tables, without a dependency.

| file | role |
|---|---|
| `numbers.cpp` | rows of CSV to arrays and back, with pandas' values and text; JSON strings to text; else it declines |
| `build` | compiles it: ``make setup`` where a compiler is, the image always |
| `code` | opens it; unescapes with it in the front process, which imports no numpy |
| `library` | loads it and hands it arrays; None where there is none, and callers take pandas or msgspec |
"""
