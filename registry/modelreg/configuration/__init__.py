"""The text of a model's configuration as facts keep it: JSON with sorted keys, in ASCII, bounded on both ends.

Unlike our own documents (``records``) it may hold floats, ``NaN`` included, because Keras's do; so it travels in a
manifest as one text, which every rule that looks at arguments parses again.
"""

from __future__ import annotations

import functools
import json

from modelreg.errors import DocumentError

JsonValue = None | bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"]

TEXT_LENGTH_MAX = 16 * 1024 * 1024
"""Characters that facts keep; EfficientNetB7's 813 layers make 0.5 million."""
NESTING_MAX = 200
"""Ten nested models are about 60 levels of JSON; the interpreter itself gives up near 1,000."""
VALUES_MAX = 4_000_000


def configuration_text(value: JsonValue) -> str | None:
    """The one text that stands for ``value``; ``None`` where it is longer than facts keep."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return text if len(text) <= TEXT_LENGTH_MAX else None


@functools.lru_cache(maxsize=64)
def parse_configuration(text: str) -> JsonValue:
    """The value that ``text`` stands for; treat it as read-only.  Raises ``DocumentError`` beyond the bounds."""
    if len(text) > TEXT_LENGTH_MAX or text.count(",") + text.count("[") + text.count("{") > VALUES_MAX:
        raise DocumentError(f"a configuration of {len(text):,} characters is longer than any that modelreg writes")
    try:
        value: JsonValue = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DocumentError(f"the configuration in the facts is not valid JSON: {error}") from None
    return value
