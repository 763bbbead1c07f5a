"""How a source is spoilt: bits, lengths, whole elements, whole files."""

import struct

#: Values that a program should not write and one day does.
TEXTS = (
    b"nan", b"-nan", b"inf", b"-inf", b"1e308", b"-1e308", b"1e-308", b"0", b"-1", b"-0", b"",
    b" ", b"\\\\\\", b"1\\2\\3\\4\\5\\6\\7", b"999999999999999999", b"0x10", b"1,5", b"1.5.2",
    b"Doe^John",
    b"\xff\xfe\xfd", "Müller".encode(), "\u5c71\u7530".encode("shift_jis"), b"\x1b$B;3ED\x1b(B",
    b"\x00" * 8, b"A" * 70_000, b"1" * 5_000, b"%s%n", b"../../x", b"2.25." + b"9" * 80,
)  # fmt: skip
CHARSETS = (b"ISO_IR 192", b"ISO 2022 IR 87", b"ISO_IR 9999", b"UTF-7", b"GB18030",
            b"\\ISO 2022 IR", b"hex", b"zlib")  # fmt: skip
SYNTAXES = (b"1.2.840.10008.1.2", b"1.2.840.10008.1.2.1", b"1.2.840.10008.1.2.2",
            b"1.2.840.10008.1.2.1.99", b"1.2.840.10008.1.2.5", b"1.2.840.10008.1.2.4.50",
            b"1.2.840.10008.1.2.4.57", b"1.2.840.10008.1.2.4.70", b"1.2.840.10008.1.2.4.80",
            b"1.2.840.10008.1.2.4.90", b"1.2.840.10008.1.2.4.201", b"1.2.3", b"")  # fmt: skip
VRS = (b"OB", b"OW", b"SQ", b"UN", b"DS", b"IS", b"US", b"SS", b"FD", b"FL", b"AT", b"PN", b"UT",
       b"LO", b"UI", b"XX", b"\x00\x00", b"ox")  # fmt: skip
LONG_VRS = (b"OB", b"OW", b"OF", b"OD", b"OL", b"SQ", b"UC", b"UR", b"UT", b"UN")
LENGTHS = (0, 1, 3, 7, 0x7FFF, 0xFFFE, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF)
NUMBERS = (0, 1, 2, 7, 8, 9, 13, 15, 16, 17, 32, 255, 256, 32767, 32768, 65535)
#: The elements that decide; half of all element mutations hit one of them.
WEIGHTY = {
    (0x0002, 0x0010), (0x0008, 0x0005), (0x0008, 0x0008), (0x0008, 0x0016), (0x0008, 0x0060),
    (0x0018, 0x0050), (0x0018, 0x1120), (0x0020, 0x000D), (0x0020, 0x000E), (0x0020, 0x0032),
    (0x0020, 0x0037), (0x0028, 0x0002), (0x0028, 0x0004), (0x0028, 0x0008), (0x0028, 0x0010),
    (0x0028, 0x0011), (0x0028, 0x0030), (0x0028, 0x0100), (0x0028, 0x0101), (0x0028, 0x0102),
    (0x0028, 0x0103), (0x0028, 0x0120), (0x0028, 0x1052), (0x0028, 0x1053), (0x0028, 0x1054),
    (0x7FE0, 0x0010),
}  # fmt: skip


def one_of(rng, choices):
    return choices[int(rng.integers(len(choices)))]


def place(rng, length):
    """A place in a file, more often near its beginning, where the header is."""
    if rng.random() < 0.6:
        length = min(length, 2500)
    return int(rng.integers(max(length, 1)))


# Bytes ----------------------------------------------------------------------------------------


def flip_bits(content, rng):
    spoilt = bytearray(content)
    for _ in range(int(rng.integers(1, 9))):
        spoilt[place(rng, len(spoilt))] ^= 1 << int(rng.integers(8))
    return bytes(spoilt)


def cut(content, rng):
    return content[: place(rng, len(content))]


