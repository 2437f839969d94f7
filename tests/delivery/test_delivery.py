"""The delivery guarantee, R1 to R19 of quality.md, against a real gateway process. The full numbers: `make soak`."""

import pytest

from tests.delivery import cursors, marks, order, readers, restarts
from tests.delivery.harness import World

pytestmark = [pytest.mark.xdist_group("delivery"), pytest.mark.timeout(120)]

SCENARIOS = {**order.SCENARIOS, **cursors.SCENARIOS, **marks.SCENARIOS, **readers.SCENARIOS, **restarts.SCENARIOS}


@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_scenario(world: World, scenario: str) -> None:
    await SCENARIOS[scenario](world)
