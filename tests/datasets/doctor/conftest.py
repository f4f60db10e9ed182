"""The sets of a test of the doctor: a copy of what its file has drawn, to be spoilt."""
import pytest

from tests.datasets.doctor.sets import Sets


@pytest.fixture
def sets(drawn, tmp_path):
    return Sets.of(drawn, tmp_path)
