"""What `find-capacity` refuses before anything starts."""

from __future__ import annotations

import pytest

from simulator.errors import ConfigurationError
from simulator.local.plan import Overrides
from simulator.proof.capacity.command import CapacityRequest, run_find_capacity

SHOP = """name: kept
stages:
  users: {role: injector, load: {rate: 50/s}, calls: [shop]}
  shop: {delay: constant(20ms), workers: 4}
"""


@pytest.mark.parametrize(
    ("request_flags", "overrides", "said"),
    [
        ({}, {"thresholds": ("shp p99 < 1s",)}, "flag --threshold: there is no stage 'shp'; did you mean `shop`?"),
        ({"from_rate": "10"}, {}, "flag --from: '10' has no unit"),
        ({"to_rate": "0"}, {}, "flag --to: '0' is out of range"),
        ({"from_rate": "20/s", "to_rate": "10/s"}, {}, "flag --from: --from 20/s is above --to 10/s"),
        ({"precision": "0%"}, {}, "flag --precision: 0% is out of range: must be between 0.1% and 50%"),
        ({"precision": "2s"}, {}, "flag --precision: '2s' has the unknown unit"),
        ({"probe": "10ms"}, {}, "flag --probe: 10ms is too short: must be at least 1s"),
        ({"warm_up": "soon"}, {}, "flag --warm-up: 'soon' is not a duration"),
        ({}, {"sets": ("users.load.rate=", "users.load.profile=ramp(1/s, 9/s, 1m)")}, "give --from"),
    ],
)
@pytest.mark.parametrize("is_virtual", [True, False])
def test_what_can_not_be_searched_is_refused(tmp_path, request_flags, overrides, said, is_virtual):
    (tmp_path / "shop.yaml").write_text(SHOP)
    request = CapacityRequest(
        topology=tmp_path / "shop.yaml",
        overrides=Overrides(**overrides),
        report=tmp_path / "report",
        is_virtual=is_virtual,
        **request_flags,
    )
    with pytest.raises(ConfigurationError) as refusal:
        run_find_capacity(request, ["false"], {})
    assert said in str(refusal.value)
    assert not (tmp_path / "report").exists()
