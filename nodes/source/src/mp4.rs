//! What symphonia 0.6 does not say of an MP4 file: which part of a track is the recording, and whether the file is whole.
//!
//! Encoders of AAC begin with samples that only warm the decoder up (1,024 to 2,112 of them: 130 ms at 16 kHz) and end
//! with others that fill the last packet. The file says so in its edit list (ISO/IEC 14496-12, 8.6.6), which symphonia
//! does not apply, so its samples would come late.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

/// The part of a track that is the recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Edit {
    /// Where it begins in the track, in units of `1 / media_timescale` seconds.
    pub(crate) media_time: u64,
    /// Units a second of `media_time`.
    pub(crate) media_timescale: u32,
    /// How long it is, in units of `1 / movie_timescale` seconds; 0 for all that follows.
    pub(crate) duration: u64,
    /// Units a second of `duration`.
    pub(crate) movie_timescale: u32,
}

/// What an edit list says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EditList {
    /// There is none, or it is of no effect.
    Whole,
    /// The recording is one part of the track.
    Part(Edit),
    /// The recording is put together from this many parts, or runs at another speed.
    Cut(usize),
}

/// How many bytes are missing at the end of a file, by the size of the box that runs over it. 0 for a whole file, and
/// for one that is no MP4.
///
/// # Errors
///
/// Those of the reader.
pub(crate) fn missing<R: Read + Seek>(reader: &mut R) -> io::Result<u64> {
    let length = reader.seek(SeekFrom::End(0))?;
    let mut at = 0;
    while length.saturating_sub(at) >= 16 {
        let Header { kind, begin, end } = header(reader, at..length)?;
        if at == 0 && &kind != b"ftyp" || end < begin {
            break;
        }
        // Anything else behind the last box is a tag or junk.
        if end > length && matches!(&kind, b"moov" | b"mdat" | b"moof") {
            return Ok(end - length);
        }
        at = end;
    }
    Ok(0)
}

/// Whether the sound is in fragments. The table of samples in front then knows nothing of them, and gives a length of 0.
///
/// # Errors
///
/// Those of the reader.
pub(crate) fn is_fragmented<R: Read + Seek>(reader: &mut R) -> io::Result<bool> {
    let length = reader.seek(SeekFrom::End(0))?;
    let Some(movie) = child(reader, 0..length, b"moov")? else { return Ok(false) };
    child(reader, movie, b"mvex").map(|extension| extension.is_some())
}

