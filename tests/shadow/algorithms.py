"""Algorithms as the old container has them, and as we have them; the key and the rows of the requests."""

from __future__ import annotations

from collections.abc import Mapping

KEY = "live-session-key-77"
DATA = "a,b\n" + "".join(f"{number},{number % 7}\n" for number in range(40))
NAMES = "a,name\n1,Zoë\n2,日本\n"
DOUBLED = "def apply(model, df, param): return pd.DataFrame({'doubled': df['a'] * 2.0, 'b': df['b'], 'rest': 1})"
# Each fit gives another model, as without a seed; ours lies between two of the old container's.
COUNTING_FIT = """
    def fit(model, df, param):
        with open(MODEL_DIRECTORY + "fits", "a+") as file:
            file.write("x")
            model["noise"] = 0.1 * file.tell()
        return {}
"""
NOISY = "def apply(model, df, param): return pd.DataFrame({'x': df['a'] + model['noise'], 'b': df['b']})"
# What arrives beside the rows: the old container's notebooks call Splunk with it.
KEEPS_KEY = """
    def apply(model, df, param):
        with open("/srv/keys", "a") as file:
            file.write(param["options"]["session_key"] + " " + param["search_info"]["session_key"] + "\\n")
        return pd.DataFrame({'doubled': df['a'] * 2.0, 'b': df['b'], 'rest': 1})
"""
RAISES = "def apply(model, df, param): raise ValueError(f'row value {df.iloc[0].tolist()}')"

# What the old container and we make of each algorithm, where the healthy one is changed.
OLD: Mapping[str, Mapping[str, str | None]] = {
    "same": {"apply": KEEPS_KEY},
    "close": {"apply": DOUBLED},
    "other": {"apply": DOUBLED},
    "noisy": {"fit": COUNTING_FIT, "apply": NOISY},
    "raising": {"apply": DOUBLED},
    "library": {"apply": DOUBLED},
    "broken": {"apply": RAISES},
}
OURS: Mapping[str, Mapping[str, str | None]] = {
    "same": {"apply": DOUBLED},
    "close": {"apply": DOUBLED.replace("* 2.0", "* (2 + 1e-9)")},
    "noisy": {"fit": COUNTING_FIT.replace("0.1 *", "0.05 + 0.1 *")},
    "other": {"apply": DOUBLED.replace("* 2.0", "* 3").replace("'rest': 1", "'rest': 1.5")},
    "raising": {"apply": RAISES},
    "library": {"import": "import no_such_library_here\nimport pandas as pd"},
    "broken": {"apply": DOUBLED},
}
