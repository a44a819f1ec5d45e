"""Imports of images by a manifest: all lines or none, and no image twice."""

import csv
import hashlib
import io
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db.models import QuerySet
from PIL import Image

from arena.battles.opening import open_battle, prepare_images
from arena.models import Stage
from generators.images import originals
from generators.imports.manifests import ImageImportError, read_manifest
from generators.imports.write import plan_import, write_import
from generators.models import Generation, ImageModel, Prompt, PromptSet
from tests import builders
from tests.generators.imports.manifest_files import count_rows, entry, import_file, make_folder, refuse, write

pytestmark = pytest.mark.django_db


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path)


@pytest.fixture
def midjourney() -> ImageModel:
    return builders.make_model(slug="midjourney-7", family="midjourney", revision="7", adapter="")


# Imported rows


def test_csv_becomes_finished_generations(folder: Path, midjourney: ImageModel) -> None:
    told = {"parameters": '{"stylize": 250}', "created_at": "2024-05-01T12:00:00", "source": "https://a.example/1"}
    digest = hashlib.sha256((folder / "a.png").read_bytes()).hexdigest()
    out = import_file(write(folder, entry("a.png", sha256=digest.upper(), seed="3", **told)))
    row = Generation.objects.get()
    assert (row.model, row.prompt.text, str(row.prompt.prompt_set)) == (midjourney, "A cat", "elsewhere 1")
    assert (row.status, row.seed, row.media_type, row.width, row.height) == ("ok", 3, "image/png", 40, 30)
    assert originals.read(row.original) == (folder / "a.png").read_bytes()
    assert row.reported == {
        "parameters": {"stylize": 250},
        "created_at": "2024-05-01T12:00:00+00:00",
        "source": "https://a.example/1",
        "file": "a.png",
    }
    assert (row.imported_from, row.attempts, row.seconds) == ("images.csv", 0, None)
    assert row.finished_at is not None
    assert "made_with" in row.provenance
    assert "1 images and 0 refusals imported for the prompt set elsewhere 1" in out


def test_json_lines_and_all_four_formats(folder: Path, midjourney: ImageModel) -> None:
    files = {"a.png": "png", "b.jpg": "jpeg", "c.webp": "webp", "d.avif": "avif"}
    parameters = {"parameters": {"ar": [16, 9], "chaos": 0.5}, "seed": None}
    import_file(write(folder, *(entry(file, **parameters) for file in files), name="images.jsonl"))
    rows = Generation.objects.order_by("seed")
    assert [(row.seed, row.media_type) for row in rows] == [
        (seed, f"image/{kind}") for seed, kind in enumerate(files.values())
    ]
    assert rows[0].reported == {"parameters": {"ar": [16, 9], "chaos": 0.5}, "file": "a.png"}


def test_json_number_keeps_its_digits(folder: Path) -> None:
    line = '{"model": "imagen", "version": 4.10, "prompt": "A cat", "file": "a.png", "seed": 7}'
    (folder / "images.jsonl").write_text(line)
    import_file(folder / "images.jsonl", "--make-models")
    row = Generation.objects.get()
    assert (row.model.revision, row.seed) == ("4.10", 7)


def test_file_as_excel_saves_it(folder: Path, midjourney: ImageModel) -> None:
    text = '\ufeffprompt,model,file,cost\r\n"A ""cat"",\r\nasleep",midjourney-7,a.png,0.1\r\n,,,\r\n'
    (folder / "images.csv").write_bytes(text.encode())
    assert "Unused columns: cost\n" in import_file(folder / "images.csv")
    assert Prompt.objects.get().text == 'A "cat",\r\nasleep'


def test_refusal_is_a_generation_without_an_image(folder: Path, midjourney: ImageModel) -> None:
    refused = entry("", refused="Yes", refusal_stage="prompt", source="the web app")
    out = import_file(write(folder, refused, entry("a.png")))
    row = Generation.objects.get(status="refused")
    assert (row.reason, row.stage, row.original, row.reported) == ("refused", "prompt", "", {"source": "the web app"})
    assert (row.seed, Generation.objects.get(status="ok").seed) == (0, 1)
    assert "1 images and 1 refusals imported" in out