/// Reads the edit list of a track.
///
/// # Errors
///
/// Those of the reader. Boxes that make no sense are as good as none: whoever decodes the file will say so.
pub(crate) fn read<R: Read + Seek>(reader: &mut R, track: u32) -> io::Result<EditList> {
    match find(reader, track) {
        Ok(list) => Ok(list.unwrap_or(EditList::Whole)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(EditList::Whole),
        Err(error) => Err(error),
    }
}

fn find<R: Read + Seek>(reader: &mut R, track: u32) -> io::Result<Option<EditList>> {
    let length = reader.seek(SeekFrom::End(0))?;
    let Some(movie) = child(reader, 0..length, b"moov")? else { return Ok(None) };
    let Some(header) = child(reader, movie.clone(), b"mvhd")? else { return Ok(None) };
    let movie_timescale = timescale(reader, header)?;

    let mut rest = movie;
    while let Some(Header { kind, begin, end }) = first_box(reader, rest.clone())? {
        let body = begin..end;
        if &kind == b"trak" && track_id(reader, body.clone())? == Some(track) {
            let Some(edits) = child(reader, body.clone(), b"edts")? else { return Ok(None) };
            let Some(list) = child(reader, edits, b"elst")? else { return Ok(None) };
            let Some(media) = child(reader, body, b"mdia")? else { return Ok(None) };
            let Some(header) = child(reader, media, b"mdhd")? else { return Ok(None) };
            let media_timescale = timescale(reader, header)?;
            return parse(reader, list, media_timescale, movie_timescale).map(Some);
        }
        rest.start = end;
    }
    Ok(None)
}

/// The entries of an `elst` box.
fn parse<R: Read + Seek>(
    reader: &mut R,
    list: Range<u64>,
    media_timescale: u32,
    movie_timescale: u32,
) -> io::Result<EditList> {
    reader.seek(SeekFrom::Start(list.start))?;
    let version = u32(reader)? >> 24;
    let entries = u64::from(u32(reader)?);
    let entry_length = if version == 1 { 20 } else { 12 };
    // A count that the box cannot hold is a lie.
    let entries = entries.min((list.end - list.start) / entry_length);

    let mut parts = 0;
    let mut part = None;
    for _ in 0..entries {
        let (duration, media_time) = if version == 1 {
            (u64(reader)?, u64(reader)? as i64)
        } else {
            (u64::from(u32(reader)?), i64::from(u32(reader)? as i32))
        };
        let rate = u32(reader)?;
        // A negative time is an empty edit: the track begins later than the movie. A session begins with its sound.
        if let Ok(media_time) = u64::try_from(media_time) {
            parts += 1;
            if rate != 0x1_0000 {
                return Ok(EditList::Cut(parts));
            }
            part = Some(Edit { media_time, media_timescale, duration, movie_timescale });
        }
    }
    Ok(match part {
        None => EditList::Whole,
        Some(_) if media_timescale == 0 || movie_timescale == 0 => EditList::Whole,
        Some(edit) if parts == 1 => EditList::Part(edit),
        Some(_) => EditList::Cut(parts),
    })
}

/// The units a second of an `mvhd` or `mdhd` box, which begin alike.
fn timescale<R: Read + Seek>(reader: &mut R, header: Range<u64>) -> io::Result<u32> {
    reader.seek(SeekFrom::Start(header.start))?;
    let times = if u32(reader)? >> 24 == 1 { 16 } else { 8 };
    reader.seek(SeekFrom::Current(times))?;
    u32(reader)
}

fn track_id<R: Read + Seek>(reader: &mut R, track: Range<u64>) -> io::Result<Option<u32>> {
    let Some(header) = child(reader, track, b"tkhd")? else { return Ok(None) };
    timescale(reader, header).map(Some)
}

/// The body of the first box of a kind in `range`.
fn child<R: Read + Seek>(
    reader: &mut R,
    mut range: Range<u64>,
    wanted: &[u8; 4],
) -> io::Result<Option<Range<u64>>> {
    while let Some(Header { kind, begin, end }) = first_box(reader, range.clone())? {
        if &kind == wanted {
            return Ok(Some(begin..end));
        }
        range.start = end;
    }
    Ok(None)
}

/// The box at the start of `range`, unless it runs over the range's end.
fn first_box<R: Read + Seek>(reader: &mut R, range: Range<u64>) -> io::Result<Option<Header>> {
    if range.end.saturating_sub(range.start) < 8 {
        return Ok(None);
    }
    let header = header(reader, range.clone())?;
    Ok((header.begin <= header.end && header.end <= range.end).then_some(header))
}

/// A box: its kind and where its body begins and ends.
struct Header {
    kind: [u8; 4],
    begin: u64,
    end: u64,
}

/// The header at the start of `range`, however little sense it makes.
fn header<R: Read + Seek>(reader: &mut R, range: Range<u64>) -> io::Result<Header> {
    reader.seek(SeekFrom::Start(range.start))?;
    let size = u32(reader)?;
    let mut kind = [0; 4];
    reader.read_exact(&mut kind)?;
    let (length, size) = match size {
        0 => (8, range.end - range.start),
        1 => (16, u64(reader)?),
        size => (8, u64::from(size)),
    };
    Ok(Header { kind, begin: range.start + length, end: range.start.saturating_add(size) })
}

fn u32<R: Read>(reader: &mut R) -> io::Result<u32> {
    let mut bytes = [0; 4];
    reader.read_exact(&mut bytes)?;
    Ok(u32::from_be_bytes(bytes))
}

fn u64<R: Read>(reader: &mut R) -> io::Result<u64> {
    let mut bytes = [0; 8];
    reader.read_exact(&mut bytes)?;
    Ok(u64::from_be_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::{Edit, EditList, missing, read};

    fn atom(kind: &[u8; 4], body: &[&[u8]]) -> Vec<u8> {
        let body = body.concat();
        [&(body.len() as u32 + 8).to_be_bytes()[..], kind, &body].concat()
    }

    /// A header box of version 0 or 1 whose fourth field is `value`.
    fn header(kind: &[u8; 4], version: u8, value: u32) -> Vec<u8> {
        let times = vec![0; if version == 1 { 16 } else { 8 }];
        atom(kind, &[&[version, 0, 0, 0], &times, &value.to_be_bytes(), &[0; 20]])
    }

    /// Entries are (duration, media time, rate).
    fn movie(version: u8, edits: &[(u64, i64, u32)]) -> Vec<u8> {
        let mut list = vec![version, 0, 0, 0];
        list.extend((edits.len() as u32).to_be_bytes());
        for (duration, time, rate) in edits {
            if version == 1 {
                list.extend(duration.to_be_bytes());
                list.extend(time.to_be_bytes());
            } else {
                list.extend((*duration as u32).to_be_bytes());
                list.extend((*time as i32).to_be_bytes());
            }
            list.extend(rate.to_be_bytes());
        }
        let track = |id: u32, list: &[u8]| {
            atom(
                b"trak",
                &[
                    &header(b"tkhd", version, id),
                    &atom(b"edts", &[&atom(b"elst", &[list])]),
                    &atom(b"mdia", &[&header(b"mdhd", version, 44_100)]),
                ],
            )
        };
        let nothing = [0, 0, 0, 0, 0, 0, 0, 0];
        [
            atom(b"ftyp", &[b"M4A "]),
            atom(b"moov", &[&header(b"mvhd", version, 1_000), &track(1, &nothing), &track(2, &list)]),
        ]
        .concat()
    }

    fn edits_of(bytes: Vec<u8>) -> EditList {
        read(&mut Cursor::new(bytes), 2).unwrap()
    }

    #[test]
    fn one_edit_gives_delay_and_length_in_both_versions() {
        for version in [0, 1] {
            let edit =
                Edit { media_time: 2_112, media_timescale: 44_100, duration: 1_500, movie_timescale: 1_000 };
            let list = edits_of(movie(version, &[(1_500, 2_112, 0x1_0000)]));
            assert_eq!(list, EditList::Part(edit), "version {version}");
            let with_pause = edits_of(movie(version, &[(40, -1, 0x1_0000), (1_500, 2_112, 0x1_0000)]));
            assert_eq!(with_pause, EditList::Part(edit), "version {version}");
        }
    }

    #[test]
    fn a_cut_file_misses_what_its_boxes_claim() {
        let whole = [movie(0, &[]), atom(b"mdat", &[&[7; 1_000]])].concat();
        assert_eq!(missing(&mut Cursor::new(&whole)).unwrap(), 0);
        assert_eq!(missing(&mut Cursor::new(&whole[..whole.len() - 1])).unwrap(), 1);
        assert_eq!(missing(&mut Cursor::new(&whole[..whole.len() - 900])).unwrap(), 900);
        let tagged = [&whole[..], b"TAG with a title and an artist"].concat();
        assert_eq!(missing(&mut Cursor::new(tagged)).unwrap(), 0);
        assert_eq!(missing(&mut Cursor::new(b"RIFF and no MP4 at all")).unwrap(), 0);
    }

    #[test]
    fn parts_and_other_speeds_are_told() {
        let part = (100, 0, 0x1_0000);
        assert_eq!(edits_of(movie(0, &[part, (100, 4_000, 0x1_0000)])), EditList::Cut(2));
        assert_eq!(edits_of(movie(0, &[(100, 0, 0x8000)])), EditList::Cut(1));
    }

    #[test]
    fn another_track_and_no_list_leave_the_track_whole() {
        assert_eq!(read(&mut Cursor::new(movie(0, &[(1, 5, 0x1_0000)])), 1).unwrap(), EditList::Whole);
        assert_eq!(read(&mut Cursor::new(movie(0, &[(1, 5, 0x1_0000)])), 3).unwrap(), EditList::Whole);
        assert_eq!(edits_of(Vec::new()), EditList::Whole);
    }

    proptest! {
        #[test]
        fn damaged_boxes_are_survived(at in 0_usize..300, value: u8, end in 0_usize..300) {
            let mut bytes = movie(1, &[(1_500, 2_112, 0x1_0000)]);
            let at = at % bytes.len();
            bytes[at] = value;
            bytes.truncate(end.max(1));
            let _ = missing(&mut Cursor::new(&bytes)).unwrap();
            let _ = edits_of(bytes);
        }
    }
}
