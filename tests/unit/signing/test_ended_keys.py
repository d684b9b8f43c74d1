"""What is known of keys that have ended."""

from polling_api.signing.ended_keys import KEPT, LATE, EndedKeys


def test_at_first_everything_is_unread_for_which_a_token_may_still_be_shown() -> None:
    ended = EndedKeys()

    assert not ended.complete
    assert ended.unread(now=0) == KEPT > 24 * 3600


def test_later_reads_reach_back_to_the_last_complete_one_and_some_time_more_for_late_commits() -> None:
    ended = EndedKeys()
    ended.completed(asked_at=1_000)

    assert ended.complete
    assert ended.unread(now=1_010) == 10 + LATE
    assert ended.unread(now=1_000_000) == KEPT


def test_a_read_that_comes_late_does_not_set_back_what_is_complete() -> None:
    ended = EndedKeys()
    ended.completed(asked_at=2_000)
    ended.completed(asked_at=1_000)

    assert ended.unread(now=2_000) == LATE


def test_a_key_that_has_ended_is_remembered_until_no_token_of_it_can_be_good() -> None:
    ended = EndedKeys()
    ended.add(["key_1"], now=0)
    ended.add(["key_1", "key_2"], now=KEPT)

    ended.completed(asked_at=KEPT)
    at_the_end = ["key_1" in ended, "key_2" in ended]
    ended.completed(asked_at=KEPT + 1)

    assert at_the_end == [True, True]
    assert ["key_1" in ended, "key_2" in ended] == [False, True]
