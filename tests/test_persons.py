"""Who validates a training: nobody who is trained on."""

import numpy as np
import pytest

from facevae.data.persons import hold_back

NAMES = [f"{number}.png" for number in range(8)]


@pytest.mark.parametrize(
    ("persons", "count", "expected"),
    [
        ([], 3, [5, 6, 7]),  # nobody is known: the last ones
        ([1, 2, 3, 4, 5, 6, 7, 8], 3, [5, 6, 7]),  # all differ: the same
        ([1, 2, 3, 4, 5, 6, 7, 8], 0, []),
        ([1, 1, 2, 2, 3, 3, 4, 4], 3, [6, 7]),  # the next person has two images, of which there is room for one
        ([4, 1, 2, 2, 3, 3, 1, 4], 4, [0, 1, 6, 7]),  # both images of the last two
        ([1, 2, 9, 9, 9, 9, 9, 9], 3, [0, 1]),  # nine has too many
        ([9] * 8, 3, []),
    ],
)
def test_persons_are_held_back_whole(persons, count, expected):
    identities = {str(number): person for number, person in enumerate(persons)}
    assert np.flatnonzero(hold_back(NAMES, identities, count)).tolist() == expected
