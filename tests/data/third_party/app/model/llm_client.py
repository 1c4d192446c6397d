"""Settings of the language model, read as the published helpers read them."""

import json
import os


def client():
    config = json.loads(os.environ["llm_config"])["llm"]
    if not config["api_key"]:
        raise ValueError("no key")
    return {"endpoint": config["endpoint"], "model": config["model"]}
