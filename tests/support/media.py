"""Awkward videos, made on the spot: every frame shows its own number and which way is up."""

import struct
from fractions import Fraction
from functools import partial

import av
import numpy as np
from av.stream import Disposition

RATE = 30
BEEP = 1.0  # seconds of silence before the sound
COLOURS = {"red": (220, 40, 40), "green": (40, 200, 40), "blue": (40, 40, 220), "white": (230, 230, 230)}
UPRIGHT = tuple(COLOURS)  # top left, top right, bottom left, bottom right
BITS = 8
FAST = {
    "libx264": {"preset": "ultrafast", "g": "15"},
    "libx265": {"preset": "ultrafast", "x265-params": "log-level=error"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"},
}


def picture(number, size=(96, 128)):
    """[H, W, 3]: a colour in each corner, and the number in dark and light fields across the middle."""
    height, width = size
    image = np.full((height, width, 3), 128, np.uint8)
    top, left = slice(height // 4), slice(width // 4)
    bottom, right = slice(-(height // 4), None), slice(-(width // 4), None)
    for colour, where in zip(
        COLOURS.values(), ((top, left), (top, right), (bottom, left), (bottom, right)), strict=True
    ):
        image[where] = colour
    for bit in range(BITS):
        field = slice(width * bit // BITS, width * (bit + 1) // BITS)
        image[height * 3 // 8 : height * 5 // 8, field] = 230 if number >> bit & 1 else 25
    return image


def number(image):
    """The number that an [H, W, 3] picture shows, however it was scaled and compressed."""
    height, width = image.shape[:2]
    fields = [image[height // 2 - 1 : height // 2 + 1, int(width * (b + 0.5) / BITS)] for b in range(BITS)]
    return sum(1 << b for b, field in enumerate(fields) if field.mean() > 128)


def corners(image):
    """What colour is where, in the order of UPRIGHT."""
    height, width = image.shape[:2]
    at = [image[int(height * y), int(width * x)].astype(int) for y in (0.1, 0.9) for x in (0.1, 0.9)]
    return tuple(min(COLOURS, key=lambda name: np.abs(colour - COLOURS[name]).sum()) for colour in at)


def turned(turns, number, size):
    """A picture as a camera on its side stores it, so that it stands upright after so many quarter turns left."""
    return np.ascontiguousarray(np.rot90(picture(number, size[::-1] if turns % 2 else size), -turns))


def woven(number, size):
    """A bar that moves between the two halves of an interlaced picture."""
    image = np.full((*size, 3), 40, np.uint8)
    for half in (0, 1):
        left = 4 * (2 * number % 32 + half)
        image[half::2, left : left + 24] = 220
    return image


def film(
    path,
    count=60,
    size=(96, 128),
    codec="libx264",
    pixels="yuv420p",
    sound=None,
    seconds=None,  # of sound
    container=None,
    options=None,
    muxer=None,
    turn=0,
    aspect=None,
    at=lambda i: i / RATE,
    begin=0.0,
    rate=RATE,
    colours=None,  # primaries, transfer, matrix
    image=picture,
    tick=Fraction(1, 90000),
):
    """A video of `count` frames, frame i at second `begin + at(i)`."""
    with av.open(str(path), "w", format=container, options=muxer or {}) as out:
        track = out.add_stream(codec, rate=rate, options=FAST.get(codec, {}) | (options or {}))
        track.height, track.width, track.pix_fmt = *size, pixels
        track.codec_context.time_base = tick
        if aspect:
            track.codec_context.sample_aspect_ratio = aspect
        if turn:
            track.set_display_rotation(turn)
        if colours:
            context = track.codec_context
            context.color_primaries, context.color_trc, context.colorspace = colours
        voice = add_voice(out, sound) if sound else None
        out.start_encoding()
        if voice:
            say(out, voice, seconds or count / rate, begin)
        matrix = {1: "ITU709", 9: "BT2020"}.get(colours[2]) if colours else None
        for i in range(count):
            stored = av.VideoFrame.from_ndarray(image(i, size), format="rgb24")
            frame = stored.reformat(format=pixels, dst_colorspace=matrix)
            frame.pts, frame.time_base = round((begin + at(i)) / tick), tick
            out.mux(track.encode(frame))
        out.mux(track.encode(None))
    return path


def add_voice(out, codec):
    experimental = {"strict": "-2"} if codec in ("vorbis", "opus") else {}
    return out.add_stream(codec, rate=48000, layout="stereo", options=experimental)


def say(out, voice, seconds, begin):
    """Silence, then 1 kHz from BEEP on."""
    t = np.arange(int(seconds * 48000)) / 48000
    tone = np.where(t < BEEP, 0, 0.8 * np.sin(2 * np.pi * 1000 * t)).astype(np.float32)
    done = 0
    resampler = av.AudioResampler(voice.format.name, "stereo", 48000)
    for start in range(0, len(tone), 960):
        piece = np.ascontiguousarray(np.stack([tone[start : start + 960]] * 2))
        frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout="stereo")
        frame.sample_rate = 48000
        for ready in resampler.resample(frame):
            ready.pts, ready.time_base = round(begin * 48000) + done, Fraction(1, 48000)
            done += ready.samples
            out.mux(voice.encode(ready))
    out.mux(voice.encode(None))


def repacked(path, source, times, container=None):
    """The coded pictures of `source`, each one a whole, over and over, shown at `times`."""
    with av.open(str(source)) as file:
        stored = [bytes(p) for p in file.demux(video=0) if p.size]
        with av.open(str(path), "w", format=container, options={"avoid_negative_ts": "disabled"}) as out:
            track = out.add_stream_from_template(file.streams.video[0])
            for i, time in enumerate(times):
                packet = av.Packet(stored[i % len(stored)])
                packet.stream, packet.time_base = track, Fraction(1, 1000)
                packet.pts, packet.dts = round(time * 1000), i - 10**8  # so that the writer does not mind the order
                packet.is_keyframe = True
                out.mux(packet)
    return path


def covered(path, codec):
    """Sound with a cover picture."""
    with av.open(str(path), "w", format="mp3" if path.suffix == ".mp3" else "mp4") as out:
        voice = add_voice(out, codec)
        cover = out.add_stream("png", rate=1)
        cover.height, cover.width, cover.pix_fmt = 64, 64, "rgb24"
        cover.disposition = Disposition.attached_pic
        out.start_encoding()
        frame = av.VideoFrame.from_ndarray(picture(0, (64, 64)), format="rgb24")
        frame.pts = 0
        out.mux(cover.encode(frame))
        out.mux(cover.encode(None))
        say(out, voice, 1.5, 0)
    return path


def with_display_matrix(path, matrix):
    """An MP4 whose players map a stored pixel (x, y) to (a x + c y, b x + d y), for a matrix a b c d."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 44
    a, b, c, d = (65536 * value for value in matrix)
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


def voice_only(path, codec):
    with av.open(str(path), "w") as out:
        voice = add_voice(out, codec)
        say(out, voice, 1.5, 0)
    return path


def cut(path, source, share):
    data = source.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def scattered(path, source, count, after=0.0, until=1.0, seed=1):
    """`source` with random bytes at `count` places between two shares of its length."""
    data = bytearray(source.read_bytes())
    random = np.random.default_rng(seed)
    for place in random.integers(int(after * len(data)), int(until * len(data)), count):
        data[place] = random.integers(256)
    path.write_bytes(data)
    return path


def watched(path):
    """Every picture by a plain loop of PyAV, with its time on the file's own clock."""
    with av.open(str(path)) as file:
        return [(float(f.pts * f.time_base), f.to_ndarray(format="rgb24")) for f in file.decode(video=0)]


def heard(path):
    """[N] loudness of each sample and [N] seconds on the file's own clock, by a plain loop of PyAV."""
    levels, times = [], []
    with av.open(str(path)) as file:
        resampler = av.AudioResampler("fltp", "mono", 48000)
        for frame in file.decode(audio=0):
            for ready in resampler.resample(frame):
                level = np.abs(ready.to_ndarray()[0])
                levels.append(level)
                times.append(frame.time + np.arange(len(level)) / 48000)
    return np.concatenate(levels), np.concatenate(times)


def beep(path):
    """When the sound sets in."""
    levels, times = heard(path)
    return float(times[int(np.argmax(levels > 0.3))])


BARE = {"tick": Fraction(1, RATE)}  # for codecs and formats that count frames
FILMS = {  # what should simply work; all but the last few: 60 frames of 128x96 at 30 a second
    "plain.mp4": {"sound": "aac"},
    "plain.mkv": {"sound": "aac"},
    "plain.ts": {"sound": "aac", "begin": 1.47},
    "plain.flv": {"codec": "flv", "tick": Fraction(1, 1000)},
    "plain.nut": {},
    "fragmented.mp4": {"muxer": {"movflags": "frag_keyframe+empty_moov+default_base_moof"}, "options": {"bf": "0"}},
    "index_first.mp4": {"muxer": {"movflags": "faststart"}, "sound": "aac"},
    "late_start.mkv": {"begin": 3600, "sound": "aac"},
    "late_start.mp4": {"begin": 5, "sound": "aac"},
    "b_frames.mp4": {"options": {"preset": "veryfast", "bf": "3"}, "sound": "aac"},
    "varying_rate.mp4": {"at": lambda i: i / 30 + (i // 7) / 11},
    "turned_90.mp4": {"turn": 90, "image": partial(turned, 1), "size": (128, 96)},
    "turned_180.mp4": {"turn": 180, "image": partial(turned, 2)},
    "turned_270.mp4": {"turn": -90, "image": partial(turned, 3), "size": (128, 96)},
    "wide_pixels.mp4": {"aspect": Fraction(4, 3), "size": (96, 96)},
    "ten_bit.mp4": {"pixels": "yuv420p10le"},
    "full_colour.mp4": {"pixels": "yuv444p"},
    "full_range.avi": {"codec": "mjpeg", "pixels": "yuvj420p", **BARE},
    "raw.avi": {"codec": "rawvideo", "pixels": "bgr24", **BARE},
    "old.avi": {"codec": "mpeg4", "options": {"bf": "2"}, **BARE},
    "old.mpg": {"codec": "mpeg2video", **BARE},
    "old.wmv": {"codec": "wmv2", "container": "asf", **BARE},
    "animation.gif": {"codec": "gif", "pixels": "rgb8", "tick": Fraction(1, 100)},
    "clear.webm": {"codec": "libvpx-vp9", "pixels": "yuva420p", "options": {"auto-alt-ref": "0"}},
    "clear.mov": {"codec": "qtrle", "pixels": "argb"},
    "clear_too.mov": {"codec": "prores_ks", "pixels": "yuva444p10le", "options": {"profile": "4"}},
    "studio.mxf": {"codec": "mpeg2video", **BARE},
    "no_suffix": {"container": "mp4"},
    "a:b.mp4": {},
    "-x.mp4": {},
    "wéird %03d näme '\"; $(x).mp4": {},
}
SOUNDS = {  # file: (how it is made, what its sound is in an MP4 for browsers)
    "aac.mp4": ({"sound": "aac"}, "aac"),
    "aac.ts": ({"sound": "aac", "begin": 1.47}, "aac"),
    "aac_late.mkv": ({"sound": "aac", "begin": 3600}, "aac"),
    "mp3.mp4": ({"sound": "libmp3lame"}, "mp3"),
    "opus.mkv": ({"sound": "libopus"}, "opus"),
    "pcm.mov": ({"sound": "pcm_s16le"}, "aac"),
    "vorbis.mkv": ({"sound": "vorbis"}, "aac"),
    "ac3.mkv": ({"sound": "ac3"}, "aac"),
    "flac_late.mkv": ({"sound": "flac", "begin": 3600}, "aac"),
}
