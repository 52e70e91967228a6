from zip_contents import unpacked_parts

NET = '''"""Net."""
SIZE = (3, 3)


class Net:
    """Small. Tiny.

    After Doe et al., "Nets of a Certain Size" (2020).
    """

    def __init__(self, width: int, size: tuple = SIZE):
        pass
'''


def test_the_readme_shows_how_to_use_each_part_and_what_to_cite(toy, tmp_path):
    (toy / "shared" / "networks" / "net.py").write_text(NET)
    (toy / "shared" / "networks" / "__init__.py").write_text("from .net import Net\n")
    metadata = toy / "bundles" / "toy_segmentation" / "configs" / "metadata.json"
    metadata.write_text('{"references": ["Doe: Nets of a Certain Size, 2020", "Roe: Other, 2021"]}')
    readme = unpacked_parts(toy, tmp_path, "shared.networks.Net")["README.md"]
    assert "from my_parts.networks import Net  # Net(width, size=(3, 3))\n" in readme
    assert "`Net`: Small. Tiny.\n" in readme
    assert "- Doe: Nets of a Certain Size, 2020\n" in readme
    assert '- `Net`: After Doe et al., "Nets of a Certain Size" (2020).\n' in readme
    assert "Roe" not in readme