def test_lines_without_a_seed_leave_the_given_seeds_free(folder: Path, midjourney: ImageModel) -> None:
    prompt = builders.make_prompt_set(1).prompts.get()
    taken = {"model": midjourney, "prompt": prompt, "width": 8, "height": 8, "due_at": "2024-01-01T00:00Z"}
    Generation.objects.create(seed=0, **taken)
    lines = [entry(file, prompt=prompt.text) for file in ("a.png", "b.jpg", "c.webp")]
    out = import_file(write(folder, lines[0], lines[1], lines[2] | {"seed": 1}), "--prompt-set", str(prompt.prompt_set))
    seeds = {row.reported["file"]: row.seed for row in Generation.objects.ready()}
    assert seeds == {"a.png": 2, "b.jpg": 3, "c.webp": 1}
    assert "seeds    up to 3" in out


def test_model_is_found_by_slug_or_by_family_and_version(folder: Path, midjourney: ImageModel) -> None:
    lines = [
        entry("a.png", version=""),
        entry("b.jpg", version="7"),
        entry("c.webp", model="midjourney", version="7"),
    ]
    import_file(write(folder, *lines))
    assert Generation.objects.filter(model=midjourney).count() == 3


def test_unknown_models_are_created_on_request(folder: Path) -> None:
    lines = [
        entry("a.png", model="Imagen", version="4.0"),
        entry("b.jpg", model="dall-e-3"),
        entry("c.webp", model="dall-e-3"),
    ]
    out = import_file(write(folder, *lines), "--make-models")
    fields = ("slug", "name", "family", "revision", "adapter", "lifecycle")
    assert list(ImageModel.objects.values_list(*fields)) == [
        ("dall-e-3", "dall-e-3", "dall-e-3", "1", "", "live"),
        ("imagen-4-0", "Imagen 4.0", "Imagen", "4.0", "", "live"),
    ]
    assert "imagen-4-0 (new), dall-e-3 (new)" in out
    again = import_file(write(folder, *lines), "--make-models")
    assert "skipped  3 lines, which are already imported" in again
    assert ImageModel.objects.count() == 2


@pytest.mark.parametrize(
    ("name", "slug"), [("Midjourney", "midjourney"), ("FLUX.1 [dev]", "flux-1-dev"), ("混元", "model-3a7294dc")]
)
def test_created_model_is_found_by_its_name_on_every_line(folder: Path, name: str, slug: str) -> None:
    lines = [entry("a.png", model=name), entry("b.jpg", model=name), entry("c.webp", model=name, prompt="A dog")]
    assert f"{slug} (new)" in import_file(write(folder, *lines), "--make-models")
    import_file(write(folder, entry("d.avif", model=name)), "--prompt-set", "elsewhere 1", "--keep-valid")
    assert Generation.objects.filter(model__slug=slug, model__name=name).count() == 4


def test_models_of_votes_and_of_manifests_are_the_same(folder: Path) -> None:
    votes = folder / "votes.csv"
    votes.write_text("model_a,model_b,winner\nMidjourney 6.1,Imagen 4.0,tie\n")
    call_command("import_votes", str(votes), "--board", "one", stdout=io.StringIO())
    manifest = write(folder, entry("a.png", model="Midjourney", version="6.1"), entry("b.jpg", model="Imagen 4.0"))
    assert "midjourney-6-1, imagen-4-0" in import_file(manifest)
    call_command("import_votes", str(votes), "--board", "two", stdout=io.StringIO())
    assert list(ImageModel.objects.values_list("slug", flat=True)) == ["imagen-4-0", "midjourney-6-1"]


def test_two_new_names_with_one_slug_are_a_fault(folder: Path) -> None:
    message = refuse(write(folder, entry(model="GPT Image"), entry("b.jpg", model="gpt-image")), "--make-models")
    assert "line 3: 'gpt-image' and 'GPT Image' are both the model gpt-image; if that is right, write one" in message


