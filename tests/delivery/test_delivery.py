"""The delivery guarantee, R1 to R19 of quality.md, against a real gateway process. The full numbers: `make soak`."""

import pytest

from tests.delivery.harness import Gateway, World
from tests.delivery.readers import assert_nothing_left
from tests.delivery.scenarios import SCENARIOS

pytestmark = [pytest.mark.xdist_group("delivery"), pytest.mark.timeout(120)]


@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_scenario(world: World, scenario: str) -> None:
    await SCENARIOS[scenario](world)


async def test_after_all_of_it_nothing_is_left_behind(gateway: Gateway, baseline: tuple[int, float]) -> None:
    """R18, last in this file on purpose."""
    await assert_nothing_left(gateway, *baseline)
