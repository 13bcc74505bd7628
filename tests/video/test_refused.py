"""What is no whole video is refused in one sentence, or read as far as it goes and its fault named."""

import os
import socket
import subprocess
import sys
from contextlib import closing
from fractions import Fraction
from threading import Thread

import av
import numpy as np
import pytest

from motion_imitate.video import Damaged, Limits, NoFrames, NotAVideo, NoVideoStream, TooLarge, VideoError, probe, read
from tests.support.media import RATE, covered, cut, film, number, picture, repacked, scattered, voice_only


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("films")


@pytest.fixture(scope="module")
def whole(folder):
    """By container; their index is at the end, at the start, spread or not there."""
    fragments = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    return {
        "plain": film(folder / "plain.mp4", sound="aac"),
        "index_first": film(folder / "index_first.mp4", sound="aac", muxer={"movflags": "faststart"}),
        "fragmented": film(folder / "fragmented.mp4", sound="aac", muxer=fragments),
        "matroska": film(folder / "matroska.mkv", sound="aac"),
        "transport": film(folder / "transport.ts", sound="aac"),
    }


def watch(path, limits=Limits()):
    """The numbers of the pictures that come, and the warnings."""
    warnings = []
    numbers = [
        number(image)
        for run in read(path, warn=warnings.append, limits=limits)
        for image in run.data.permute(0, 2, 3, 1).numpy()
    ]
    return numbers, warnings


def refused(path, error, word, limits=Limits()):
    """By `read` and `probe` alike, in one sentence that names the file and says what to do."""
    for ask in (lambda: probe(path, limits), lambda: list(read(path, limits=limits))):
        with pytest.raises(error, match=word) as caught:
            ask()
        assert len(caught.value.args) == 1
        sentence = str(caught.value)
        assert str(path) in sentence
        assert "; " in sentence
        assert "\n" not in sentence


def png(path):
    with av.open(str(path), "w", format="image2") as out:
        track = out.add_stream("png", rate=1)
        track.height, track.width, track.pix_fmt = 64, 64, "rgb24"
        out.mux(track.encode(av.VideoFrame.from_ndarray(picture(0, (64, 64)), format="rgb24")))


