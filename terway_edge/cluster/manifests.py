"""A directory of Kubernetes manifests as the cluster: for labs, single boxes and sites without an API server.

Write files by renaming a finished one into place where you can; a file written in place is read when its writer
closes it. ConfigMap volumes, which swap a symbolic link, work too.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from threading import Lock, Thread, current_thread

from terway_edge.cluster.annotation_files import AnnotationFiles
from terway_edge.cluster.event_log import EventLog
from terway_edge.cluster.files import ManifestFiles, is_manifest
from terway_edge.cluster.inotify import DirectoryWatch
from terway_edge.cluster.status_files import StatusFiles
from terway_edge.core.errors import Refused
from terway_edge.core.ports import Annotation, Event, Snapshot, StatusEntry

CONFIG_MAP_LINK = "..data"
"""The link in a ConfigMap or Secret volume that the kubelet swaps to change all files at once."""

log = logging.getLogger(__name__)


class ManifestDirectory:
    """A `ClusterSource`. See `files.ManifestFiles` for what a broken file does."""

    def __init__(self, path: Path, events_path: Path | None = None) -> None:
        """:param events_path: the file that events go to; `events.jsonl` in the directory if None."""
        self.path = path
        self._files = ManifestFiles(path)
        self._lock = Lock()  # guards _files and _loaded
        self._loaded: Snapshot | None = None
        self._events = EventLog(events_path or path / "events.jsonl")
        self._statuses = StatusFiles(path / "status")
        self._annotations = AnnotationFiles(path / "status")

    def load(self) -> Snapshot:
        """The objects now. Raises Refused if the directory cannot be listed."""
        with self._lock:
            self._files.rescan()
            if self._files.trouble:
                raise Refused(
                    f"manifest directory {self.path}: {self._files.trouble};"
                    " create it with a manifest for each Node, or set cluster.manifests to where they are"
                )
            self._loaded = self._files.snapshot()
            return self._loaded

    def watch(self, changed: Callable[[Snapshot], None]) -> ManifestWatch:
        """Call `changed` with each snapshot that differs from the one before, the first of which is that of load().

        Raises Refused if the machine has no inotify instance left.
        """
        with self._lock:
            last = self._loaded
        return ManifestWatch(self.path, self._look, last, changed)

    def emit(self, event: Event) -> None:
        """Append to the event log; never raises."""
        self._events.write(event)

    def write_status(self, entry: StatusEntry) -> None:
        """Write the entry to a file in directory `status`; never raises."""
        self._statuses.write(entry)

    def write_annotation(self, annotation: Annotation) -> None:
        """Write a Node's to a file in directory `status`, a Pod's nowhere; never raises."""
        self._annotations.write(annotation)

    def _look(self, names: set[str], everything: bool) -> Snapshot:
        """The snapshot after reading these files and, if `everything`, all others that changed."""
        with self._lock:
            self._files.reread(names)
            if everything:
                self._files.rescan()
            return self._files.snapshot()


class ManifestWatch:
    """A thread that waits for changes of the directory until closed."""

    def __init__(
        self,
        path: Path,
        look: Callable[[set[str], bool], Snapshot],
        last: Snapshot | None,
        changed: Callable[[Snapshot], None],
    ) -> None:
        """:param look: reads these files again (and, if True, all that changed) and gives the whole.
        :param last: what the listener knows already.
        """
        self._look, self._changed = look, changed
        self._directory = DirectoryWatch(path, is_manifest, CONFIG_MAP_LINK)
        now = look(set(), True)  # after the watch began: nothing slips between load() and the first event
        self._closed = False
        self._thread = Thread(target=self._run, args=(last, now), name="manifests", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread; `changed` is not called after this returns, unless it is `changed` that calls this."""
        if self._closed:
            return
        self._closed = True
        self._directory.interrupt()
        if self._thread is not current_thread():
            self._thread.join()

    def _run(self, last: Snapshot | None, snapshot: Snapshot) -> None:
        while True:
            if snapshot != last:
                last = snapshot
                self._tell(snapshot)
            changes = self._directory.wait()
            if changes is None:
                break
            snapshot = self._look(changes.names, changes.everything)
        self._directory.close()

    def _tell(self, snapshot: Snapshot) -> None:
        try:
            self._changed(snapshot)
        except Exception:  # a listener that fails once must hear of the next change
            log.exception("the listener failed on a new cluster snapshot")
