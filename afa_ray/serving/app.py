"""The live page and its interface as a FastAPI app: texts go in, nothing of the disk comes out."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware

from afa_ray.classifier import Classifier, Explanation, load
from afa_ray.classifier.methods import ATTENTION, FAST
from afa_ray.errors import UserError
from afa_ray.explainers import EXPLAINERS
from afa_ray.report.page import interface_html, page_html, texts_html

LONGEST = 20_000  # characters of a text
MOST_BYTES = 256 * 1024  # of a request
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
NOT_OFFERED = (ATTENTION, "random", "expnet")  # on the page: always there, of no use, learns first
Text = Annotated[str, Field(min_length=1, max_length=LONGEST)]
Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Question(BaseModel):
    """A text to explain. `methods` are names of explainers; `target` is the class to explain, by
    default the predicted one; `unit` is word or token."""

    model_config = ConfigDict(extra="forbid")
    text: Text
    methods: Annotated[list[str], Field(max_length=32)] = [ATTENTION]
    target: str | None = None
    unit: str = "word"


class Texts(BaseModel):
    """Texts to predict."""

    model_config = ConfigDict(extra="forbid")
    texts: Annotated[list[Text], Field(min_length=1, max_length=100)]


def load_all(models: Sequence[str], device: str | None) -> list[Classifier]:
    """The models, each of which has explained a text: a first one takes longer.

    Raises:
        UserError: see `afa_ray.load`; or a model that was trained on pairs.
    """
    classifiers = [load(model, device=device) for model in models]
    for model, classifier in zip(models, classifiers, strict=True):
        if classifier.reads_queries:
            raise UserError(
                f"{model}: was trained on pairs, and here texts come alone; explain them by "
                "afa_ray.explain with --query_column or --query"
            )
        classifier.explain(["a first text takes longer"])
    named = Counter(classifier.name for classifier in classifiers)
    for model, classifier in zip(models, classifiers, strict=True):
        if named[classifier.name] > 1:  # as the last folders of several are
            classifier.name = str(model)
    if len({classifier.name for classifier in classifiers}) < len(classifiers):
        raise UserError(f"models: {', '.join(models)}: the same one twice; give it once")
    return classifiers


def make_app(classifiers: Sequence[Classifier], hosts: Sequence[str] = LOOPBACK) -> FastAPI:
    """The app of one or several classifiers.

    Args:
        hosts: names under which it answers; a page elsewhere that has its own name lead here is
            refused.
    """
    app = FastAPI(
        title="afa_ray", docs_url=None, redoc_url=None,
        description="What text classifiers say, and what they looked at.",
    )  # fmt: skip
    busy = threading.Lock()  # explainers change how a model computes attention, and change it back

    def explained(question: Question) -> list[Explanation]:
        with busy:
            return [
                c.explain([question.text], question.methods, question.target, question.unit)[0]  # type: ignore[arg-type]
                for c in classifiers
            ]

    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    def page() -> str:
        names = " and ".join(c.name for c in classifiers)
        methods = [name for name in EXPLAINERS if name not in NOT_OFFERED]
        live = {"longest": LONGEST, "methods": methods, "fast": FAST[:2]}
        return page_html(
            [], title=f"What {names} looks at", live=live, labels=classifiers[0].labels
        )

    @app.get("/docs", response_class=HTMLResponse, include_in_schema=False)
    def docs() -> str:
        return interface_html(app.openapi())

    @app.get("/api/models")
    def models() -> dict[str, Any]:
        """The models with their classes, the methods, and the limits of a request."""
        return {
            "models": [
                {"name": c.name, "labels": c.labels, "max_tokens": c.max_length}
                for c in classifiers
            ],
            "methods": list(EXPLAINERS),
            "limits": {"characters": LONGEST, "bytes": MOST_BYTES},
        }

    @app.post("/api/predict")
    def predict(given: Texts) -> dict[str, Any]:
        """For each model the class of each text, and the probabilities of all."""
        with busy:
            found = {c.name: c.predict(given.texts) for c in classifiers}
        return {"predictions": {n: [p._asdict() for p in each] for n, each in found.items()}}

    @app.post("/api/explain")
    def explain(question: Question) -> dict[str, Any]:
        """For each model its prediction, and the weights of the text's words by each method."""
        return {"explanations": [each.to_dict() for each in explained(question)]}

    @app.post("/api/page", include_in_schema=False)
    def explain_as_html(question: Question) -> dict[str, Any]:
        found = [each.to_dict() for each in explained(question)]
        return {"explanations": found, "html": texts_html(found)}

    _answer_for_people(app)
    app.add_middleware(_Bounded)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False)
    return app


def _answer_for_people(app: FastAPI) -> None:
    """What is wrong with a request, in a sentence: `{"detail": …}`."""

    @app.exception_handler(UserError)
    def refused(request: Request, error: UserError) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, status_code=422, headers=HEADERS)

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        faults = [
            f"{'.'.join(str(part) for part in fault['loc'][1:]) or 'request'}: {fault['msg']}"
            for fault in error.errors()
        ]
        detail = "; ".join(faults[:5]) + "; see /docs"
        return JSONResponse({"detail": detail}, status_code=422, headers=HEADERS)

    @app.exception_handler(HTTPException)
    def other(request: Request, error: HTTPException) -> JSONResponse:
        detail = f"{error.detail}; see /docs for what there is"
        return JSONResponse({"detail": detail}, status_code=error.status_code, headers=HEADERS)

    @app.middleware("http")
    async def with_headers(request: Request, call: Any) -> Any:
        response = await call(request)
        response.headers.update(HEADERS)
        return response


class _Bounded:
    """Refuses requests of more than MOST_BYTES, before they are in memory."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        parts: list[bytes] = []
        more, size = True, 0
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            more = message.get("more_body", False)
            if size > MOST_BYTES:
                detail = f"the request has more than {MOST_BYTES:,} bytes; send a shorter text"
                answer = JSONResponse({"detail": detail}, status_code=413, headers=HEADERS)
                await answer(scope, receive, send)  # type: ignore[arg-type]
                return
        whole: list[dict[str, Any]] = [{"type": "http.request", "body": b"".join(parts)}]

        async def again() -> dict[str, Any]:
            return whole.pop() if whole else await receive()

        await self._app(scope, again, send)
