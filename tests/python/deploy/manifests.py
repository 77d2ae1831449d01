"""Builds the Kubernetes manifests and the Compose file with the real programs and prints what they came to, as one JSON
document; with SCHEMAS also every problem that a schema has with them.

    manifests.py REPOSITORY PROGRAMS [SCHEMAS]
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

import jsonschema
import kubernetes_validate
import yaml

# The oldest Kubernetes that has all that the manifests use, and the newest that the checker knows.
VERSIONS = ("1.30", "1.37")


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{words}: {done.stderr.strip()}")
    return done.stdout


def kustomize(programs, folder):
    text = run(programs / "kubectl", "kustomize", folder)
    return [thing for thing in yaml.safe_load_all(text) if thing]


def with_component(programs, base, component):
    """The base with one component and nothing else."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder).resolve()
        wanted = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": [os.path.relpath(base, folder)],
            "components": [os.path.relpath(component, folder)],
        }
        (folder / "kustomization.yaml").write_text(yaml.safe_dump(wanted))
        return kustomize(programs, folder)


def own_schema(schemas, thing):
    group, _, version = thing["apiVersion"].rpartition("/")
    path = schemas / f"{thing['kind'].lower()}-{group.split('.')[0]}-{version}.json"
    return json.loads(path.read_text()) if path.is_file() else None


def problems(schemas, place, thing):
    name = f"{place}: {thing['kind']} {thing['metadata']['name']}"
    schema = own_schema(schemas, thing)
    if schema is not None:
        errors = jsonschema.Draft202012Validator(schema).iter_errors(thing)
        return [f"{name}: {error.json_path}: {error.message}" for error in errors]
    found = []
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(thing, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            found.append(f"{name}: {version}: {error.message}")
        except kubernetes_validate.SchemaNotFoundError:
            found.append(f"{name}: {version}: no schema for {thing['apiVersion']}")
    return found


def main():
    repository, programs, *schemas = (pathlib.Path(word) for word in sys.argv[1:])
    kubernetes = repository / "deploy/kubernetes"
    built = {"base": kustomize(programs, kubernetes / "base")}
    for overlay in sorted((kubernetes / "overlays").iterdir()):
        built[f"overlays/{overlay.name}"] = kustomize(programs, overlay)
    for component in sorted((kubernetes / "components").iterdir()):
        built[f"components/{component.name}"] = with_component(programs, kubernetes / "base", component)
    compose_file = repository / "docker-compose.yml"
    compose = run(programs / "docker-compose", "-f", compose_file, "--profile", "*", "config", "--format", "json")
    found = []
    for folder in schemas:
        found += [line for place, things in built.items() for thing in things for line in problems(folder, place, thing)]
        words = [programs / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", compose_file]
        checked = subprocess.run(words, capture_output=True, text=True)
        if checked.returncode != 0:
            found.append(f"docker-compose.yml: {checked.stdout.strip()}")
    print(json.dumps({"kubernetes": built, "compose": json.loads(compose), "problems": found}))


main()
