"""The layouts `messages` (OpenAI) and `sharegpt`."""

from __future__ import annotations

import json
from typing import Any

from graftline.canonical import canonical_json
from graftline_ingest.drafts import Draft, Refused

_ROLES = frozenset({"system", "user", "assistant", "tool"})
_OTHER_ROLES = {"developer": "system", "function": "tool"}
_SHAREGPT_ROLES = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bing": "assistant",
    "bard": "assistant",
    "assistant": "assistant",
    "system": "system",
    "tool": "tool",
    "observation": "tool",
    "function_response": "tool",
    "function_call": "function_call",
}
_PLAIN_KEYS = {"role", "content"}


def from_messages(record: dict[str, Any]) -> Draft:
    """Read `{"messages": [{"role", "content", …}…], "tools": […]}`.

    Raises:
        Refused: Something in it is not chat text.
    """
    messages = record.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Refused("missing-field", "no field 'messages' with a list of messages")
    return Draft([_message(item) for item in messages], tools=_tools(record))


def from_sharegpt(record: dict[str, Any]) -> Draft:
    """Read `{"conversations": [{"from", "value"}…], "system", "tools"}`.

    Raises:
        Refused: Something in it is not chat text.
    """
    turns = record.get("conversations", record.get("conversation"))
    if not isinstance(turns, list) or not turns:
        raise Refused("missing-field", "no field 'conversations' with a list of turns")
    messages: list[dict[str, Any]] = []
    if isinstance(system := record.get("system"), str) and system.strip():
        messages.append({"role": "system", "content": system})
    calls = 0
    for turn in turns:
        if not isinstance(turn, dict):
            raise Refused("not-a-message", f"a turn is {type(turn).__name__}, not an object")
        spoken = turn.get("from", turn.get("role"))
        role = _SHAREGPT_ROLES.get(str(spoken))
        if role is None:
            raise Refused("unknown-role", f"role {spoken!r}; known: {', '.join(_SHAREGPT_ROLES)}")
        text = _content(turn.get("value", turn.get("content")))
        if text is None:
            raise Refused("empty-message", f"a turn of {spoken!r} has no text")
        if role == "function_call":
            calls += 1
            messages.append(_spoken_call(text, f"call_{calls}"))
        elif role == "tool":
            messages.append({"role": "tool", "content": text, "tool_call_id": f"call_{calls}"})
        else:
            messages.append({"role": role, "content": text})
    return Draft(messages, tools=_tools(record))


def _message(item: Any) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise Refused("not-a-message", f"a message is {type(item).__name__}, not an object")
    role = item.get("role")
    content = item.get("content")
    if type(role) is str:
        if role in _ROLES and type(content) is str and item.keys() == _PLAIN_KEYS:
            return item
        role = _OTHER_ROLES.get(role, role)
    if not isinstance(role, str) or role not in _ROLES:
        raise Refused("unknown-role", f"role {role!r}; known: {', '.join(sorted(_ROLES))}")
    message: dict[str, Any] = {"role": role, "content": _content(content)}
    for key in ("name", "tool_call_id"):
        if item.get(key) is not None:
            message[key] = str(item[key])
    if calls := item.get("tool_calls"):
        if not isinstance(calls, list):
            raise Refused("bad-tool-call", "tool_calls is not a list")
        message["tool_calls"] = [_tool_call(call, call) for call in calls]
    elif old := item.get("function_call"):
        message["tool_calls"] = [_tool_call({}, {"function": old})]
    if message["content"] is None and "tool_calls" not in message:
        raise Refused("empty-message", f"a message of {role!r} has neither text nor tool calls")
    return message


def _content(content: Any) -> str | None:
    """Give a message's text; parts are joined, and what is not text is refused."""
    if content is None or isinstance(content, str):
        return content
    if isinstance(content, list):
        parts: list[str] = []
        for part in content:
            kind = part.get("type") if isinstance(part, dict) else None
            text = part.get("text", part.get("value")) if isinstance(part, dict) else part
            if kind not in (None, "text") or not isinstance(text, str):
                raise Refused("not-text", f"a content part of type {kind!r}; only text is read")
            parts.append(text)
        return "".join(parts)
    raise Refused("not-text", f"content is {type(content).__name__}, not text")


def _tool_call(outer: Any, call: Any) -> dict[str, Any]:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise Refused("bad-tool-call", "a tool call has no function name")
    arguments = function.get("arguments", "{}")
    if not isinstance(arguments, str):
        arguments = canonical_json(arguments)
    return {
        "id": None if outer.get("id") is None else str(outer["id"]),
        "type": "function",
        "function": {"name": function["name"], "arguments": arguments},
    }


def _spoken_call(text: str, call_id: str) -> dict[str, Any]:
    """Make a tool call of a turn whose text is `{"name", "arguments"}`, or a list of such."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refused("bad-tool-call", f"a function_call is no JSON: {error}") from None
    calls = said if isinstance(said, list) else [said]
    ids = [call_id if index == 0 else f"{call_id}_{index}" for index in range(len(calls))]
    made = [
        _tool_call({"id": one}, {"function": call}) for one, call in zip(ids, calls, strict=True)
    ]
    return {"role": "assistant", "content": None, "tool_calls": made}


def _tools(record: dict[str, Any]) -> list[dict[str, Any]] | None:
    tools = record.get("tools")
    if isinstance(tools, str):
        if not tools.strip():
            return None
        try:
            tools = json.loads(tools)
        except (ValueError, RecursionError) as error:
            raise Refused("bad-tools", f"field 'tools' is no JSON: {error}") from None
    if not tools:
        return None
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        raise Refused("bad-tools", "field 'tools' is no list of objects")
    return tools
