"""Places of files: what may stand in params.yaml, and that no secret may."""

from pathlib import Path

import pytest
import yaml
from raw_data import one_line

from facevae.core.params import Section, load_section
from facevae.sources.urls import Address, Place, PlaceText, local_path, parse_place, web_address

MD5 = "0123456789abcdef0123456789ABCDEF"


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("/data/celeba", "directory", "/data/celeba"),
        ("~/celeba", "directory", "~/celeba"),
        ("../my faces #2", "directory", "../my faces #2"),
        (r"C:\celeba", "directory", r"C:\celeba"),
        ("file:///data/a%20b.zip", "file", "file:///data/a%20b.zip"),
        ("https://example.org/a/b.zip?version=2", "web", "https://example.org/a/b.zip?version=2"),
        ("http://127.0.0.1:80/a/", "web", "http://127.0.0.1:80/a/"),
        ("https://[::1]:8080/a/@b/", "web", "https://[::1]:8080/a/@b/"),
        ("https://example.org/a?monkey=1&keyword=b&X-Y=c", "web", "https://example.org/a?monkey=1&keyword=b&X-Y=c"),
        ("gdrive:0B7EVK8r0v71pZjFTYXZWM3FlRnM", "gdrive", "0B7EVK8r0v71pZjFTYXZWM3FlRnM"),
        ("kaggle:jessicali9530/celeba-dataset", "kaggle", "jessicali9530/celeba-dataset"),
        ("kaggle:a/b/versions/2", "kaggle", "a/b/versions/2"),
    ],
)
def test_what_a_place_is(text, kind, value):
    assert parse_place(text) == Place(text, kind, value)


@pytest.mark.parametrize("text", ["https://example.org/a.zip", "file:///a.zip", "gdrive:0B7EVK8r0v71p"])
def test_a_checksum(text):
    place = parse_place(f"{text}#md5={MD5}")
    assert (place.md5, place.text) == (MD5.lower(), f"{text}#md5={MD5}")
    assert place.value == parse_place(text).value


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "a directory, an https:// or file:// address"),
        (" /data", "a directory"),
        ("a\nb", "a directory"),
        ("ftp://example.org/a", "kaggle:OWNER/NAME"),
        ("s3://bucket/a", "gdrive:ID"),
        ("https://example.org", "https://host/path/file"),
        ("https:///a", "https://host/path/file"),
        ("https://[/a", "a directory"),
        ("https://example.org/a#sha256=1", "#md5= and 32"),
        ("https://example.org/a#", "#md5= and 32"),
        ("https://example.org/${a b}", "${NAME}, with a name of letters"),
        ("https://drive.google.com/file/d/0B7EVK8r0v71p/view", "gdrive:ID"),
        ("https://www.kaggle.com/datasets/a/b", "kaggle:OWNER/NAME"),
        ("file://host/a", "file:///path/file"),
        ("file:a", "file:///path/file"),
        ("gdrive:a/b", "the long word"),
        ("kaggle:a", "kaggle:OWNER/NAME/versions"),
        (f"kaggle:a/b#md5={MD5}", "forms of their own"),
        (f"/data/celeba#md5={MD5}", "after a file's address"),
        ("${HOME}/celeba", "in an https:// or http:// address only"),
        ("file:///${HOME}/a", "in an https:// or http:// address only"),
    ],
)
def test_what_no_place_is(text, part):
    with pytest.raises(ValueError) as caught:
        parse_place(text)
    assert part in str(caught.value)


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("https://me:geheim@example.org/a", "~/.netrc"),
        ("https://geheim@example.org/a", "~/.netrc"),
        ("https://me:ge/geheim#@example.org/a?token=geheim", "~/.netrc"),
        ("ftp://me:geheim@example.org/a", "~/.netrc"),
        ("https://example.org/a?token=geheim", "token=${NAME}"),
        ("https://example.org/a?v=1&API_KEY=geheim", "API_KEY=${NAME}"),
        ("https://example.org/a?accessToken=geheim#nothing", "accessToken=${NAME}"),
        ("https://example.org/a?X-Amz-Date=geheim", "X-Amz-Date=${NAME}"),
        ("https://example.org/a?sig=${A}geheim", "sig=${NAME}"),
        ("https://example.org/a?%74oken=geheim", "token=${NAME}"),
    ],
)
def test_a_secret_is_refused_and_not_shown(tmp_path, text, fix):
    class Settings(Section):
        images: list[PlaceText]

    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump({"celeba": {"images": [text]}}))
    with one_line("example.org", "***", fix) as caught:
        load_section(path, "celeba", Settings)
    assert "geheim" not in str(caught.value)


def test_in_parameters(tmp_path):
    class Settings(Section):
        images: list[PlaceText]

    path = tmp_path / "params.yaml"
    path.write_text("celeba: {images: [/data, 'gdrive:0B7EVK8r0v71p']}")
    assert load_section(path, "celeba", Settings).images == ["/data", "gdrive:0B7EVK8r0v71p"]
    path.write_text("celeba: {images: [/data, 'ftp://a/b']}")
    with one_line("params.yaml", "celeba.images.1", "an https:// or file:// address", "'ftp://a/b'"):
        load_section(path, "celeba", Settings)


def test_variables_are_filled_in_and_not_shown(monkeypatch):
    monkeypatch.setenv("MIRROR", "example.org:81")
    monkeypatch.setenv("QUERY", " sig=geheim&x=1\n")
    place = parse_place(f"https://${{MIRROR}}/celeba/?${{QUERY}}#md5={MD5}")
    address = web_address(place, "a.zip")
    assert address == Address(
        "https://${MIRROR}/celeba/a.zip?${QUERY}", "${MIRROR}", "https://example.org:81/celeba/a.zip?sig=geheim&x=1"
    )
    assert "geheim" not in repr(address) and "geheim" not in repr(place)
    for value in (None, " "):
        monkeypatch.delenv("QUERY") if value is None else monkeypatch.setenv("QUERY", value)
        with one_line(place.text, "no environment variable QUERY"):
            web_address(place, "a.zip")


def test_where_a_local_place_is(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert local_path(parse_place("~/celeba"), "a.zip") == Path("/home/me/celeba")
    assert local_path(parse_place("file:///data/a%20b.zip"), "a.zip") == Path("/data/a b.zip")
    assert local_path(parse_place("file:///data/"), "a.zip") == Path("/data/a.zip")
    assert web_address(parse_place("https://a/b"), "a.zip").url == "https://a/b"