def test_unknown_model_is_a_fault_that_names_the_nearest(folder: Path, midjourney: ImageModel) -> None:
    message = refuse(write(folder, entry(model="Midjourney 7"), entry("b.jpg", model="midjourney")))
    assert (
        f"line 2: the model 'Midjourney 7' is unknown; did you mean midjourney-7, named {midjourney.name!r}" in message
    )
    assert "line 3: the model 'midjourney' is unknown; the models of that family are midjourney-7" in message
    assert "--make-models creates it" in message


def test_existing_prompts_are_found_by_key_or_text(folder: Path, midjourney: ImageModel) -> None:
    prompt_set = builders.make_prompt_set(3)
    by_text = entry("a.png", prompt=prompt_set.prompts.get(key="p0").text, prompt_key="")
    by_key = entry("b.jpg", prompt="", prompt_key="p1")
    by_both = entry("c.webp", prompt=prompt_set.prompts.get(key="p2").text, prompt_key="p2")
    import_file(write(folder, by_text, by_key, by_both), "--prompt-set", str(prompt_set))
    assert [row.prompt.key for row in Generation.objects.order_by("prompt__key")] == ["p0", "p1", "p2"]
    assert PromptSet.objects.count() == 1


def test_new_prompt_set_has_the_keys_of_the_manifest(folder: Path, midjourney: ImageModel) -> None:
    import_file(write(folder, entry("a.png", prompt_key="cat"), entry("b.jpg"), entry("c.webp", prompt="A dog")))
    keys = dict(Prompt.objects.values_list("text", "key"))
    assert keys == {"A cat": "cat", "A dog": hashlib.sha256(b"A dog").hexdigest()[:16]}


def test_files_in_folders_and_links_within_the_folder_are_read(folder: Path, midjourney: ImageModel) -> None:
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "a.png").rename(folder / "deep" / "er" / "a.png")
    (folder / "b.png").symlink_to(folder / "deep" / "er" / "a.png")
    import_file(write(folder, entry("./deep/er/a.png"), entry("b.png", prompt="A dog")))
    assert Generation.objects.ready().count() == 2


