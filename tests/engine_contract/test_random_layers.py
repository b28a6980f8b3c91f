"""Values, switches and gradients against float64, over layers that hypothesis draws."""

from hypothesis import given

from tests.engine_contract.cases import Case
from tests.engine_contract.checks import check_backward, check_forward
from tests.engine_contract.strategies import any_layers, known_kernels
from tests.profiles import share


@share(0.6)
@given(case=known_kernels())
def test_kernels_take_any_sizes(case: Case) -> None:
    check_backward(case)


@share(0.1)
@given(case=any_layers())
def test_layers_of_any_kind(case: Case) -> None:
    check_backward(case)


@share(0.1)
@given(case=any_layers())
def test_layers_without_gradients(case: Case) -> None:
    check_forward(case)
