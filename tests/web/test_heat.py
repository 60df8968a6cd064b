"""The model's heat over a scan: whose, where, and when it is told."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from medgraft.active.campaign.settings import opened
from medgraft.cli.__main__ import main
from medgraft.errors import ArgumentError
from medgraft.explain.on_file import Look
from medgraft.index import Index
from medgraft.read import Scan
from medgraft.runs import RunFolder
from medgraft.web.access import Access
from medgraft.web.accounts import Doorkeeper
from medgraft.web.app import create_app
from medgraft.web.archive import Archive
from medgraft.web.desk import Desk
from medgraft.web.heat import KEPT, Model, Models, picture
from medgraft.web.planes import planes
from tests.web.conftest import ORIGIN, PASSWORDS, index_of, quick_hash


def pixels(content):
    return np.asarray(Image.open(io.BytesIO(content)))


class TestAPicture:
    def test_is_clearer_where_it_is_hotter_and_empty_where_it_is_cold(self):
        heat = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
        (plane,) = planes(Scan(np.zeros((1, 30, 40), np.uint8)))
        alpha = pixels(picture(heat, plane, 0))[..., 3].astype(int)
        assert alpha.shape == (3, 4)
        assert alpha[0, 0] == 0
        assert (np.diff(alpha.ravel()) > 0).all()
        assert alpha.max() < 255  # the scan shows through

    def test_of_a_volume_is_that_of_the_slice_turned_as_the_slice_is(self):
        scan = Scan(np.zeros((1, 8, 6, 4), np.int16), (1, 1, 1), np.diag([1.0, 1, 1, 1]))
        heat = np.zeros((4, 3, 2), np.float32)
        heat[3, 0, 1] = 1  # right, back, head
        axial = next(one for one in planes(scan) if one.name == "axial")
        clear = [pixels(picture(heat, axial, n))[..., 3] for n in range(4)]
        assert [one.max() > 0 for one in clear] == [False, False, True, True]
        row, column = np.argwhere(clear[3])[0]
        assert (row, column) == (2, 0)  # the back is below, the right on the left


class TestAModel:
    @pytest.fixture
    def asked(self, monkeypatch):
        """Count what the networks are asked; they are not there."""
        calls = []
        record = {"labels": ["a", "b"]}
        monkeypatch.setattr(
            "medgraft.train.predict.load_ensemble", lambda run: ("ensemble", record)
        )

        def look(ensemble, record, file, *, label):
            calls.append((file, label))
            return Look({"a": 1.0, "b": 0.0}, label or "a", np.zeros((2, 2), np.float32), "layer1")

        monkeypatch.setattr("medgraft.explain.on_file.look", look)
        return calls

    def test_looks_once_at_each_file_and_class(self, asked, tmp_path):
        model = Model(RunFolder(tmp_path), ("b", "a"))
        for _ in range(2):
            model.look("x")
            model.look("x", "b")
        assert asked == [("x", None), ("x", "b")]

    def test_keeps_the_last_ones_only(self, asked, tmp_path):
        model = Model(RunFolder(tmp_path), ("a", "b"))
        for number in range(KEPT + 1):
            model.look(str(number))
        model.look("1")
        model.look("0")
        assert asked[KEPT:] == [(str(KEPT), None), ("0", None)]

    def test_of_other_classes_is_refused(self, asked, tmp_path):
        with pytest.raises(ArgumentError, match=r"classes of the campaign \(a, c\).* learnt a, b"):
            Model(RunFolder(tmp_path), ("a", "c")).look("x")

    def test_is_found_by_its_name_and_stays_until_another_is_wanted(self, tmp_path):
        runs = {"1": RunFolder(tmp_path / "1"), "2": RunFolder(tmp_path / "2")}
        models = Models(runs.get, ("a", "b"))
        first = models.get("1")
        assert models.get("1") is first
        assert models.get("2").run == runs["2"]
        assert models.get("3") is None


def test_the_route_asks_the_model_for_the_file_and_the_class(begin, monkeypatch):
    asked = []

    def look(file, label):
        asked.append((file, label))
        return Look({}, label, np.ones((4, 4), np.float32), "layer1")

    labelling = begin()
    monkeypatch.setattr(Models, "get", lambda models, name: SimpleNamespace(look=look))
    anna = labelling.client("anna")
    first, *_ = [one["image_id"] for one in anna.post("/api/next").json()["scans"]]
    assert anna.get(f"/api/scans/{first}/heat?label=lesion").status_code == 409
    body = {"request": "request-1", "image_id": first, "act": "answer", "labels": ["normal"]}
    assert anna.post("/api/answers", json=body).json()["view"]["heat"] is True
    said = anna.get(f"/api/scans/{first}/heat?label=lesion")
    assert said.headers["content-type"] == "image/png"
    assert pixels(said.content).shape == (4, 4, 4)
    assert asked == [(labelling.desk.archive.file(first), "lesion")]
    assert anna.get(f"/api/scans/{first}/heat?slice=1").status_code == 400


@pytest.mark.slow
def test_in_a_whole_campaign_the_heat_is_that_of_the_round_that_chose_the_scan(films, tmp_path):
    """Start, label, train, propose, label: as the commands do it, on tiny films."""
    index_of(films, tmp_path)
    folder = tmp_path / "campaign"
    tiny = "--batch 6 --measure 6 --size 32 --epochs 1 --batch-size 4 --views 2 --threads 1"
    start = ["start", tmp_path / "index.parquet", "--out", folder, "--classes", "normal,lesion"]
    assert main(["active", *map(str, start), *tiny.split()]) == 0
    assert main(["active", "admit", str(folder), "anna"]) == 0
    assert main(["active", "propose", str(folder)]) == 0
    with opened(folder) as campaign:
        ledger, number = campaign.ledger, 0
        while (one := ledger.next("anna")) is not None:
            ledger.answer("anna", one.image_id, ("normal", "lesion")[number % 2])
            number += 1
    assert main(["active", "propose", str(folder)]) == 0
    with opened(folder) as campaign:
        index = Index.load(campaign.folder.index)
        models = Models(campaign.folder.run, campaign.ledger.campaign.names)
        desk = Desk(campaign.ledger, Archive.of(index), models)
        app = create_app(
            desk, Access(ORIGIN, doorkeeper=Doorkeeper({"anna": quick_hash(PASSWORDS["anna"])}))
        )
        anna = TestClient(app, base_url=ORIGIN, headers={"origin": ORIGIN})
        anna.post("/sign-in", data={"name": "anna", "password": PASSWORDS["anna"]})
        scan = anna.post("/api/next").json()["scans"][0]["image_id"]
        body = {"request": "request-1", "image_id": scan, "act": "answer", "labels": ["normal"]}
        view = anna.post("/api/answers", json=body).json()["view"]
        assert view["model"] == "rounds/0002/run"
        assert view["heat"] is True
        assert sum(view["probabilities"].values()) == pytest.approx(1, abs=1e-3)
        assert view["why"]["chosen_by"]
        heat = anna.get(f"/api/scans/{scan}/heat?label=lesion")
        assert heat.status_code == 200
        assert pixels(heat.content)[..., 3].max() > 100
