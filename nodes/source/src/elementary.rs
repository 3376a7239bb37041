//! What symphonia 0.6 does not say of a bare stream of MP3 or AAC: which of its bytes are no frame.
//!
//! Such a stream has no index: a frame's header says how long the frame is, and the next one begins behind it. Where none
//! does, symphonia goes on at the next bytes that look like one and says nothing: the sound between is lost, or becomes
//! noise, and all behind it comes early. Here the headers are followed from the first to the last. Tags between and behind
//! frames are no damage; nor are zeros before the first.
//!
//! MP3 of a free bit rate has headers that do not say how long a frame is; symphonia does not open it.

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::ops::Range;

use symphonia::core::formats::FormatId;
use symphonia::core::formats::well_known::{FORMAT_ID_ADTS, FORMAT_ID_MP3};
use symphonia::core::io::MediaSource;

/// Bit rates of MPEG-1 layer III and of MPEG-2 and 2.5 layer III, in kbit/s by their index in the header, from 1
/// (ISO/IEC 11172-3, 2.4.2.3; 13818-3, 2.4.2.3).
const MPEG_1: [u64; 14] = [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
const MPEG_2: [u64; 14] = [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];

/// Bytes of a header that are looked at; a frame is longer.
const HEADER: usize = 6;

/// What the frames of a stream are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    /// MPEG layer III.
    Mp3,
    /// AAC, each packet behind a header (ISO/IEC 14496-3, 1.A.2.2.1).
    Adts,
}

/// Bytes that are neither frame nor tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Damage {
    /// Samples from the first packet to here, without what is lost before.
    pub(crate) at: i64,
    /// Samples that they held.
    pub(crate) lost: i64,
    /// How many bytes.
    bytes: u64,
    /// `lost` is an estimate.
    estimated: bool,
}

/// A stream whose headers have been followed.
pub(crate) struct Stream {
    pub(crate) frames: WholeFrames,
    /// What is beside them and should not be, in order.
    pub(crate) damage: VecDeque<Damage>,
    /// It ends within a frame.
    pub(crate) cut: bool,
}

/// The frames of a stream that are whole, one behind the other, without what is before, between and behind them.
pub(crate) struct WholeFrames {
    file: File,
    /// Where frames follow one another in the file with nothing between.
    runs: Vec<Range<u64>>,
    /// Where to read, in bytes of frames.
    place: u64,
}

impl Coding {
    /// The coding of a format that is a bare stream.
    pub(crate) fn of(format: FormatId) -> Option<Self> {
        match format {
            FORMAT_ID_MP3 => Some(Self::Mp3),
            FORMAT_ID_ADTS => Some(Self::Adts),
            _ => None,
        }
    }

    fn header(self, bytes: [u8; HEADER]) -> Option<Header> {
        let [a, b, c, d, e, f] = bytes;
        let word = u32::from_be_bytes([a, b, c, d]);
        match self {
            Self::Mp3 => Header::mp3(word),
            Self::Adts => Header::adts(word, [e, f]),
        }
    }
}

/// What the header of a frame says.
#[derive(Clone, Copy, Debug)]
struct Header {
    /// Bytes of the frame, the header included.
    length: u64,
    /// Samples of a channel.
    samples: u64,
    /// What is the same in all frames of a stream.
    fixed: u32,
}

impl Header {
    fn mp3(word: u32) -> Option<Self> {
        let (version, layer) = (word >> 19 & 3, word >> 17 & 3);
        if word >> 21 != 0x7ff || layer != 1 {
            return None;
        }
        let (bit_rates, samples, divisor) = match version {
            3 => (MPEG_1, 1_152, 1),
            2 => (MPEG_2, 576, 2),
            0 => (MPEG_2, 576, 4),
            _ => return None,
        };
        let index = (word >> 12 & 15).checked_sub(1)?;
        let bit_rate = 1_000 * bit_rates.get(index as usize)?;
        let rate = [44_100, 48_000, 32_000].get((word >> 10 & 3) as usize)? / divisor;
        let padding = u64::from(word >> 9 & 1);
        let length = samples / 8 * bit_rate / rate + padding;
        // Sync word, version, layer and sample rate.
        Some(Self { length, samples, fixed: word & 0xfffe_0c00 })
    }

