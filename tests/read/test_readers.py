"""What every reader promises. A new one is tested here without being named."""

import random
import shutil

import numpy as np
import pytest

from medgraft.errors import ReadError
from medgraft.read import Identity, Scan, identity, read
from medgraft.read.formats import readers

ALL = [readers.get(name) for name in readers.names()]
LEAST_FLIPS = 40


@pytest.fixture(params=ALL, ids=lambda reader: reader.name)
def reader(request):
    return request.param


def head_of(path):
    import gzip

    if path.is_dir():
        return b""
    content = path.read_bytes()
    return (gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content)[:1024]


def beside(path, folder):
    """A copy of a sample, with its companions, in a folder of its own."""
    folder.mkdir()
    if path.is_dir():
        return shutil.copytree(path, folder / path.name)
    companions = path.parent.glob("*") if len(list(path.parent.glob(f"{path.stem}.*"))) > 1 else []
    for companion in [path, *companions]:
        if companion.is_file():
            shutil.copy(companion, folder)
    return folder / path.name


class TestEveryReader:
    def test_gives_the_values_and_spacing_that_were_written(self, reader, samples):
        for sample in samples(reader.name):
            scan = read(sample.path)
            assert scan.array.dtype == sample.array.dtype, sample.path
            np.testing.assert_array_equal(scan.array, sample.array, err_msg=str(sample.path))
            if sample.spacing_mm is not None:
                assert scan.spacing_mm == pytest.approx(sample.spacing_mm), sample.path

    def test_gives_plain_arrays_that_the_caller_owns(self, reader, samples):
        for sample in samples(reader.name):
            scan = read(sample.path)
            assert scan.array.dtype.isnative
            assert scan.array.flags.c_contiguous
            assert scan.source == str(sample.path)
            assert scan.array.flags.writeable

    def test_keeps_its_values_within_the_range_that_it_declares(self, reader, samples):
        for sample in samples(reader.name):
            scan = read(sample.path)
            if scan.value_range is not None:
                assert scan.value_range[0] <= scan.array.min(), sample.path
                assert scan.array.max() <= scan.value_range[1], sample.path

    def test_knows_its_own_files_and_no_others_do(self, reader, samples):
        for sample in samples(reader.name):
            claims = [other.name for other in ALL if other.sniff(head_of(sample.path), sample.path)]
            assert claims == [reader.name], sample.path

    def test_is_silent(self, reader, samples, capfd, recwarn):
        for sample in samples(reader.name):
            read(sample.path)
        assert capfd.readouterr() == ("", "")
        assert not recwarn.list

    def test_takes_no_more_memory_than_it_may(self, reader, samples):
        for sample in samples(reader.name):
            with pytest.raises(ReadError, match="may be taken"):
                read(sample.path, max_bytes=30)

    def test_tells_who_it_is_without_its_pixels(self, reader, samples):
        for sample in samples(reader.name):
            assert isinstance(identity(sample.path), Identity)

    def test_refuses_a_member_that_it_does_not_have(self, reader, samples):
        for sample in samples(reader.name):
            with pytest.raises(ReadError) as caught:
                read(f"{sample.path}#nothing/0")
            assert caught.value.path.startswith(str(sample.path))

    def test_refuses_a_file_cut_short_or_gives_all_of_it(self, reader, samples, tmp_path):
        """Cut anywhere: an error with the path, or the same values (only the end was padding)."""
        for number, sample in enumerate(samples(reader.name)):
            path = beside(sample.path, tmp_path / str(number))
            victim = sorted(path.iterdir())[1] if path.is_dir() else path
            content = victim.read_bytes()
            for size in sorted({0, 1, 3, 10, 130, *range(0, len(content), len(content) // 9 + 1)}):
                victim.write_bytes(content[: min(size, len(content) - 1)])
                outcome = outcome_of(path)
                if isinstance(outcome, ReadError):
                    assert outcome.reason
                    assert outcome.remedy
                elif not path.is_dir():  # without one file a series may still be a series
                    np.testing.assert_array_equal(
                        outcome.array, sample.array, err_msg=f"{path} {size}"
                    )

    def test_survives_random_damage(self, reader, samples, tmp_path):
        """Flipped bytes give a scan or a `ReadError`, never anything else."""
        choose = random.Random(0)
        for number, sample in enumerate(samples(reader.name)):
            path = beside(sample.path, tmp_path / str(number))
            victim = sorted(path.iterdir())[1] if path.is_dir() else path
            content = victim.read_bytes()
            for _ in range(LEAST_FLIPS):
                damaged = bytearray(content)
                reach = choose.choice((64, 400, len(content)))
                for _ in range(choose.randint(1, 6)):
                    damaged[choose.randrange(min(reach, len(content)))] = choose.randrange(256)
                victim.write_bytes(damaged)
                assert isinstance(outcome_of(path), Scan | ReadError)

    def test_says_what_it_reads_and_what_it_refuses(self, reader):
        assert reader.read.__doc__
        assert "Raises:" in reader.read.__doc__


def outcome_of(path):
    try:
        return read(path, max_bytes=2**26)
    except ReadError as error:
        return error
