"""For MkDocs: what links to a file of the repository, outside this folder, becomes its path."""

import re

_OUTSIDE = re.compile(r"(?<!!)\[([^\]]*)\]\(\.\./([^)]*)\)")


def on_page_markdown(markdown, page, **kwargs):
    """The text of a page, its links to other parts of the repository as text."""
    if page.file.src_path.startswith("api/"):
        return markdown

    def told(match):
        text, path = match.groups()
        return text if text.strip("`/") == path.strip("/") else f"{text} (`{path}`)"

    return _OUTSIDE.sub(told, markdown)