def overwrite(content, rng):
    start, count = place(rng, len(content)), int(rng.integers(1, 200))
    filling = one_of(rng, (bytes(count), b"\xff" * count, rng.bytes(count)))
    return content[:start] + filling + content[start + count :]


def insert(content, rng):
    start = place(rng, len(content))
    return content[:start] + rng.bytes(int(rng.integers(1, 40))) + content[start:]


def delete(content, rng):
    start = place(rng, len(content))
    return content[:start] + content[start + int(rng.integers(1, 40)) :]


def repeat(content, rng):
    start, count = place(rng, len(content)), int(rng.integers(1, 400))
    return content[:start] + content[start : start + count] * 2 + content[start + count :]


def swap_parts(content, rng):
    first, second = sorted(place(rng, len(content)) for _ in range(2))
    count = min(int(rng.integers(1, 60)), second - first, len(content) - second)
    middle = content[first + count : second]
    return (content[:first] + content[second : second + count] + middle
            + content[first : first + count] + content[second + count :])  # fmt: skip


def set_number(content, rng):
    """A 32-bit number somewhere becomes an extreme one, in either byte order."""
    start = place(rng, len(content))
    number = struct.pack(one_of(rng, "<>") + "I", one_of(rng, LENGTHS))
    return content[:start] + number + content[start + 4 :]


BYTES = (flip_bits, cut, overwrite, insert, delete, repeat, swap_parts, set_number)


# Elements of plain (not nested) little-endian files ----------------------------------------------


def elements(content):
    """The elements of a file: (tag, VR or None, start, start of the value, end)."""
    found, at, implicit = [], 132, False
    while at + 8 <= len(content):
        group, element = struct.unpack_from("<HH", content, at)
        if group > 2 and implicit:
            vr, value, length = None, at + 8, struct.unpack_from("<I", content, at + 4)[0]
        elif content[at + 4 : at + 6] in LONG_VRS:
            vr, value = content[at + 4 : at + 6], at + 12
            length = struct.unpack_from("<I", content, at + 8)[0]
        else:
            vr, value = content[at + 4 : at + 6], at + 8
            length = struct.unpack_from("<H", content, at + 6)[0]
        end = len(content) if length == 0xFFFFFFFF else value + length
        if (group, element) == (2, 0x10):
            implicit = content[value:end].rstrip(b"\0") == b"1.2.840.10008.1.2"
        found.append(((group, element), vr, at, value, end))
        at = end
    return found


def pick(content, rng):
    found = elements(content)
    if rng.random() < 0.7:
        found = [e for e in found if e[0] in WEIGHTY] or found
    return one_of(rng, found)


def head(tag, vr, length):
    """An element's head, as long as its VR asks for."""
    if vr is None:
        return struct.pack("<HHI", *tag, length % 2**32)
    if vr in LONG_VRS:
        return struct.pack("<HH2sHI", *tag, vr, 0, length % 2**32)
    return struct.pack("<HH2sH", *tag, vr, length % 65536)


def with_value(content, element, value, vr=None):
    tag, old, start, _, end = element
    vr = vr or old
    value += b" " * (len(value) % 2)
    return content[:start] + head(tag, vr, len(value)) + value + content[end:]


def drop_element(content, rng):
    _, _, start, _, end = pick(content, rng)
    return content[:start] + content[end:]


def double_element(content, rng):
    _, _, start, _, end = pick(content, rng)
    return content[:end] + content[start:end] + content[end:]


def other_value(content, rng):
    element = pick(content, rng)
    tag, vr = element[0], element[1]
    if tag == (0x0008, 0x0005):
        return with_value(content, element, one_of(rng, CHARSETS))
    if tag == (0x0002, 0x0010):
        return with_value(content, element, one_of(rng, SYNTAXES))
    if vr in (b"US", b"SS") or (vr is None and tag[0] == 0x28 and tag[1] < 0x200):
        return with_value(content, element, struct.pack("<H", one_of(rng, NUMBERS)))
    count = int(rng.integers(1, 7))
    texts = [one_of(rng, TEXTS) for _ in range(count)]
    return with_value(content, element, b"\\".join(texts) if rng.random() < 0.4 else texts[0])


