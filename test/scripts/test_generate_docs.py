from __future__ import annotations

import importlib.util
import re

import pytest


@pytest.fixture(scope="module")
def generator(repository):
    spec = importlib.util.spec_from_file_location("generate_docs", repository / "scripts" / "generate_docs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_tables_in_the_documents_are_those_of_the_code(generator):
    assert generator.main(["--check"]) == 0, "run: python scripts/generate_docs.py"


def test_every_generated_part_is_shown_somewhere(generator):
    shown = set()
    for path in generator.documents():
        shown |= {match["name"] for match in generator.MARKED.finditer(path.read_text())}
    assert shown == set(generator.PARTS)


def test_only_marked_parts_are_replaced(generator):
    text = "before\n<!-- generated: completion frames -->\nold\n<!-- end -->\nafter\n"
    filled = generator.fill(text)
    assert filled.startswith("before\n<!-- generated: completion frames -->\n| frame |")
    assert filled.endswith("<!-- end -->\nafter\n")
    assert "old" not in filled


def test_links_of_the_documents_lead_somewhere(generator, repository):
    for path in generator.documents():
        for target in re.findall(r"\]\(([^)#]+)\)", path.read_text()):
            if not target.startswith("http"):
                assert (path.parent / target).exists(), f"{path.relative_to(repository)}: {target}"
