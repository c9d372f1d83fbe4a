"""`floe migrate`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("path", type=click.Path(path_type=Path), default=".")
@click.option("--write", is_flag=True, help="Write the documents; each is kept as FILE.bak.")
def migrate(path: Path, write: bool) -> None:
    """Write floe.yaml and platform.yaml of the folder PATH in the canonical form.

    Reads the flat form, and the form of FloeSpec with manifest.yaml. The documents are printed; what of them has no
    home in floe, and why, is told on standard error. Comments are not taken over. A document that is canonical already
    stays as it is. Needs no bus and starts nothing.
    """
    from floe_cli import migration

    migrated = migration.migrate_folder(path)
    for document in migrated:
        for note in document.notes:
            click.echo(f"note {note}", err=True)
        if not document.changed:
            click.echo(f"{document.source} is canonical already", err=True)
    changed = [document for document in migrated if document.changed]
    if changed:
        click.echo("comments are not taken over", err=True)
    if write:
        migration.write(migrated)
        for document in changed:
            click.echo(f"wrote {document.target}; as it was, it is {document.backup}")
    else:
        for document in migrated:
            click.echo(f"# {document.target}\n---\n{document.text}", nl=False)