    fn adts(word: u32, behind: [u8; 2]) -> Option<Self> {
        let rate = word >> 10 & 15;
        let [high, low] = behind.map(u64::from);
        let length = u64::from(word & 3) << 11 | high << 3 | low >> 5;
        let shortest = if word >> 16 & 1 == 0 { 9 } else { 7 };
        if word >> 16 & 0xfff6 != 0xfff0 || rate > 12 || length < shortest {
            return None;
        }
        // The whole of the "fixed header".
        Some(Self { length, samples: 1_024, fixed: word & 0xffff_fff0 })
    }
}

/// A file, read by the places of its bytes.
struct Bytes<'a> {
    reader: BufReader<&'a File>,
    /// Where the reader is.
    place: u64,
    /// Where the frames end, and tags or nothing begin.
    end: u64,
    coding: Coding,
}

impl<'a> Bytes<'a> {
    fn new(file: &'a File, coding: Coding) -> io::Result<Self> {
        let mut reader = BufReader::with_capacity(1 << 16, file);
        let end = reader.seek(SeekFrom::End(0))?;
        let mut bytes = Self { reader, place: end, end, coding };
        while let Some(length) = bytes.last_tag()? {
            bytes.end -= length;
        }
        Ok(bytes)
    }

    /// The bytes at a place, if all of them are before the end.
    fn at<const N: usize>(&mut self, place: u64) -> io::Result<Option<[u8; N]>> {
        if place.saturating_add(N as u64) > self.end {
            return Ok(None);
        }
        // What is in the buffer is not read again.
        self.reader.seek_relative(place.wrapping_sub(self.place) as i64)?;
        let mut bytes = [0; N];
        self.reader.read_exact(&mut bytes)?;
        self.place = place + N as u64;
        Ok(Some(bytes))
    }

    /// The length of the tag that ends at the end: ID3v1, APE or Lyrics3 2.00.
    fn last_tag(&mut self) -> io::Result<Option<u64>> {
        let end = self.end;
        if let Some(place) = end.checked_sub(128)
            && self.at(place)? == Some(*b"TAG")
        {
            return Ok(Some(128));
        }
        let mut length = None;
        if let Some(place) = end.checked_sub(32) {
            length = self.at(place)?.and_then(ape_length);
        }
        if let Some(place) = end.checked_sub(15)
            && let Some([digits @ .., b'L', b'Y', b'R', b'I', b'C', b'S', b'2', b'0', b'0']) =
                self.at::<15>(place)?
        {
            let size = std::str::from_utf8(&digits).ok().and_then(|digits| digits.parse::<u64>().ok());
            length = length.or(size.map(|size| size + 15));
        }
        Ok(length.filter(|length| *length <= end))
    }

    /// The length of the tag that begins here: ID3v2, ID3v1 or APE.
    fn tag(&mut self, place: u64) -> io::Result<Option<u64>> {
        if let Some([b'I', b'D', b'3', _, _, flags, size @ ..]) = self.at::<10>(place)? {
            let size = size.iter().fold(0, |size, byte| size << 7 | u64::from(byte & 0x7f));
            let footer = if flags & 0x10 == 0 { 0 } else { 10 };
            return Ok(Some(10 + size + footer));
        }
        if self.at(place)? == Some(*b"TAG") {
            return Ok(Some(128));
        }
        Ok(self.at(place)?.and_then(ape_length))
    }

    fn header(&mut self, place: u64) -> io::Result<Option<Header>> {
        Ok(self.at(place)?.and_then(|bytes| self.coding.header(bytes)))
    }

    /// Whether a frame ends here: something is next that can follow one.
    fn is_boundary(&mut self, place: u64) -> io::Result<bool> {
        Ok(place == self.end || self.header(place)?.is_some() || self.tag(place)?.is_some())
    }