def other_number(content, rng):
    """A number in text changes a little, or changes its sign."""
    for _ in range(20):
        element = pick(content, rng)
        text = content[element[3] : element[4]]
        try:
            numbers = [float(v) for v in text.split(b"\\")]
        except ValueError:
            continue
        which = int(rng.integers(len(numbers)))
        numbers[which] = one_of(rng, (
            -numbers[which], numbers[which] + 0.01, numbers[which] * 1.1, numbers[which] + 1,
            numbers[which] * 1e6, 0.0,
        ))  # fmt: skip
        return with_value(content, element, b"\\".join(f"{n:.9g}".encode() for n in numbers))
    return content


def other_vr(content, rng):
    element = pick(content, rng)
    if element[1] is None:
        return drop_element(content, rng)
    return with_value(content, element, content[element[3] : element[4]], one_of(rng, VRS))


def other_length(content, rng):
    tag, vr, start, value, _ = pick(content, rng)
    return content[:start] + head(tag, vr, one_of(rng, LENGTHS)) + content[value:]


def swap_values(content, rng):
    """Two elements exchange their values."""
    first, second = sorted((pick(content, rng), pick(content, rng)), key=lambda e: e[2])
    if first == second:
        return content
    values = [content[e[3] : e[4]] for e in (first, second)]
    return with_value(with_value(content, second, values[0]), first, values[1])


def nest(content, rng):
    """A sequence within a sequence within a sequence."""
    depth = one_of(rng, (3, 50, 2000))
    opening = struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF)
    opening += struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    closing = struct.pack("<HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
    closed = depth if rng.random() < 0.5 else 0
    _, _, start, _, _ = pick(content, rng)
    return content[:start] + opening * depth + closing * closed + content[start:]


ELEMENTS = (drop_element, double_element, other_value, other_value, other_value, other_number,
            other_number, other_vr, other_length, swap_values, nest)  # fmt: skip
PLAIN = ("explicit", "implicit", "JPEG-LS", "turned", "RLE", "JPEG 2000")


# Files ------------------------------------------------------------------------------------------


def mutate(files, base, rng):
    """Spoil a base's files: the files as they are then, and what was done."""
    names = list(files)
    kinds = (*ELEMENTS, *BYTES) if base in PLAIN else BYTES
    if len(names) > 1 and base in PLAIN and rng.random() < 0.1:
        return of_files(files, rng)
    change = one_of(rng, kinds)
    # Most damage hits one file; what a program does wrong it does in all, and all alike.
    hit = names if rng.random() < 0.25 else [one_of(rng, names)]
    state = rng.bit_generator.state
    for name in hit:
        rng.bit_generator.state = state
        files[name] = change(files[name], rng)
    return files, f"{change.__name__} of {len(hit)}"


def of_files(files, rng):
    """Whole files vanish, come twice, change places or come with nothing in them."""
    names = list(files)
    first, second = (names[int(i)] for i in rng.choice(len(names), 2, replace=False))
    kind = one_of(rng, ("vanish", "twice", "halves", "empty", "strange", "meta"))
    if kind == "vanish":
        del files[first]
    elif kind == "twice":
        files[f"{first} again"] = flip_bits(files[first], rng)
    elif kind == "halves":
        middle = len(files[first]) // 2
        files[first] = files[first][:middle] + files[second][middle:]
    elif kind == "empty":
        files[first] = b""
    elif kind == "strange":
        files["strange"] = bytes(128) + b"DICM" + rng.bytes(int(rng.integers(2000)))
    else:  # the meta information of one, the rest of another
        _, _, start, _, _ = next(e for e in elements(files[first]) if e[0][0] > 2)
        _, _, other, _, _ = next(e for e in elements(files[second]) if e[0][0] > 2)
        files[first] = files[second][:other] + files[first][start:]
    return files, f"file: {kind}"
