"""Thirty failures, then one a minute (S7)."""

import pytest

from analyst_server.identity.throttle import Bucket, address_key, after_failure, wait_s


def test_thirty_failures_pass_and_the_next_waits_a_minute() -> None:
    bucket = Bucket()
    for _ in range(30):
        assert wait_s(bucket, now=1_000) == 0
        bucket = after_failure(bucket, now=1_000)
    assert wait_s(bucket, now=1_000) == pytest.approx(60)
    assert wait_s(bucket, now=1_030) == pytest.approx(30)
    assert wait_s(bucket, now=1_060) == 0
    assert wait_s(after_failure(bucket, now=1_060), now=1_060) == pytest.approx(60)


def test_half_an_hour_of_peace_restores_everything() -> None:
    bucket = Bucket(left=0, at=1_000)
    assert bucket.left_at(1_000 + 30 * 60) == 30
    assert bucket.left_at(1_000 + 300 * 60) == 30


def test_a_clock_that_goes_back_gives_nothing() -> None:
    assert Bucket(left=0, at=1_000).left_at(0) == 0


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.7", "address:192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "address:2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "address:2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "address:192.0.2.7"),
        ("fe80::1%eth0", "address:fe80::/64"),
        ("garbage", "address:unknown"),
    ],
)
def test_an_ipv6_network_counts_as_one_address(address: str, key: str) -> None:
    assert address_key(address) == key