    /// Where zeros end that begin here, if that is a boundary.
    fn behind_zeros(&mut self, place: u64) -> io::Result<Option<u64>> {
        let mut behind = place;
        while self.at(behind)? == Some([0]) {
            behind += 1;
        }
        Ok(if behind > place && self.is_boundary(behind)? { Some(behind) } else { None })
    }

    /// The first place from here on where a frame begins that another one or the end follows. Both are as the stream's
    /// others, if those are known.
    fn next_frame(&mut self, from: u64, fixed: Option<u32>) -> io::Result<u64> {
        for place in from..self.end {
            let Some(header) = self.header(place)? else { continue };
            let behind = place + header.length;
            if fixed.is_none_or(|fixed| fixed == header.fixed)
                && (behind == self.end || self.header(behind)?.is_some_and(|next| next.fixed == header.fixed))
            {
                return Ok(place);
            }
        }
        Ok(self.end)
    }

    /// What a frame tells of the file in the place of sound (Xing, LAME, VBRI); symphonia does not give it as a packet.
    fn information(&mut self, place: u64) -> io::Result<Option<Information>> {
        // Behind the header and the side information of MPEG-2 and 1, mono and stereo.
        for offset in [13, 21, 36] {
            let Some([tag @ .., flags, a, b, c, d]) = self.at::<12>(place + offset)? else { continue };
            if matches!(&tag, b"Xing\0\0\0" | b"Info\0\0\0") {
                let frames = (flags & 1 == 1).then(|| u64::from(u32::from_be_bytes([a, b, c, d])));
                return Ok(Some(Information { frames }));
            }
        }
        Ok((self.at(place + 36)? == Some(*b"VBRI")).then_some(Information { frames: None }))
    }
}

/// What the first frame tells in the place of sound.
#[derive(Clone, Copy, Debug)]
struct Information {
    /// The frames that follow.
    frames: Option<u64>,
}

/// The length of an APE tag, by its header or footer.
fn ape_length(block: [u8; 32]) -> Option<u64> {
    let word = |place: usize| {
        let bytes = block.get(place..).and_then(<[u8]>::first_chunk)?;
        Some(u64::from(u32::from_le_bytes(*bytes)))
    };
    if !block.starts_with(b"APETAGEX") {
        return None;
    }
    let header = if word(20)? >> 31 == 0 { 0 } else { 32 };
    // The size counts the footer.
    Some(word(12)? + header).filter(|length| *length >= 32)
}

/// Frames as they are found.
#[derive(Default)]
struct Found {
    runs: Vec<Range<u64>>,
    /// Frames before bytes that are none, and how many bytes.
    holes: Vec<(u64, u64)>,
    frames: u64,
    samples: u64,
    fixed: Option<u32>,
    /// Of all frames but the first, whose length may be its own: how many, their bytes, those of the shortest and longest.
    counted: u64,
    total: u64,
    shortest: u64,
    longest: u64,
}

impl Found {
    fn take(&mut self, range: Range<u64>, header: Header) {
        let length = header.length;
        if self.frames <= 1 {
            (self.counted, self.total, self.shortest, self.longest) = (0, 0, length, length);
        }
        self.counted += 1;
        self.total += length;
        self.shortest = self.shortest.min(length);
        self.longest = self.longest.max(length);
        self.frames += 1;
        self.samples = header.samples;
        self.fixed = self.fixed.or(Some(header.fixed));
        match self.runs.last_mut() {
            Some(run) if run.end == range.start => run.end = range.end,
            _ => self.runs.push(range),
        }
    }

