"""A small hub on this machine: the endpoints that huggingface_hub documents, in memory.

Repositories have branches of commits of whole files. Uploads are "regular", as the hub takes small
text files; those of large files (LFS, Xet) are another protocol.
"""

import base64
import contextlib
import hashlib
import http.server
import json
import re
import threading
import urllib.parse

SHOWN = ("summary", "header", "file", "deletedFile")


class Hub:
    """`repositories`: name -> branch -> list of commits; a commit is (id, files)."""

    def __init__(self):
        self.repositories, self.requests, self.private = {}, [], set()
        self.address = None

    def commit_of(self, name, revision):
        branches = self.repositories[name]
        commits = branches.get(revision)
        if commits:
            return commits[-1]
        every = [c for commits in branches.values() for c in commits]
        return next((c for c in every if c[0] == revision), None)

    def add(self, name, branch, files):
        text = json.dumps([name, branch, sorted((n, str(b)) for n, b in files.items())])
        oid = hashlib.sha1(text.encode() + str(len(self.requests)).encode()).hexdigest()
        self.repositories[name].setdefault(branch, []).append((oid, files))
        return oid


def handler(hub):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def answer(self, body=b"", status=200, **headers):
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def missing(self, code):
            self.answer({"error": code}, 404, X_Error_Code=code, X_Error_Message=code)

        def handle_any(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
            hub.requests.append((self.command, path))
            for pattern, method in ROUTES:
                if found := re.fullmatch(pattern, path):
                    name = found.groupdict().get("name")
                    known = name in hub.repositories
                    hidden = name in hub.private and "Authorization" not in self.headers
                    if name and (not known or hidden):
                        return self.missing("RepoNotFound")
                    return getattr(self, method)(body, **found.groupdict())
            return self.answer({"error": f"no route for {path}"}, 500)

        do_GET = do_HEAD = do_POST = handle_any

        def create(self, body):
            given = json.loads(body)
            name = "/".join(filter(None, [given.get("organization"), given["name"]]))
            if name in hub.repositories:
                return self.answer({"error": "exists", "url": f"{hub.address}/{name}"}, 409)
            hub.repositories[name] = {}
            hub.add(name, "main", {".gitattributes": b""})
            if given.get("private") or given.get("visibility") == "private":
                hub.private.add(name)
            return self.answer({"url": f"{hub.address}/{name}"})

        def branch(self, body, name, branch):
            branches = hub.repositories[name]
            if branch in branches:
                return self.answer({"error": "exists"}, 409)
            branches[branch] = [branches["main"][-1]]
            return self.answer({})

        def info(self, body, name, revision="main"):
            commit = hub.commit_of(name, revision)
            if commit is None:
                return self.missing("RevisionNotFound")
            siblings = [{"rfilename": n, "size": len(b)} for n, b in commit[1].items()]
            private = name in hub.private
            return self.answer(
                {"_id": "1", "id": name, "modelId": name, "sha": commit[0], "private": private}
                | {"siblings": siblings, "tags": [], "downloads": 0, "likes": 0}
            )

        def preupload(self, body, name, revision):
            files = [f["path"] for f in json.loads(body)["files"]]
            made = [{"path": p, "uploadMode": "regular", "shouldIgnore": False} for p in files]
            return self.answer({"files": made})

        def commit(self, body, name, revision):
            lines = [json.loads(line) for line in body.splitlines() if line]
            files = dict(hub.commit_of(name, revision)[1])
            for line in lines:
                assert line["key"] in SHOWN, line["key"]
                value = line["value"]
                if line["key"] == "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                if line["key"] == "deletedFile":
                    del files[value["path"]]
            oid = hub.add(name, revision, files)
            url = f"{hub.address}/{name}/commit/{oid}"
            return self.answer({"success": True, "commitOid": oid, "commitUrl": url})

        def yaml(self, body):
            return self.answer({"errors": [], "warnings": []})

        def resolve(self, body, name, revision, file):
            commit = hub.commit_of(name, revision)
            if commit is None:
                return self.missing("RevisionNotFound")
            if file not in commit[1]:
                return self.missing("EntryNotFound")
            data = commit[1][file]
            etag = f'"{hashlib.sha256(data).hexdigest()}"'
            return self.answer(data, ETag=etag, X_Repo_Commit=commit[0])

    name = r"(?P<name>[\w.-]+/[\w.-]+)"
    ROUTES = (
        ("/api/repos/create", "create"),
        ("/api/validate-yaml", "yaml"),
        (rf"/api/models/{name}", "info"),
        (rf"/api/models/{name}/revision/(?P<revision>.+)", "info"),
        (rf"/api/models/{name}/branch/(?P<branch>.+)", "branch"),
        (rf"/api/models/{name}/preupload/(?P<revision>.+)", "preupload"),
        (rf"/api/models/{name}/commit/(?P<revision>.+)", "commit"),
        (rf"/{name}/resolve/(?P<revision>[^/]+)/(?P<file>.+)", "resolve"),
    )
    return Handler


@contextlib.contextmanager
def running():
    """A `Hub` that answers at its `address`."""
    hub = Hub()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler(hub))
    hub.address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
