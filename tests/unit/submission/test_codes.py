from polling_api.api.submission import CODES
from polling_api.api.submission.codes import Code
from polling_api.errors import Invalid, TooLarge


def test_every_code_is_explained() -> None:
    assert set(CODES) == set(Code)


def test_every_explanation_is_made_of_sentences() -> None:
    assert [text for text in CODES.values() if not (text[0].isupper() or text[0] == "`") or text[-1] != "."] == []


def test_the_codes_of_the_error_classes_are_explained() -> None:
    assert {Invalid.code, TooLarge.code} <= set(CODES)