    /// What the holes have taken.
    fn damage(&self, information: Option<Information>) -> VecDeque<Damage> {
        let samples = |frames: u64| i64::try_from(frames * self.samples).unwrap_or(i64::MAX);
        let sound = self.frames - u64::from(information.is_some());
        // Of a single hole the number of all frames tells, unless it is more than the hole can have held.
        let missing = match (&self.holes[..], information.and_then(|information| information.frames)) {
            ([(_, bytes)], Some(all)) => {
                all.checked_sub(sound).filter(|missing| missing * self.shortest <= bytes + 1)
            }
            _ => None,
        };
        let damage = |&(before, bytes): &(u64, u64)| {
            let (lost, certain) = missing.map_or_else(|| self.lost(bytes), |missing| (missing, true));
            let before = before.saturating_sub(self.frames - sound);
            Damage { at: samples(before), lost: samples(lost), bytes, estimated: !certain }
        };
        self.holes.iter().map(damage).collect()
    }

    /// How many frames were in so many bytes, and whether that is certain: it is where frames are equally long, but for a
    /// byte of padding now and then, and the bytes are a multiple of them. Elsewhere the mean length tells.
    fn lost(&self, bytes: u64) -> (u64, bool) {
        let (bytes_here, mean) = (bytes as f64, self.total as f64 / self.counted as f64);
        let frames = (bytes_here / mean).round();
        let constant = self.longest - self.shortest <= 1;
        let certain = constant && (bytes_here - frames * mean).abs() <= 1.0;
        (if bytes < self.shortest - 1 { 0 } else { frames.max(1.0) as u64 }, certain)
    }
}

impl Stream {
    /// Follows the headers from the file's first byte to its last. `None` if there is no whole frame.
    ///
    /// # Errors
    ///
    /// Those of the file.
    pub(crate) fn follow(file: File, coding: Coding) -> io::Result<Option<Self>> {
        let mut bytes = Bytes::new(&file, coding)?;
        let (mut found, mut cut, mut place) = (Found::default(), false, 0);
        while place < bytes.end {
            if let Some(length) = bytes.tag(place)? {
                place += length;
                continue;
            }
            if found.frames == 0
                && let Some(behind) = bytes.behind_zeros(place)?
            {
                place = behind;
                continue;
            }
            let frame = bytes.header(place)?.map(|header| (header, place + header.length));
            if let Some((header, behind)) = frame
                && bytes.is_boundary(behind)?
            {
                found.take(place..behind, header);
                place = behind;
                continue;
            }
            let next = bytes.next_frame(place + 1, found.fixed)?;
            match frame {
                // It is the next header that is damaged; or this one, and then the frame's length is too short.
                Some((header, behind)) if behind <= next => {
                    found.take(place..behind, header);
                    found.holes.push((found.frames, next - behind));
                }
                Some(_) if next == bytes.end => cut = true,
                _ => found.holes.push((found.frames, next - place)),
            }
            place = next;
        }
        let Some(first) = found.runs.first() else { return Ok(None) };
        let information = if coding == Coding::Mp3 { bytes.information(first.start)? } else { None };
        let damage = found.damage(information);
        Ok(Some(Self { frames: WholeFrames { runs: found.runs, place: 0, file }, damage, cut }))
    }
}

impl WholeFrames {
    fn length(&self) -> u64 {
        self.runs.iter().map(|run| run.end - run.start).sum()
    }
}

impl Read for WholeFrames {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut offset = self.place;
        for run in &self.runs {
            let length = run.end - run.start;
            if offset < length {
                self.file.seek(SeekFrom::Start(run.start + offset))?;
                let count = (&self.file).take(length - offset).read(buffer)?;
                self.place += count as u64;
                return Ok(count);
            }
            offset -= length;
        }
        Ok(0)
    }
}

impl Seek for WholeFrames {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let place = match to {
            SeekFrom::Start(place) => Some(place),
            SeekFrom::Current(offset) => self.place.checked_add_signed(offset),
            SeekFrom::End(offset) => self.length().checked_add_signed(offset),
        };
        self.place = place.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.place)
    }
}

impl MediaSource for WholeFrames {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.length())
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} bytes are none of its frames", self.bytes)?;
        if self.estimated {
            write!(formatter, "; how much sound that was is estimated by the mean length of a frame")?;
        }
        Ok(())
    }
}
