"""What the models of a simulated batch answer: plausible, and the same each time it is read."""

import hashlib
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

_GENRES = (
    "Drama", "Comedy", "Thriller", "Romance", "Action", "Horror", "Crime", "Adventure", "Musical", "Western",
    "Animation", "Documentary", "Fantasy", "Mystery", "War", "Biography",
)  # fmt: skip
_DIMENSIONS = 16  # of an embedding, unless asked for: with a real model's 1,536 a large batch is a gigabyte
_MOST_DIMENSIONS = 3072  # the largest real model's
_MOST_IMAGES = 10  # the real bound on `n`
# The smallest valid PNG: one transparent pixel.
_PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="

Body = Mapping[str, Any]


def answer(endpoint: str, request: Body, *, seed: str, created: int) -> Body:
    """Answer one request.

    Args:
        endpoint: as `/v1/chat/completions`; one that is not known is answered as a completion.
        request: its body.
        seed: what the answer's ids and choices are made from.
        created: its time, Unix seconds.
    """
    return _ANSWERS.get(endpoint, _completion)(request, hashlib.sha256(seed.encode()).hexdigest(), created)


def _chat(request: Body, digest: str, created: int) -> Body:
    said = [_text(message.get("content")) for message in _objects(request.get("messages"))]
    text = _reply(said, digest)
    return {
        "id": f"chatcmpl-{digest[:29]}",
        "object": "chat.completion",
        "created": created,
        "model": _model(request),
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text, "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": _usage("prompt_tokens", "completion_tokens", said, text),
        "system_fingerprint": None,
    }


def _response(request: Body, digest: str, created: int) -> Body:
    given = request.get("input")
    said = [_text(request.get("instructions"))]
    said += [given] if isinstance(given, str) else [_text(item.get("content")) for item in _objects(given)]
    text = _reply(said, digest)
    return {
        "id": f"resp_{digest[:48]}",
        "object": "response",
        "created_at": created,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "model": _model(request),
        "output": [
            {
                "type": "message",
                "id": f"msg_{digest[:48]}",
                "status": "completed",
                "role": "assistant",
                "content": [{"type": "output_text", "text": text, "annotations": []}],
            }
        ],
        "usage": _usage("input_tokens", "output_tokens", said, text),
    }


def _completion(request: Body, digest: str, created: int) -> Body:
    said = [_text(request.get("prompt"))]
    text = _reply(said, digest)
    return {
        "id": f"cmpl-{digest[:29]}",
        "object": "text_completion",
        "created": created,
        "model": _model(request),
        "choices": [{"index": 0, "text": text, "logprobs": None, "finish_reason": "stop"}],
        "usage": _usage("prompt_tokens", "completion_tokens", said, text),
    }


def _embedding(request: Body, digest: str, created: int) -> Body:
    del created  # embeddings bear no time
    given = request.get("input")
    texts = [_text(text) for text in cast("list[object]", given)] if isinstance(given, list) else [_text(given)]
    size = _between(1, request.get("dimensions"), _MOST_DIMENSIONS, _DIMENSIONS)
    chance = random.Random(digest)  # noqa: S311 - it has to come out the same each time
    vectors = [[round(chance.uniform(-1, 1), 6) for _ in range(size)] for _ in texts]
    tokens = sum(_tokens(text) for text in texts)
    return {
        "object": "list",
        "data": [{"object": "embedding", "index": at, "embedding": vector} for at, vector in enumerate(vectors)],
        "model": _model(request),
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def _image(request: Body, digest: str, created: int) -> Body:
    del digest  # one picture does for all
    return {
        "created": created,
        "data": [{"b64_json": _PIXEL}] * _between(1, request.get("n"), _MOST_IMAGES, 1),
    }


_ANSWERS: Mapping[str, Callable[[Body, str, int], Body]] = {
    "/v1/chat/completions": _chat,
    "/v1/responses": _response,
    "/v1/completions": _completion,
    "/v1/embeddings": _embedding,
    "/v1/images/generations": _image,
}


def _reply(said: Sequence[str], digest: str) -> str:
    if any("genre" in text.lower() for text in said):
        return _GENRES[int(digest, 16) % len(_GENRES)]
    return f"A simulated answer to: {said[-1][:80] if said else ''}"


def _model(request: Body) -> str:
    model = request.get("model")
    return model if isinstance(model, str) else "simulated"


def _objects(value: object) -> Sequence[Body]:
    items = cast("list[object]", value) if isinstance(value, list) else []
    return [cast("dict[str, Any]", item) for item in items if isinstance(item, dict)]


def _text(content: object) -> str:
    """A message's content: text, or parts of which some are text."""
    if isinstance(content, str):
        return content
    return " ".join(part["text"] for part in _objects(content) if isinstance(part.get("text"), str))


def _between(least: int, asked: object, most: int, default: int) -> int:
    return min(max(asked, least), most) if isinstance(asked, int) else default


def _tokens(text: str) -> int:
    return len(text) // 4 + 1  # the usual rule of thumb


def _usage(given_name: str, made_name: str, said: Sequence[str], text: str) -> Mapping[str, int]:
    given, made = sum(map(_tokens, said)), _tokens(text)
    return {given_name: given, made_name: made, "total_tokens": given + made}
