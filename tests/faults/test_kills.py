"""Jobs that are killed at random instants end like jobs that nobody disturbed.

`make faults` kills every kind of job many times; TYPICA_KILLS says how often, and TYPICA_SEED
chooses other instants. Without the variable nothing is killed here: the tests of every part kill
and resume it without a process of its own.
"""

from __future__ import annotations

import os

import pytest

from .campaign import Campaign
from .jobs import JOBS

_KILLS = int(os.environ.get("TYPICA_KILLS", "0"))
pytestmark = pytest.mark.skipif(not _KILLS, reason="takes minutes: make faults")


@pytest.fixture(scope="module")
def campaign(places, tmp_path_factory):
    one = Campaign(
        places, tmp_path_factory.mktemp("kills"), seed=int(os.environ.get("TYPICA_SEED", "0"))
    )
    yield one
    print(f"\n{sum(one.kills.values())} kills in {one.rounds} rounds: {one.kills}")


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.name)
def test_a_job_that_is_killed_ends_with_the_same_files(campaign, job):
    assert campaign.run(job, _KILLS) == []
    assert campaign.kills.get(job.name, 0) == _KILLS
