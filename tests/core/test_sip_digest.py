"""Digest authentication against the published examples."""

from __future__ import annotations

import pytest

from controller.softphone.dialog import Credentials
from controller.softphone.digest import Challenge, DigestError, answer, digest_response
from controller.softphone.sip import Headers, Response

pytestmark = pytest.mark.core

RFC2617 = Challenge(
    "testrealm@host.com", "dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41", qop=("auth",)
)


def test_the_example_of_rfc_2617_section_3_5() -> None:
    response = digest_response(
        RFC2617, "Mufasa", "Circle Of Life", "GET", "/dir/index.html", "0a4f113b", "00000001", "auth"
    )
    assert response == "6629fae49393a05397450978507c4ef1"


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_examples_of_rfc_7616_section_3_9_1(algorithm: str, expected: str) -> None:
    challenge = Challenge(
        "http-auth@example.org", "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", algorithm, qop=("auth", "auth-int")
    )
    cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    arguments = ("Mufasa", "Circle of Life", "GET", "/dir/index.html", cnonce, "00000001", "auth")
    assert digest_response(challenge, *arguments) == expected


def test_without_qop_the_old_formula() -> None:
    """RFC 2069's example as corrected in its erratum 749."""
    challenge = Challenge("testrealm@host.com", "dcd98b7102dd2f0e8b11d0f600bfb0c093")
    assert (
        digest_response(challenge, "Mufasa", "CircleOfLife", "GET", "/dir/index.html")
        == "1949323746fe6a43ef61f9606e7febea"
    )


def test_a_challenge_as_asterisk_writes_it() -> None:
    challenge = Challenge.parse(
        'Digest realm="hotline",nonce="1795301049/ab,c\\"d",opaque="3f",algorithm=MD5,qop="auth", stale=TRUE'
    )
    assert challenge == Challenge("hotline", '1795301049/ab,c"d', "MD5", "3f", ("auth",), True)


def test_the_answer_counts_and_quotes() -> None:
    text = answer(RFC2617, 'car"rier', "p", "INVITE", "sip:12345@127.0.0.1", "abc", 17)
    assert 'username="car\\"rier"' in text
    assert "nc=00000011" in text
    assert 'uri="sip:12345@127.0.0.1"' in text
    assert 'opaque="5ccc069c403ebaf9f0171e9517f40e41"' in text
    assert "qop=auth," in text


@pytest.mark.parametrize(
    "value",
    ["Basic realm=x", 'Digest nonce="1"', 'Digest realm="a"', 'Digest realm="a, nonce="b', "Digest realm", ""],
)
def test_broken_challenges(value: str) -> None:
    with pytest.raises(DigestError):
        Challenge.parse(value)


@pytest.mark.parametrize("bad", [Challenge("r", "n", "MD4"), Challenge("r", "n", qop=("auth-int",))])
def test_what_cannot_be_answered_is_said(bad: Challenge) -> None:
    with pytest.raises(DigestError):
        answer(bad, "u", "p", "INVITE", "sip:x", "c")


def test_of_several_challenges_the_first_known_one_is_answered_and_nonces_are_counted() -> None:
    response = Response(
        Headers(
            [
                ("WWW-Authenticate", 'Digest realm="r", nonce="n1", algorithm=SHA-512-256, qop="auth"'),
                ("WWW-Authenticate", 'Digest realm="r", nonce="n2", algorithm=SHA-256, qop="auth"'),
                ("WWW-Authenticate", 'Digest realm="r", nonce="n3", algorithm=MD5, qop="auth"'),
            ]
        ),
        status=401,
    )
    credentials = Credentials("u", "p")
    for count in ("00000001", "00000002"):
        [(name, value)] = credentials.answer(response, "REGISTER", "sip:x")
        assert name == "Authorization"
        assert 'nonce="n2"' in value
        assert "algorithm=SHA-256" in value
        assert f"nc={count}" in value
