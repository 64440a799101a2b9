"""The live page's interface: what it answers, what it refuses, and that no path leads to a file."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import afa_ray
from afa_ray.errors import UserError
from afa_ray.serve import main
from tests.conftest import free_port
from tests.unit.test_classifier import save_single_layer

fastapi = pytest.importorskip("fastapi", reason="pip install 'afa_ray[serve]'")
testclient = pytest.importorskip("fastapi.testclient", reason="fastapi's client is not installed")

from afa_ray.serving.app import LONGEST, MOST_BYTES, load_all, make_app  # noqa: E402

Client = Callable[..., Any]


@pytest.fixture(scope="module")
def classifiers(tmp_path_factory: pytest.TempPathFactory) -> list[afa_ray.Classifier]:
    folder = tmp_path_factory.mktemp("models")
    return [
        afa_ray.load(save_single_layer(folder / name, seed))
        for seed, name in enumerate(("one", "two"))
    ]


@pytest.fixture
def client(classifiers: list[afa_ray.Classifier]) -> Any:
    return testclient.TestClient(
        make_app(classifiers), base_url="http://127.0.0.1", raise_server_exceptions=False
    )


def test_answers_are_the_classifiers(client: Any, classifiers: list[afa_ray.Classifier]) -> None:
    text = "superb <b>day</b>"
    given = {"text": text, "methods": ["attention", "leave_one_out"], "target": "good"}
    answer = client.post("/api/explain", json=given)
    assert answer.status_code == 200
    for found, classifier in zip(answer.json()["explanations"], classifiers, strict=True):
        expected = classifier.explain([text], ["attention", "leave_one_out"], "good")[0]
        assert found["words"] == expected.words
        assert found["target"] == "good"
        for name, scores in expected.scores.items():
            assert found["scores"][name] == pytest.approx(scores, abs=1e-6)
    html = client.post("/api/page", json=given).json()["html"]
    assert "&lt;" in html
    assert "<b>day" not in html
    rows = client.post("/api/predict", json={"texts": [text, "bleak"]}).json()["predictions"]
    expected = [classifiers[1].predict([text, "bleak"])[i].label for i in range(2)]
    assert [row["label"] for row in rows["two"]] == expected
    about = client.get("/api/models").json()
    assert [m["name"] for m in about["models"]] == ["one", "two"]


def test_models_in_folders_of_one_name_are_told_apart(tmp_path: Path) -> None:
    """As two versions of a run have them."""
    folders = [str(tmp_path / version / "tickets") for version in ("old", "new")]
    for folder in folders:
        save_single_layer(Path(folder) / "model")
    assert [c.name for c in load_all(folders, "cpu")] == folders
    with pytest.raises(UserError, match="the same one twice"):
        load_all([folders[0], folders[0]], "cpu")


@pytest.mark.parametrize(
    ("path", "given", "status", "complaint"),
    [
        ("/api/explain", {"json": {}}, 422, "text: Field required"),
        ("/api/explain", {"json": {"text": ""}}, 422, "text: String should have at least 1"),
        ("/api/explain", {"json": {"text": " \n"}}, 422, "text 1 is empty"),
        ("/api/explain", {"json": {"text": 3}}, 422, "text: Input should be a valid string"),
        ("/api/explain", {"json": {"text": "a" * (LONGEST + 1)}}, 422, f"at most {LONGEST}"),
        ("/api/explain", {"json": {"text": "a", "methods": ["x"]}}, 422, "no such method"),
        ("/api/explain", {"json": {"text": "a", "methods": []}}, 422, "none is named"),
        ("/api/explain", {"json": {"text": "a", "target": "x"}}, 422, "one of bad, good"),
        ("/api/explain", {"json": {"text": "a", "unit": "x"}}, 422, "must be word or token"),
        ("/api/explain", {"json": {"text": "a", "model": "/etc"}}, 422, "not permitted"),
        ("/api/explain", {"content": b"{", "headers": {"Content-Type": "application/json"}}, 422,
         "JSON"),
        ("/api/explain", {"content": b" " * (MOST_BYTES + 1)}, 413, "more than 262,144 bytes"),
        ("/api/predict", {"json": {"texts": []}}, 422, "at least 1 item"),
        ("/api/predict", {"json": {"texts": ["a"] * 101}}, 422, "at most 100 items"),
        ("/api/nothing", {"json": {}}, 404, "Not Found"),
        ("/", {"json": {}}, 405, "Method Not Allowed"),
    ],
)  # fmt: skip
def test_bad_requests_say_why(
    client: Any, path: str, given: dict[str, Any], status: int, complaint: str
) -> None:
    answer = client.post(path, **given)
    assert answer.status_code == status
    assert complaint in answer.json()["detail"]


@pytest.mark.parametrize(
    "path",
    ["/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/static/page.css", "/page.html",
     "/templates/page.js", "//etc/passwd", "/api/../../afa_ray/serving/app.py",
     "/docs/../page.css"],
)  # fmt: skip
def test_no_path_leads_to_a_file(client: Any, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert "root:" not in answer.text


def test_pages_are_whole_and_of_no_other_host(client: Any) -> None:
    for path in ("/", "/docs"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert answer.headers["x-frame-options"] == "DENY"
        assert "default-src 'none'" in answer.text
        assert "https://" not in answer.text
    assert "/api/explain" in client.get("/openapi.json").json()["paths"]


def test_another_name_for_this_address_is_refused(client: Any) -> None:
    """A page elsewhere cannot have its own name lead here."""
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 400
    assert client.get("/", headers={"Host": "localhost:8000"}).status_code == 200


def test_many_at_once_have_their_own_answers(client: Any) -> None:
    """Explainers change how a model computes attention while they work."""
    texts = [f"superb {'word' * (i % 3)} lovely awful {i}" for i in range(12)]
    alone = [client.post("/api/explain", json={"text": t}).json() for t in texts]
    found: dict[int, Any] = {}

    def ask(i: int) -> None:
        found[i] = client.post("/api/explain", json={"text": texts[i]}).json()

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(len(texts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, expected in enumerate(alone):
        for a, b in zip(found[i]["explanations"], expected["explanations"], strict=True):
            assert a["scores"] == b["scores"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "one to four models must be given, not 0"),
        (["a", "--port", "70000"], "port = 70000: must be between 0 and 65535"),
        (["a", "--port", "many"], "port: invalid int value: 'many'"),
        (["a", "--prot", "1"], "--prot: there is no such option; did you mean --port?"),
        (["{folder}", "--port", "0"], "holds no model"),
        (["{folder}", "--port", "0", "--serve.replicas", "2"], "holds no model"),
        (["a", "--serve.replicas", "-1"], "serve.replicas = -1: must be at least 0"),
        (["a", "--serve.replicas", "two"], "serve.replicas: invalid int value: 'two'"),
        (["a", "--serve.replica", "2"], "did you mean --serve.replicas?"),
        (["{folder}", "--port", "0", "--host", "203.0.113.7"], "cannot listen at 203.0.113.7"),
    ],
)
def test_mistakes(tmp_path: Path, capsys, arguments: list[str], complaint: str) -> None:
    assert main([a.format(folder=tmp_path) for a in arguments]) == 2
    assert complaint in capsys.readouterr().err


def test_a_port_that_is_taken(tmp_path: Path, capsys) -> None:
    import socket

    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        assert main([str(tmp_path), "--port", str(port)]) == 2
    assert f"port = {port}: cannot listen" in capsys.readouterr().err
