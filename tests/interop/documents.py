"""Reads the documents of the protocol as their own tools do: `documents.py docs/protocol schemas-of-asyncapi`."""

import json
import sys
from functools import cache
from pathlib import Path

import yaml
from jsonschema import Draft7Validator, Draft202012Validator
from openapi_spec_validator import validate
from openapi_spec_validator.readers import read_from_filename

folder, asyncapi_schemas = map(Path, sys.argv[1:])


@cache
def load(path):
    text = path.read_text()
    return json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)


def references(value):
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == "$ref":
                yield inner
            else:
                yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def resolve(path, reference):
    file, _, pointer = reference.partition("#")
    value = load(path.parent / file if file else path)
    for part in pointer.strip("/").split("/"):
        value = value[part.replace("~1", "/").replace("~0", "~")]


openapi, base = read_from_filename(str(folder / "openapi.yaml"))
validate(openapi, base_uri=base)

asyncapi = load(folder / "asyncapi.yaml")
schema = load(asyncapi_schemas / "3.0.0.json")
Draft7Validator(schema).validate(asyncapi)

for direction in ("client", "server"):
    schema = load(folder / f"{direction}.schema.json")
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    for name, message in load(folder / "golden" / f"{direction}.json").items():
        wrong = [error.message for error in validator.iter_errors(message)]
        assert not wrong, f"{name}: {wrong}"

for name in ("openapi.yaml", "asyncapi.yaml", "client.schema.json", "server.schema.json"):
    for reference in references(load(folder / name)):
        resolve(folder / name, reference)

print("ok")
