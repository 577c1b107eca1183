"""Keeps every log and snapshot of every server by a link of its own: who gets a leader's snapshot may drop what it had before,
and the proof of a run needs every record from the first one on."""

import os
import threading

EVERY_SECONDS = 0.2
KEPT = ("log.", "snapshot.")


class Archive:
    """Works while the block lasts; `folders` are data directories for the proof."""

    def __init__(self, ensemble):
        self.ensemble, self.folder = ensemble, ensemble.folder / "archive"
        self.kept, self.folders, self.over, self.lock = set(), [], threading.Event(), threading.Lock()
        self.thread = threading.Thread(target=self._work, daemon=True)

    def _work(self):
        while not self.over.wait(EVERY_SECONDS):
            self.sweep()

    def sweep(self):
        with self.lock:
            for member in self.ensemble.members:
                self._sweep(member)

    def _sweep(self, member):
        for entry in _entries(member.data / "version-2"):
            try:
                mark = (member.number, entry.inode())
                if entry.name.startswith(KEPT) and mark not in self.kept:
                    self._keep(member, entry)
                    self.kept.add(mark)
            except FileNotFoundError:
                pass  # It was a file for a moment only.

    def _keep(self, member, entry):
        """A name may be taken by an earlier file, which was dropped since: then it goes into a folder beside."""
        copy = 0
        while True:
            folder = self.folder / f"{member.number}-{copy}"
            target = folder / "version-2" / entry.name
            if not target.exists():
                break
            copy += 1
        if folder not in self.folders:
            target.parent.mkdir(parents=True)
            self.folders.append(folder)
        os.link(entry.path, target)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def _entries(folder):
    try:
        return sorted(os.scandir(folder), key=lambda entry: entry.name)
    except FileNotFoundError:
        return []
