"""Every scenario by its id in quality.md."""

from tests.delivery import cursors, disk, marks, order, readers, restarts

__all__ = ["SCENARIOS"]

SCENARIOS = {
    **order.SCENARIOS,
    **cursors.SCENARIOS,
    **marks.SCENARIOS,
    **readers.SCENARIOS,
    **restarts.SCENARIOS,
    **disk.SCENARIOS,
}
