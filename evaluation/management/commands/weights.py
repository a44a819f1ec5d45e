"""Command weights: lists installed and missing weights of networks, with their source."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from evaluation.extractors.base import MissingWeightsError
from evaluation.extractors.pretrained.loading import digest_network
from evaluation.extractors.weights import (
    DOWNLOADS,
    FOLDERS,
    PACKAGED,
    WrongWeightsError,
    describe_download,
    find_digest,
    find_weights,
    locate_weights,
)


class Command(BaseCommand):
    help = "List the weights of networks used by metrics: installed or missing, source, licence, and download command."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--verify", action="store_true", help="read the files and compare their digests")

    def handle(self, *args: Any, **options: Any) -> None:
        folder = Path(settings.WEIGHTS)
        n_wrong = sum(self.show_packaged(name, options["verify"]) for name in PACKAGED)
        n_wrong += sum(self.show_download(name, folder, options["verify"]) for name in DOWNLOADS)
        for kind in FOLDERS:
            n_wrong += self.show_kind(kind, folder, options["verify"])
        if n_wrong:
            raise CommandError(f"{n_wrong} of the installed weights are damaged or wrong. See above.")

    def show_packaged(self, name: str, verify: bool) -> bool:
        """Show packaged weights. Returns whether they are wrong."""
        weights = PACKAGED[name]
        details = [f"{sum(file.size for file in weights.files) / 1e6:.1f} MB, {weights.licence}, {weights.source}"]
        state = "installed"
        try:
            files = locate_weights(name)
            details += [str(file) for file in files]
            if verify:
                find_weights(name, Path(settings.WEIGHTS))
                state = "verified"
                details += [f"sha256 {find_digest(file)} {file.name}" for file in files]
        except MissingWeightsError as error:
            state = "WRONG" if isinstance(error, WrongWeightsError) else "missing"
            details.append(str(error))
        self.show(name, state, weights.title, weights.used_by, details)
        return state == "WRONG"

    def show_download(self, name: str, folder: Path, verify: bool) -> bool:
        """Show a pinned file of the folder for weights. Returns whether it is wrong."""
        weights = DOWNLOADS[name]
        details = [f"{weights.licence}, {weights.address}", f"sha256 {weights.sha256}"]
        state = "verified" if verify else "installed"
        try:
            details.append(str(find_weights(name, folder)))
        except MissingWeightsError as error:
            state = "WRONG" if isinstance(error, WrongWeightsError) else "missing"
            details.append(str(error))
        self.show(name, state, weights.title, weights.used_by, details)
        return state == "WRONG"

    def show_kind(self, kind: str, folder: Path, verify: bool) -> int:
        """Show the folders of one kind of weights. Returns the number that is wrong."""
        weights, names = FOLDERS[kind], sorted(_list_names(folder / kind))
        n_wrong = 0
        for name in names:
            details = [weights.licence, str(folder / kind / name)]
            state = "installed"
            try:
                found = find_weights(f"{kind}/{name}", folder)
                if verify:
                    details.append(f"sha256 {digest_network(found)}, to compare with its source")
            except (MissingWeightsError, ValueError) as error:
                state, n_wrong = "WRONG", n_wrong + 1
                details.append(str(error))
            self.show(f"{kind}/{name}", state, weights.title, weights.used_by, details)
        if not names:
            commands = [f"Run: {describe_download(kind, name, folder)}" for name in weights.repositories]
            self.show(f"{kind}/NAME", "missing", weights.title, weights.used_by, [weights.licence, *commands])
        return n_wrong

    def show(self, name: str, state: str, title: str, used_by: tuple[str, ...], details: list[str]) -> None:
        self.stdout.write(f"{name:<20} {state:<10} {title}; for {', '.join(used_by)}")
        for detail in details:
            self.stdout.write(f"{'':<31} {detail}")


def _list_names(folder: Path) -> Iterator[str]:
    if folder.is_dir():
        yield from (each.name for each in folder.iterdir() if each.is_dir() and not each.name.startswith("."))
