"""What a batch is to make, out of folders and lists; and when it is the same as before."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.batch.find_items import find_batch_items
from pipelines.batch.item import with_cache_key
from pipelines.imitate.options import RenderOptions
from pipelines.motion.options import BaseEstimationOptions
from pipelines.output_path import UsageError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("clips/a.mp4", "clips/a.mov", "clips/deep/b.webm", "clips/notes.txt", "clips/.hidden.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    for name in ("anna.jpg", "people/bob.png", "people/carl.jpg", "people/old/bob.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def found(given, *sources, drawing=RenderOptions(), looking=BaseEstimationOptions()):
    return find_batch_items(Path(given), [Path(source) for source in sources], Path("out"), drawing, looking)


def test_each_video_of_a_folder_has_a_place_of_its_own_in_the_other(folder):
    items = found("clips", "anna.jpg")
    assert [item.id for item in items] == ["a.mov.mp4", "a.mp4.mp4", "deep/b.mp4"]
    assert [item.clip for item in items] == [folder / "clips" / name for name in ("a.mov", "a.mp4", "deep/b.webm")]
    assert {item.photos for item in items} == {(folder / "anna.jpg",)}
    assert items[2].out == folder / "out" / "deep" / "b.mp4"


def test_everybody_does_everything(folder):
    items = found("clips", "anna.jpg", "people")
    assert [item.id for item in items[:4]] == [f"{who}/a.mov.mp4" for who in ("anna", "bob.png", "carl", "bob.jpg")]
    assert len(items) == len({item.out for item in items}) == 12


def test_results_in_the_folder_itself_are_not_taken_for_videos(folder):
    done = folder / "clips" / "done"
    done.mkdir()
    (done / "a.mp4").touch()
    assert len(find_batch_items(Path("clips"), [Path("anna.jpg")], done, RenderOptions(), BaseEstimationOptions())) == 3


def test_what_is_transparent_is_a_mov(folder):
    assert found("clips", "anna.jpg", drawing=RenderOptions(background="alpha"))[0].out.suffix == ".mov"


def test_a_list_says_who_does_what_and_how(folder):
    lines = ["source,driving,output,background,person,preview", "anna.jpg,clips/a.mp4,one.mp4,#00FF00,left,true"]
    lines += ["people/bob.png;people/carl.jpg,clips/a.mov,,,2,", ",clips/a.mp4,sub/two.mp4,,,"]
    Path("list.csv").write_text("\n".join(lines) + "\n")
    one, both, two = found("list.csv", "people/carl.jpg", looking=BaseEstimationOptions(quality="fast"))
    assert (one.id, one.drawing.background, one.drawing.preview) == ("one.mp4", "#00FF00", True)
    assert (one.looking.person, one.looking.quality) == ("left", "fast")
    assert (both.id, both.photos) == ("a.mp4", (folder / "people/bob.png", folder / "people/carl.jpg"))
    assert both.looking.person == 2
    assert (two.id, two.photos) == ("sub/two.mp4", (folder / "people/carl.jpg",))

    row = {"source": ["anna.jpg", "people/carl.jpg"], "driving": "clips/a.mp4", "background": "alpha"}
    Path("list.jsonl").write_text(json.dumps(row) + "\n\n")
    [item] = found("list.jsonl")
    assert (item.id, len(item.photos)) == ("a.mov", 2)


def test_a_line_may_be_a_novel_view(folder):
    lines = ["task,source,driving,output,turns,azimuth,background", "novel-view,anna.jpg,,,2,,"]
    lines += ["novel-view,people/bob.png,,sheet.jpg,,0 -90 180,", "imitate,anna.jpg,clips/a.mp4,,,,#00FF00"]
    lines += ["novel-view,anna.jpg,,turn.mov,,,alpha"]
    Path("list.csv").write_text("\n".join(lines) + "\n")
    turn, sheet, clip, clear = found("list.csv", drawing=RenderOptions(background="#102030", frame="photo"))
    assert (turn.id, turn.task, turn.clip, turn.drawing.turns) == ("anna.mp4", "novel-view", None, 2.0)
    assert (turn.drawing.background, turn.drawing.frame) == ("#102030", "photo")
    assert (sheet.id, sheet.drawing.azimuth) == ("sheet.jpg", (0.0, -90.0, 180.0))
    assert (clip.task, clip.id, clear.suffixes) == ("imitate", "a.mp4", (".mov", ".webm"))
    keys = {with_cache_key(item, str, folder).key for item in (turn, sheet, clip, clear)}
    assert len(keys) == 4
    row = {"task": "novel-view", "source": "anna.jpg", "azimuth": [0, 45]}
    Path("list.jsonl").write_text(json.dumps(row))
    [item] = found("list.jsonl", looking=BaseEstimationOptions(size=320))
    assert (item.id, item.drawing.azimuth, item.drawing.size) == ("anna.png", (0.0, 45.0), 320)


def test_a_line_may_dress_someone(folder):
    lines = ["task,source,driving,output,clothes,parts,background", "dress,anna.jpg,,,people/bob.png,,"]
    lines += ["dress,anna.jpg,,two.jpg,people/bob.png,upper shoes,", "imitate,anna.jpg,clips/a.mp4,,,,"]
    lines += ["dress,anna.jpg,,three.png,upper=people/bob.png;lower=people/carl.jpg,,alpha"]
    Path("list.csv").write_text("\n".join(lines) + "\n")
    one, two, clip, three = found("list.csv", looking=BaseEstimationOptions(size=320))
    assert (one.id, one.task, one.clip, one.drawing.size) == ("anna.png", "dress", None, 320)
    assert set(one.wear.photos.values()) == {folder / "people/bob.png"}
    assert set(two.wear.photos) == {"upper", "shoes"}
    assert three.wear.photos == {"upper": folder / "people/bob.png", "lower": folder / "people/carl.jpg"}
    assert (three.suffixes, clip.wear.clothes) == ((".png",), ())
    assert len({with_cache_key(item, str, folder).key for item in (one, two, clip, three)}) == 4
    changed = with_cache_key(one, lambda path: "new" if path.name == "bob.png" else str(path), folder)
    assert changed.key != with_cache_key(one, str, folder).key


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("list.csv", "task,source\ndance,anna.jpg\n", "no task 'dance'; choose from imitate, novel-view, dress"),
        ("list.csv", "task,source\ndress,anna.jpg\n", "line 1 of .* name it in the column clothes"),
        ("list.csv", "task,source,driving,clothes\ndress,anna.jpg,clips/a.mp4,a.jpg\n", "dress has no driving video"),
        ("list.csv", "task,source,clothes,parts\ndress,anna.jpg,a.jpg,hat\n", "hat"),
        ("list.csv", "task,source,clothes,turns\ndress,anna.jpg,a.jpg,2\n", "no option 'turns'"),
        ("list.csv", "task,source,clothes,output\ndress,anna.jpg,a.jpg,a.mp4\n", "must be a .png"),
        ("list.csv", "task,source,clothes,output\ndress,anna.jpg,out/b.png,b.png\n", "is also an input"),
        ("list.csv", "task,source,driving\nnovel-view,anna.jpg,clips/a.mp4\n", "novel-view has no driving video"),
        ("list.csv", "task,source,camera\nnovel-view,anna.jpg,source\n", "no option 'camera'"),
        ("list.csv", "task,source,azimuth\nnovel-view,anna.jpg,0 700\n", "700 is not an azimuth"),
        ("list.csv", "task,source,azimuth,output\nnovel-view,anna.jpg,0 90,a.mp4\n", "must be a .png"),
        ("list.csv", "source,driving\nanna.jpg,\n", "line 1 of .* no driving"),
        ("list.csv", "driving\nclips/a.mp4\n", "line 1 of .* no source"),
        ("list.csv", "source,driving,output\nanna.jpg,clips/a.mp4,../a.mp4\n", "not below"),
        ("list.csv", "source,driving,colour\nanna.jpg,clips/a.mp4,red\n", "no option 'colour'"),
        ("list.csv", "source,driving,camera\nanna.jpg,clips/a.mp4,wild\n", "wild"),
        ("list.csv", "source,driving\nanna.jpg,clips/a.mp4\nanna.jpg,clips/a.mp4\n", "two videos"),
        ("list.csv", "source,driving,output\nanna.jpg,clips/a.mp4,../out/a.mp4\n", "not below"),
        ("list.jsonl", "{", "cannot be read as JSONL"),
        ("list.jsonl", "[1, 2]", "line 1 of .* does not match the columns"),
        ("list.csv", "source,driving\nanna.jpg,clips/a.mp4,more\n", "line 1 of .* does not match the columns"),
        ("list.jsonl", '{"source": [1], "driving": "clips/a.mp4"}', "must be file names"),
        ("list.jsonl", '{"source": "anna.jpg", "driving": 3}', "must be file names"),
        ("list.jsonl", '{"source": "anna.jpg", "driving": "a\\u0000b.mp4"}', "NUL character"),
        ("list.csv", "source,driving,output\nanna.jpg,clips/a.mp4,a.gif\n", "name it so, such as a.mp4"),
        ("list.csv", "source,driving,output,background\nanna.jpg,clips/a.mp4,a.mp4,alpha\n", "such as a.mov"),
        ("list.csv", "source,driving,output\nanna.jpg,clips/a.mp4,.batch/a.mp4\n", "not below"),
        (
            "list.csv",
            "source,driving,output\nanna.jpg,clips/a.mp4,b.mp4\nanna.jpg,clips/a.mp4,b.mp4/c.mp4\n",
            "would lie in",
        ),
        ("list.jsonl", "", "is empty"),
        ("list.txt", "", "neither a folder"),
    ],
)
def test_a_list_that_is_wrong_is_refused_with_its_line(folder, name, text, sentence):
    Path(name).write_text(text)
    with pytest.raises(UsageError, match=sentence):
        found(name)


def test_options_of_a_line_are_never_options_of_something_else(folder):
    for wish in ("--help", "x" * 300):
        row = {"source": "anna.jpg", "driving": "clips/a.mp4", "background": wish}
        Path("list.jsonl").write_text(json.dumps(row))
        assert found("list.jsonl")[0].drawing.background == wish  # which is refused as a background
    with pytest.raises(UsageError, match="one --source at most"):
        found("list.jsonl", "people")


def test_hidden_files_and_the_folder_of_results_are_no_videos(folder):
    hidden = folder / "clips" / ".out.mp4.segments"
    hidden.mkdir()
    (hidden / "00000.mp4").touch()
    (folder / "clips" / "out").mkdir()
    (folder / "clips" / "out" / "a.mp4").touch()
    items = find_batch_items(
        Path("clips/../clips"), [Path("anna.jpg")], Path("clips/deep/../out"), RenderOptions(), BaseEstimationOptions()
    )
    assert len(items) == 3
    with pytest.raises(UsageError, match="another folder for the results"):
        find_batch_items(
            Path("clips"), [Path("anna.jpg")], Path("clips/deep/.."), RenderOptions(), BaseEstimationOptions()
        )


def test_a_name_that_is_no_text_is_one_all_the_same(folder):
    os.rename(b"clips/a.mov", b"clips/\xff\xfe.mov")
    [_, one, _] = sorted(found("clips", "anna.jpg"), key=lambda item: item.clip.name == "b.webm")
    assert one.id.encode() == "\ufffd\ufffd.mp4".encode()
    assert one.clip.exists()


def test_a_folder_without_videos_or_photos_is_refused(folder):
    with pytest.raises(UsageError, match="no videos in"):
        found("people", "anna.jpg")
    with pytest.raises(UsageError, match="no photos in"):
        found("clips", "clips/deep")
    with pytest.raises(UsageError, match=r"no photo .*absent"):
        found("clips", "absent.jpg")
    with pytest.raises(UsageError, match="--source"):
        found("clips")
    with pytest.raises(UsageError, match="there is no"):
        found("absent", "anna.jpg")


def test_a_result_never_takes_the_place_of_an_input(folder):
    Path("list.csv").write_text("source,driving,output\nanna.jpg,clips/a.mp4,a.mp4\n")
    with pytest.raises(UsageError, match="also an input"):
        find_batch_items(Path("list.csv"), [], folder / "clips", RenderOptions(), BaseEstimationOptions())


def test_a_key_changes_with_whatever_the_result_depends_on(folder):
    [_, item, _] = found("clips", "anna.jpg")
    contents = {path: path.name for path in folder.rglob("*")}

    def key(item, **changed):
        return with_cache_key(item, (contents | changed).__getitem__, folder / "motions").key

    same = key(item)
    assert key(replace(item, out=folder / "elsewhere.mp4")) == same
    assert key(replace(item, photos=(folder / "people/carl.jpg",))) != same
    assert key(replace(item, clip=folder / "clips/a.mov")) != same
    assert key(replace(item, drawing=RenderOptions(camera="copy"))) != same
    assert key(replace(item, looking=BaseEstimationOptions(quality="best"))) != same
    assert key(replace(item, out=folder / "a.mov")) != same
    wall = folder / "wall.png"
    wall.touch()
    before = replace(item, drawing=RenderOptions(background=str(wall)))
    contents[wall] = "one"
    first = key(before)
    contents[wall] = "two"
    assert key(before) != first


def test_a_motion_is_shared_by_all_who_do_the_same(folder):
    items = [with_cache_key(item, str, folder) for item in found("clips", "people")]
    motions = {item.clip: {other.motion for other in items if other.clip == item.clip} for item in items}
    assert [len(some) for some in motions.values()] == [1, 1, 1]
    assert len(set.union(*motions.values())) == 3
    for wish in (
        RenderOptions(background="driving"),
        RenderOptions(preview=True),
    ):  # which take more, or less, of a clip
        assert with_cache_key(found("clips", "anna.jpg", drawing=wish)[0], str, folder).motion is None
