"""Stands in for curl: answers as the service would that the other stand-ins have started, and none where none has.

``SERVICE`` is a file with the key that the service asks for; it is there while the service runs.
"""

import os
import pathlib
import sys

service = pathlib.Path(os.environ["SERVICE"])
words = sys.argv[1:]
if not service.exists():
    sys.exit("curl: (7) Failed to connect")
url = next(word for word in words if word.startswith(("http://", "https://")))
if url.endswith("/health"):
    sys.exit(0)
headers = [words[at + 1] for at, word in enumerate(words) if word in ("--header", "-H")]
texts = [pathlib.Path(one[1:]).read_text() if one.startswith("@") else one for one in headers]
right = any(text.strip() == f"Authorization: Bearer {service.read_text().strip()}" for text in texts)
body = '{"choices": [{"message": {"content": "Hello."}, "finish_reason": "stop"}]}' if right else "{}"
if "--output" in words:
    pathlib.Path(words[words.index("--output") + 1]).write_text(body)
else:
    print(body)
if "--write-out" in words:
    print(200 if right else 401, end="")