def test_imported_images_are_used_in_battles(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [entry("a.png"), entry("b.jpg", model="imagen-4"), entry("", model="imagen-4", prompt="A dog", refused=1)]
    import_file(write(folder, *lines, entry("c.webp", prompt="A dog")), "--make-models")
    board = builders.make_board(n_models=0, n_prompts=0)
    board.image_models.set(ImageModel.objects.all())
    board.prompt_sets.set(PromptSet.objects.all())
    monkeypatch.setattr("arena.battles.opening.request_generations", pytest.fail)
    battle = open_battle(board, uuid.uuid4())
    assert battle.prompt.text == "A cat"
    assert {battle.model_a.slug, battle.model_b.slug} == {"midjourney-7", "imagen-4"}
    assert battle.stage_for(battle.owner) == Stage.READY
    assert prepare_images(battle)


# Repeated imports


def test_second_import_changes_nothing(folder: Path, midjourney: ImageModel) -> None:
    refused = entry("", prompt="A dog", refused="1")
    lines = [entry("a.png", seed=5), entry("b.jpg"), refused, refused, refused | {"seed": 9}]
    out = import_file(write(folder, *lines))
    assert "2 images and 2 refusals" in out
    assert "skipped  1 lines, which are already imported" in out
    before = list(Generation.objects.order_by("pk").values())
    out = import_file(folder / "images.csv")
    assert "0 images and 0 refusals" in out
    assert "skipped  5 lines, which are already imported" in out
    assert list(Generation.objects.order_by("pk").values()) == before


def test_same_image_of_the_same_model_and_prompt_is_imported_once(folder: Path, midjourney: ImageModel) -> None:
    (folder / "copy.png").write_bytes((folder / "a.png").read_bytes())
    out = import_file(write(folder, entry("a.png"), entry("copy.png", seed=8), entry("b.jpg")))
    assert "skipped  1 lines, which are already imported" in out
    assert [row.seed for row in Generation.objects.order_by("seed")] == [0, 1]


def test_same_image_under_another_model_or_prompt_is_reported(folder: Path, midjourney: ImageModel) -> None:
    builders.make_model(slug="imagen-4")
    lines = [entry("a.png"), entry("b.jpg"), entry("a.png", prompt="A dog")]
    out = import_file(write(folder, *lines))
    assert "Warning: 2 images also belong to another model or prompt:\n  line 2: a.png\n  line 4: a.png" in out
    assert Generation.objects.ready().count() == 3
    out = import_file(write(folder, entry("b.jpg", model="imagen-4"), name="more.csv"), "--prompt-set", "elsewhere 1")
    assert "Warning: 1 images also belong to another model or prompt:\n  line 2: b.jpg" in out


def test_other_prompts_under_the_name_of_an_existing_set_are_refused(folder: Path, midjourney: ImageModel) -> None:
    import_file(write(folder, entry()))
    message = refuse(write(folder, entry(), entry("b.jpg", prompt="A dog")))
    assert "Prompt set elsewhere 1 exists with other prompts" in message
    assert "--prompt-set" in message


# Faults


def test_seed_of_another_outcome_is_a_fault(folder: Path, midjourney: ImageModel) -> None:
    message = refuse(write(folder, entry("a.png", seed=4), entry("b.jpg", seed=4)))
    assert "line 3: the seed 4 of this model and prompt is taken by line 2" in message
    import_file(write(folder, entry("a.png", seed=4)))
    there = Generation.objects.get()
    message = refuse(write(folder, entry("b.jpg", seed=4)))
    assert f"taken by generation {there.pk}: ok" in message
    message = refuse(write(folder, entry("", seed=4, refused="yes")))
    assert "the seed 4 of this model and prompt is taken by generation" in message


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (entry(prompt="A dog"), "has no prompt 'A dog'"),
        (entry(prompt="", prompt_key="p9"), "has no prompt_key 'p9'"),
        (entry(prompt="A dog", prompt_key="p0"), "is '1 red circles above a blue square', not 'A dog'"),
        (entry(prompt="twice"), "as one, two; give its prompt_key"),
    ],
)
def test_prompt_that_is_not_in_the_set_is_a_fault(
    folder: Path, midjourney: ImageModel, line: dict[str, Any], reason: str
) -> None:
    prompt_set = builders.make_prompt_set(1)
    for key in ("one", "two"):
        Prompt.objects.create(prompt_set=prompt_set, key=key, text="twice")
    assert reason in refuse(write(folder, line), "--prompt-set", str(prompt_set))


@pytest.mark.parametrize(
    "other", [entry("b.jpg", prompt_key="kitten"), entry("b.jpg", prompt="A dog", prompt_key="cat")]
)
def test_one_text_has_one_key(folder: Path, midjourney: ImageModel, other: dict[str, Any]) -> None:
    message = refuse(write(folder, entry(prompt_key="cat"), other))
    assert "line 3: " in message
    assert "an earlier line has 'A cat' as cat" in message


def test_models_that_cannot_be_created_are_faults(folder: Path) -> None:
    builders.make_model(slug="imagen-4-0", name="Imagen 4", family="imagen", revision="4")
    builders.make_model(slug="emu-base", family="emu", revision="1")
    lines = [
        entry(model="imagen", version="4.0"),
        entry(model="emu"),
        entry(model="***"),
        entry(model="x" * 201),
    ]
    message = refuse(write(folder, *lines), "--make-models")
    assert (
        "line 2: the model 'imagen' of version '4.0' would get the slug imagen-4-0, which is that of 'Imagen 4'; write"
        " imagen-4-0 if it is that model" in message
    )
    assert "line 3: the model 'emu' cannot be created: revision 1 of that family is the model emu-base" in message
    assert "line 4: the model '***' cannot be created: it has no letter and no digit" in message
    assert "a name has at most 200 characters, not 201" in message
    assert "one_image_model" not in message


def test_only_the_first_ten_faults_are_listed(folder: Path, midjourney: ImageModel) -> None:
    message = refuse(write(folder, entry(), *(entry(f"{n}.png") for n in range(12))))
    assert "12 lines are invalid" in message
    assert "line 12: " in message
    assert "line 13: " not in message
    assert message.endswith("... and 2 more\nWith --keep-valid the other lines are imported.")