CONTENTS = {
    "empty.mp4": b"",
    "text.mp4": b"this is not a video\n" * 200,
    "page.mp4": b"<html><body>404 not found</body></html>",
    "noise.mp4": np.random.default_rng(1).bytes(200_000),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_other_contents(folder, name):
    path = folder / name
    path.write_bytes(CONTENTS[name])
    refused(path, NotAVideo, "empty" if name == "empty.mp4" else "not a video")


def test_a_picture_by_a_video_name(folder):
    path = folder / "picture.mp4"
    png(path)
    refused(path, NotAVideo, "is an image; give a video")


@pytest.mark.parametrize(("name", "codec"), [("song.mp3", "libmp3lame"), ("song.m4a", "aac")])
def test_sound_alone_and_with_a_cover(folder, name, codec):
    """A cover is a stream of pictures to the container."""
    refused(voice_only(folder / name, codec), (NoVideoStream, NotAVideo), "a video")
    refused(covered(folder / f"covered_{name}", codec), (NoVideoStream, NotAVideo), "a video")


def test_an_unknown_codec(folder, whole):
    path = folder / "unknown.mkv"
    path.write_bytes(whole["matroska"].read_bytes().replace(b"V_MPEG4/ISO/AVC", b"V_MPEG4/ISO/XYZ"))
    refused(path, NoVideoStream, "no video stream that can be decoded")


def test_a_header_without_pictures(folder):
    path = repacked(folder / "header.mkv", film(folder / "source.mkv", codec="ffv1", pixels="bgr0"), [])
    refused(path, (NoFrames, NoVideoStream, NotAVideo), "a video")


def test_places_that_are_not_files(folder):
    pipe, loop, dangling = folder / "pipe.mp4", folder / "loop.mp4", folder / "dangling.mp4"
    os.mkfifo(pipe)
    loop.symlink_to(loop)
    dangling.symlink_to(folder / "nowhere")
    refused(pipe, NotAVideo, "regular file")  # opening it would wait for ever
    refused(folder, NotAVideo, "regular file")
    refused(loop, NotAVideo, "cannot be opened")
    refused(dangling, NotAVideo, "No such file")
    refused(folder / "nowhere.mp4", NotAVideo, "No such file")


def test_a_file_one_may_not_read(folder, whole):
    path = folder / "private.mp4"
    path.write_bytes(whole["plain"].read_bytes())
    path.chmod(0)
    user = os.geteuid()
    os.seteuid(user or 65534)  # root may read everything
    try:
        refused(path, NotAVideo, r"may not be read|Permission denied")
    finally:
        os.seteuid(user)


LISTS = {
    "concat": "ffconcat version 1.0\nfile 'plain.mp4'\n",
    "concat_url": "ffconcat version 1.0\nfile '{url}/x.mp4'\n",
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{url}/secret.ts\n#EXT-X-ENDLIST\n",
    "hls_file": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
    "dash": '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
    'mediaPresentationDuration="PT5S" profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"><Period><AdaptationSet '
    'mimeType="video/mp4"><Representation id="1" bandwidth="1000"><BaseURL>{url}/d.mp4</BaseURL></Representation>'
    "</AdaptationSet></Period></MPD>",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
}


@pytest.fixture(scope="module")
def listener():
    """A host on this machine that counts who comes: its address, and the list of those that did."""
    came = []
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def count():
            while True:
                try:
                    visitor, address = server.accept()
                except OSError:
                    return
                came.append(address)
                visitor.close()

        Thread(target=count, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", came
        server.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("suffix", ["mp4", "m3u8", "mpd", "ffconcat"])
@pytest.mark.parametrize("name", LISTS)
def test_lists_open_nothing_else(folder, whole, listener, name, suffix):
    url, came = listener
    path = folder / f"{name}.{suffix}"
    path.write_text(LISTS[name].format(url=url))
    refused(path, NotAVideo, "not a video")
    assert not came


def test_the_listener_would_have_noticed(listener):
    url, came = listener
    with pytest.raises((av.FFmpegError, OSError)):
        av.open(f"{url}/x.mp4", timeout=5)
    assert came
    came.clear()


def test_huge_frames_are_refused_before_decoding(folder):
    """8192 x 8192 pixels: their decoder alone takes half a gigabyte."""
    path = folder / "huge.mp4"
    with av.open(str(path), "w") as out:
        track = out.add_stream("libx264", rate=1, options={"preset": "ultrafast"})
        track.height, track.width, track.pix_fmt = 8192, 8192, "yuv420p"
        out.mux(track.encode(av.VideoFrame(8192, 8192, "yuv420p")))
        out.mux(track.encode(None))
    refused(path, TooLarge, "8192x8192")
    code = (
        "import resource, sys; from pathlib import Path; from motion_imitate.video import TooLarge, read\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: next(read(Path(sys.argv[1])))\n"
        "except TooLarge: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    told = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True).stdout
    assert int(told) < 50_000  # KiB; one decoded frame alone has 98,000


def test_frames_that_grow_inside_the_video_are_not_decoded(folder):
    small, large = film(folder / "small.ts"), film(folder / "large.ts", size=(480, 640), count=30)
    path = folder / "growing.ts"
    path.write_bytes(small.read_bytes() + large.read_bytes())
    with pytest.raises((TooLarge, Damaged)):
        watch(path, Limits(pixels=100_000))


def test_a_gif_that_lies_about_its_size(folder):
    path = film(folder / "bomb.gif", codec="gif", pixels="rgb8", count=3)
    data = bytearray(path.read_bytes())
    data[6:10] = (16000).to_bytes(2, "little") * 2
    path.write_bytes(data)
    refused(path, TooLarge, "16000x16000")


def test_long_videos_are_refused_before_decoding(folder):
    still = film(folder / "still.mkv", codec="mjpeg", pixels="yuvj420p", count=2)
    path = repacked(folder / "long.mkv", still, [0, 3600, 6 * 3600])
    refused(path, TooLarge, "lasts 216")


@pytest.mark.parametrize("name", ["index_first", "fragmented", "matroska"])
def test_what_is_there_of_a_cut_off_video_is_shown(folder, whole, name):
    path = cut(folder / f"cut_{whole[name].name}", whole[name], 0.6)
    numbers, warnings = watch(path)
    assert 10 < len(numbers) < 50
    assert numbers[:-2] == list(range(len(numbers) - 2))
    assert any("cut off" in warning for warning in warnings)
    with pytest.raises(Damaged, match=r"damaged|cut off"):
        watch(path, Limits(strict=True))


@pytest.mark.parametrize("name", ["plain", "index_first", "fragmented", "matroska", "transport"])
def test_whole_videos_are_not_called_cut_off(whole, name):
    assert watch(whole[name], Limits(strict=True)) == (list(range(60)), [])


def test_a_video_cut_off_before_its_index(folder, whole):
    refused(cut(folder / "cut_plain.mp4", whole["plain"], 0.6), NotAVideo, "cut off")


def test_damaged_data_is_shown_as_far_as_it_goes(folder, whole):
    path = scattered(folder / "data.mp4", whole["index_first"], 20, after=0.5)
    numbers, warnings = watch(path, Limits(damage=0.5))
    assert len(numbers) > 30
    assert numbers[:15] == list(range(15))
    assert any("damaged" in warning for warning in warnings)
    with pytest.raises(Damaged, match=r"damaged|cut off"):
        watch(path, Limits(damage=0.5, strict=True))


def test_too_much_damage_is_an_error(folder, whole):
    with pytest.raises(Damaged, match="too damaged"):
        watch(scattered(folder / "ruin.mp4", whole["index_first"], 2000, after=0.3), Limits(damage=0.02))


def outcome(path, limits):
    """ "plays", "told of" where it does with a warning, or the kind of the error."""
    try:
        numbers, warnings = watch(path, limits)
    except VideoError as error:
        return type(error).__name__
    return "told of" if warnings or not numbers else "plays"


def test_a_damaged_index_is_told_of_or_survived(folder, whole):
    """Some of these open with no streams at all, some with streams of no size, some play."""
    source = whole["index_first"]
    paths = [
        scattered(folder / f"index_{seed}.mp4", source, 12, after=0.002, until=0.12, seed=seed) for seed in range(40)
    ]
    outcomes = {outcome(path, Limits()) for path in paths}
    assert len(outcomes) > 2


def test_streams_that_change_inside_a_damaged_file(folder, whole):
    other = film(
        folder / "other.ts", codec="mpeg2video", sound="mp2", size=(144, 192), tick=Fraction(1, RATE), count=30
    )
    joined = folder / "joined.ts"
    joined.write_bytes(whole["transport"].read_bytes() + other.read_bytes())
    paths = [scattered(folder / f"joined_{seed}.ts", joined, 40, seed=seed) for seed in range(10)]
    outcomes = [outcome(path, Limits(damage=0.9)) for path in paths]
    assert outcomes.count("told of") > 5
