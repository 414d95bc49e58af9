"""`down`: remove the containers and networks of the stack, and its data folders if asked."""

from __future__ import annotations

from pathlib import Path

from aresmon.engine.docker import Engine
from aresmon.site import bundle
from aresmon.site.project import Project
from aresmon.stack import upgrade_journal
from aresmon.stack.plan import check_name, project_of
from aresmon.system import files
from aresmon.system.progress import Progress


def down(project: Project, engine: Engine, progress: Progress, *, volumes: bool = False) -> list[Path]:
    """Remove the containers and networks; with `volumes` the data folders as well, which are returned.

    Only folders that were empty when they became this site's are deleted: `storage.data` may name any folder.
    """
    site, config = project.site, project.config
    with site.lock("down"):
        check_name(project, engine.containers(config.site))
        for name in sorted({config.site, project_of(bundle.read_site(site))} - {""}):
            with progress.stage(f"stopping {name}"):
                engine.remove_project(name)
        gone = deletable_folders(project) if volumes else []
        for folder in gone:
            with progress.stage(f"removing {folder}"):
                files.remove_tree(folder)
        if gone:
            upgrade_journal.forget_deleted(site, project.data_folders())
        site.record(command="down", removed=[str(folder) for folder in gone])
        return gone


def deletable_folders(project: Project) -> list[Path]:
    """The data folders that were empty when they became this site's, so that everything in them is its own."""
    filled = project.site.filled_folders()
    return [folder for folder in project.data_folders().values() if folder.exists() and folder in filled]