def test_keep_valid_imports_the_valid_lines(folder: Path, midjourney: ImageModel) -> None:
    file = write(folder, entry("b.jpg"), entry("z.png", prompt="A dog, asleep"), entry("c.webp", seed="x"))
    out = import_file(file, "--keep-valid")
    assert [row.reported["file"] for row in Generation.objects.ready()] == ["b.jpg"]
    assert "2 lines are invalid:\n  line 3: there is no file" in out
    with (folder / "images.csv.rejected.csv").open(newline="") as stream:
        rejected = list(csv.reader(stream))
    assert rejected == [
        ["line", "reason", "content"],
        ["3", "there is no file 'z.png' beside the manifest", '"A dog, asleep",midjourney-7,z.png,'],
        [
            "4",
            "seed is 'x'; wanted a whole number from 0 to 9223372036854775807",
            "A cat,midjourney-7,c.webp,x",
        ],
    ]
    assert "The manifest has no valid line." in refuse(write(folder, entry("z.png"), name="bad.csv"), "--keep-valid")


def test_missing_image_can_be_imported_later(folder: Path, midjourney: ImageModel) -> None:
    """The new prompt set also has the prompts of lines whose image is missing."""
    file = write(folder, entry("a.png"), entry("late.png", prompt="A dog"))
    import_file(file, "--keep-valid")
    Image.new("RGB", (8, 8), "pink").save(folder / "late.png")
    assert "1 images and 0 refusals" in import_file(file)
    assert Generation.objects.get(prompt__text="A dog").status == "ok"


def test_dry_run_changes_nothing(folder: Path, settings: Any) -> None:
    file = write(folder, entry("a.png"), entry("z.png"))
    before = count_rows()
    out = import_file(file, "--make-models", "--keep-valid", "--dry-run")
    assert "1 images and 0 refusals imported" in out
    assert "nothing was written" in out
    assert count_rows() == before
    assert not Path(settings.MEDIA_ROOT).exists()
    assert not (folder / "images.csv.rejected.csv").exists()


def test_interrupted_import_leaves_no_row(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = QuerySet.bulk_create

    def die_after(rows: Any, objs: Any, **options: Any) -> Any:
        made = whole(rows, objs, **options)
        if rows.model is Generation:
            assert Generation.objects.count() == 2
            raise KeyboardInterrupt
        return made

    monkeypatch.setattr(QuerySet, "bulk_create", die_after)
    file = write(folder, entry("a.png"), entry("b.jpg"))
    before = count_rows()
    with pytest.raises(KeyboardInterrupt):
        import_file(file, "--make-models")
    assert count_rows() == before
    monkeypatch.undo()
    assert "2 images" in import_file(file, "--make-models")


def test_row_of_a_concurrent_import_is_not_overwritten(folder: Path, midjourney: ImageModel) -> None:
    prompt_set = builders.make_prompt_set(1)
    file = write(folder, entry("a.png", prompt="", prompt_key="p0"))
    plan = plan_import(read_manifest(file), str(prompt_set))
    import_file(write(folder, entry("b.jpg", prompt="", prompt_key="p0")), "--prompt-set", str(prompt_set))
    with pytest.raises(ImageImportError, match="Another process wrote the same rows at the same time"):
        write_import(plan)
    assert Generation.objects.get().reported["file"] == "b.jpg"


def test_full_store_stops_the_import(folder: Path, midjourney: ImageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(image: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("generators.imports.write.store_image", fail)
    assert "No space left on device" in refuse(write(folder, entry()), "--keep-valid")


def test_unknown_and_invalid_prompt_sets_are_errors(folder: Path, midjourney: ImageModel) -> None:
    prompt_set = builders.make_prompt_set(1)
    message = refuse(write(folder, entry()), "--prompt-set", "nothing 1")
    assert f"There is no prompt set 'nothing 1'; known are {prompt_set}." in message
    assert 'wanted "SLUG VERSION"' in refuse(write(folder, entry()), "--new-prompt-set", "elsewhere")
    message = refuse(write(folder, entry()), "--new-prompt-set", "elsewhere 1\u202e")
    assert "The prompt set cannot be declared: " in message
