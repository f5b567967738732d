from inspired.domain.shared.batches import batches


def test_every_item_is_in_one_batch_and_no_batch_is_larger_than_asked_for():
    assert list(batches([1, 2, 3, 4, 5], 2)) == [[1, 2], [3, 4], [5]]
    assert list(batches([1, 2], 2)) == [[1, 2]]
    assert list(batches([], 2)) == []
