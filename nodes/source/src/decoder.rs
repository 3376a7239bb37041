//! One file, packet by packet, as mono samples at the file's own rate.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use symphonia::core::codecs::audio::well_known as codecs;
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::{Hint, Probe, ProbeOptions};
use symphonia::core::formats::well_known::{
    FORMAT_ID_ADTS, FORMAT_ID_ISOMP4, FORMAT_ID_MKV, FORMAT_ID_MP1, FORMAT_ID_MP2, FORMAT_ID_MP3,
    FORMAT_ID_WAVE,
};
use symphonia::core::formats::{FormatId, FormatOptions, FormatReader, Track, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream};
use symphonia::core::meta::MetadataOptions;
use symphonia::core::packet::Packet;

use crate::audio_file::Corruption;
use crate::elementary::{Coding, Damage, Stream};
use crate::error::{Remedy, SourceError};
use crate::mp4::{self, EditList};
use crate::sniff;

/// Sample rates that are taken, in Hz: from a fraction of telephony to the highest of studios.
const RATES: std::ops::RangeInclusive<u32> = 1_000..=768_000;
/// More channels than any microphone array of a researcher, and few enough to allocate.
const MOST_CHANNELS: usize = 256;
/// Packets in a row that give no sound before the file is given up: a damaged table can list billions.
const MOST_IDLE_PACKETS: u32 = 100_000;
/// A gap longer than this, in seconds, is a damaged time stamp and not a gap.
const LONGEST_GAP: u64 = 3_600;
/// How far, in samples, packets may go on behind the end that the header gives: padding is at most 4,095 samples and
/// comes in whole packets. What is behind that is sound that the header does not know of.
const LONGEST_PADDING: i64 = 16_384;

/// How far symphonia looks for a format that it knows, in bytes, behind any tags. Its default of a megabyte finds the
/// sync word of an MP3 or AAC frame in one of eight files of noise. An MP3 cut from a stream begins with less than
/// 1,500 bytes that cannot be decoded.
const PROBE_DEPTH: u32 = 4_096;

static PROBE: LazyLock<Probe> = LazyLock::new(|| {
    let options = ProbeOptions { max_probe_depth: PROBE_DEPTH, ..ProbeOptions::default() };
    let mut probe = Probe::new_with_options(&options);
    symphonia::default::register_enabled_formats(&mut probe);
    probe
});

/// A file that is being decoded.
pub(crate) struct Decoder {
    path: PathBuf,
    format: Box<dyn FormatReader>,
    decoder: Box<dyn AudioDecoder>,
    track: u32,
    /// Samples a second.
    rate: u32,
    channels: usize,
    /// The track's samples that are the recording, by their time stamps.
    window: Window,
    /// Time stamps count samples, so that they show losses.
    timed: bool,
    /// A missing end shows: the format says where its sound ends.
    delimited: bool,
    /// The time stamp that comes next, in samples.
    next: i64,
    /// What the last packet that could not be decoded suffered from.
    failure: Option<String>,
    /// What is damaged of a bare stream, from the next packet on, and whether it ends within a frame.
    damage: VecDeque<Damage>,
    cut: bool,
    /// The first packet's time stamp.
    first: Option<i64>,
    /// Samples that damage has taken so far, which the packets' time stamps do not know of.
    taken: i64,
    /// Samples that are lost before the next ones that are given.
    lost: u64,
    corruption: Corruption,
    /// Something was tolerated.
    damaged: bool,
    tolerated: Vec<SourceError>,
    planes: Vec<Vec<f64>>,
    /// A packet has been decoded.
    started: bool,
    ended: bool,
}

/// Time stamps, in samples, from where to where a track is the recording.
#[derive(Clone, Copy, Debug)]
struct Window {
    begin: i64,
    end: Option<i64>,
    /// What is behind the end has been cut off on purpose.
    cut: bool,
}

impl Decoder {
    /// Opens a file and decodes nothing yet; [`Decoder::rate`] is the header's.
    pub(crate) fn open(path: &Path, corruption: Corruption) -> Result<Self, SourceError> {
        guarded(path, || Self::open_unguarded(path, corruption))
    }

    fn open_unguarded(path: &Path, corruption: Corruption) -> Result<Self, SourceError> {
        let mut file = open_file(path)?;
        check_complete(path, &mut file)?;
        let mut format = probe(path, Box::new(file))?;
        let (mut damage, mut cut) = (VecDeque::new(), false);
        if let Some(stream) = follow(path, format.as_ref())? {
            format = probe(path, Box::new(stream.frames))?;
            (damage, cut) = (stream.damage, stream.cut);
        }
        let (track, parameters) = select_track(path, format.as_ref())?;
        let (channels, rate) = (channel_count(&parameters), parameters.sample_rate.unwrap_or(0));
        // A decoder allocates by these. What is missing from the header is checked when the first packet is there.
        if let Some(channels) = channels {
            check_channels(path, channels)?;
        }
        if parameters.sample_rate.is_some() {
            check_rate(path, rate)?;
        }
        // Symphonia's own trimming relies on lengths that it has estimated from the bit rate. The window does not.
        let options = AudioDecoderOptions::default().gapless(false).verify(true);
        let decoder = symphonia::default::get_codecs()
            .make_audio_decoder(&parameters, &options)
            .map_err(|error| unsupported(path, &parameters, &error))?;
        let mut decoder = Self {
            path: path.to_owned(),
            decoder,
            track: track.id,
            rate,
            channels: channels.unwrap_or(0),
            window: Window { begin: 0, end: None, cut: false },
            timed: false,
            delimited: true,
            next: 0,
            failure: None,
            damage,
            cut,
            first: None,
            taken: 0,
            lost: 0,
            corruption,
            damaged: false,
            tolerated: Vec::new(),
            planes: Vec::new(),
            started: false,
            ended: false,
            format,
        };
        decoder.read_timing(&track)?;
        Ok(decoder)
    }

    /// Works out which samples of the track are the recording.
    fn read_timing(&mut self, track: &Track) -> Result<(), SourceError> {
        let format = self.format.format_info().format;
        self.timed =
            track.time_base.is_some_and(|base| base.numer.get() == 1 && base.denom.get() == self.rate);
        let length = track.num_frames.filter(|_| self.timed && states_length(format, track));
        self.window.begin = if format == FORMAT_ID_MKV { 0 } else { track.start_ts.get().max(0) };
        self.window.end = length.and_then(|length| i64::try_from(length).ok());
        // A WAV that was streamed has no length, and then its end is the end of the file.
        self.delimited = !(format == FORMAT_ID_WAVE && length.is_none());
        if format == FORMAT_ID_ISOMP4 {
            self.apply_edit_list()?;
        }
        Ok(())
    }

    fn apply_edit_list(&mut self) -> Result<(), SourceError> {
        let read_error = |error| SourceError::Read { path: self.path.clone(), error };
        let file = File::open(&self.path).map_err(read_error)?;
        let mut file = std::io::BufReader::new(file);
        if mp4::is_fragmented(&mut file).map_err(read_error)? {
            self.window.end = None;
        }
        match mp4::read(&mut file, self.track).map_err(read_error)? {
            EditList::Whole => {}
            EditList::Part(edit) => {
                let rate = u128::from(self.rate);
                let samples = |units: u64, scale: u32| {
                    let scale = u128::from(scale);
                    i64::try_from((2 * u128::from(units) * rate + scale) / (2 * scale)).unwrap_or(i64::MAX)
                };
                let begin = samples(edit.media_time, edit.media_timescale);
                self.window.begin = begin;
                if edit.duration > 0 {
                    let end = begin.saturating_add(samples(edit.duration, edit.movie_timescale));
                    self.window.cut = true;
                    self.window.end = Some(self.window.end.map_or(end, |track| track.min(end)));
                }
            }
            EditList::Cut(parts) => {
                return Err(SourceError::Unsupported {
                    path: self.path.clone(),
                    codec: format!("an MP4 track with an edit list of {parts} parts"),
                    reason: "",
                });
            }
        }
        Ok(())
    }

    pub(crate) fn rate(&self) -> u32 {
        self.rate
    }

    pub(crate) fn channels(&self) -> usize {
        self.channels
    }

    pub(crate) fn format(&self) -> &'static str {
        self.format.format_info().short_name
    }

    pub(crate) fn codec(&self) -> &'static str {
        self.decoder.codec_info().short_name
    }

    /// How long the recording is by its header, or as estimated from its bit rate.
    pub(crate) fn duration(&self) -> Option<Duration> {
        let samples = match self.window.end {
            Some(end) => u64::try_from(end.saturating_sub(self.window.begin)).ok(),
            None => None,
        };
        if let Some(samples) = samples {
            return Some(Duration::from_secs_f64(samples as f64 / f64::from(self.rate.max(1))));
        }
        let track = self.format.tracks().iter().find(|track| track.id == self.track)?;
        let time = track.time_base?.calc_duration(track.duration?)?;
        Duration::try_from_secs_f64(time.as_secs_f64()).ok()
    }

    /// What was wrong with the file so far, and tolerated.
    pub(crate) fn take_tolerated(&mut self) -> Vec<SourceError> {
        std::mem::take(&mut self.tolerated)
    }

    /// Replaces `mono` by the samples of the next packet. Gives the number of samples that are lost before them, or
    /// `None` at the end.
    pub(crate) fn next(&mut self, mono: &mut Vec<f64>) -> Result<Option<u64>, SourceError> {
        let path = self.path.clone();
        guarded(&path, || self.next_unguarded(mono))
    }

    fn next_unguarded(&mut self, mono: &mut Vec<f64>) -> Result<Option<u64>, SourceError> {
        mono.clear();
        for _ in 0..MOST_IDLE_PACKETS {
            let Some(packet) = self.packet()? else { return Ok(None) };
            if packet.track_id != self.track {
                continue;
            }
            self.skip_damage(packet.pts.get())?;
            if !self.decode(&packet)? {
                continue;
            }
            let length = self.planes.first().map_or(0, Vec::len) as i64;
            let start = if self.timed { packet.pts.get().saturating_add(self.taken) } else { self.next };
            self.lost += self.place(start)?;
            let lost = self.lost;
            let end = start.saturating_add(length);
            let (from, to) = self.window.clip(start.max(self.next), end);
            self.next = self.next.max(end);
            if from < to {
                self.mix((from - start) as usize, (to - from) as usize, mono);
                self.check_finite(from, mono)?;
            }
            // A loss has to be told even where nothing of the packet is left.
            if from < to || lost > 0 {
                self.lost = 0;
                return Ok(Some(lost));
            }
        }
        Err(self.corrupt(None, format!("{MOST_IDLE_PACKETS} packets in a row hold no sound"), Remedy::None))
    }

    /// The next packet of any track, or `None` at the end.
    fn packet(&mut self) -> Result<Option<Packet>, SourceError> {
        if self.ended {
            return Ok(None);
        }
        match self.format.next_packet() {
            Ok(Some(packet)) => return Ok(Some(packet)),
            Ok(None) => self.end(false)?,
            Err(Error::IoError(error)) if error.kind() == ErrorKind::UnexpectedEof => self.end(true)?,
            Err(Error::IoError(error)) => return Err(SourceError::Read { path: self.path.clone(), error }),
            Err(Error::ResetRequired) => return Err(self.chained()),
            Err(error) => {
                self.ended = true;
                let error = self.corrupt(None, error.to_string(), Remedy::End);
                self.tolerate(error)?;
            }
        }
        Ok(None)
    }

    /// Goes over the damage before the packet of this time stamp.
    fn skip_damage(&mut self, stamp: i64) -> Result<(), SourceError> {
        let first = *self.first.get_or_insert(stamp);
        while let Some(damage) = self.damage.pop_front_if(|damage| first.saturating_add(damage.at) <= stamp) {
            // A packet that could not be decoded may be before it.
            self.lost += self.place(first.saturating_add(damage.at).saturating_add(self.taken))?;
            self.lost += self.lose(self.next.saturating_add(damage.lost), damage.to_string(), Remedy::Gap)?;
            self.taken = self.taken.saturating_add(damage.lost);
            // What it knows of the sound before belongs to another place.
            self.decoder.reset();
        }
        Ok(())
    }

    /// Decodes a packet into the planes. False if there is no sound in it, or it cannot be decoded.
    fn decode(&mut self, packet: &Packet) -> Result<bool, SourceError> {
        let reason = match self.decoder.decode(packet) {
            Ok(buffer) if buffer.frames() == 0 => return Ok(false),
            Ok(buffer) => {
                let (rate, channels) = (buffer.spec().rate(), buffer.num_planes());
                buffer.copy_to_vecs_planar(&mut self.planes);
                self.check_spec(rate, channels)?;
                return Ok(true);
            }
            Err(Error::DecodeError(reason)) => reason.to_owned(),
            Err(Error::IoError(error)) => format!("the packet ends too early: {error}"),
            Err(error) => error.to_string(),
        };
        self.failed(reason)?;
        Ok(false)
    }

    /// Compares a packet's time stamp with what was expected, and gives the samples that are lost before it.
    fn place(&mut self, start: i64) -> Result<u64, SourceError> {
        if !self.window.cut
            && self.window.end.is_some_and(|last| start > last.saturating_add(LONGEST_PADDING))
        {
            self.ended = true;
            let reason =
                "its sound goes on behind the end that its header gives; is it several files in one?";
            let error = self.corrupt(None, reason.to_owned(), Remedy::End);
            self.tolerate(error)?;
            return Ok(0);
        }
        // Time stamps begin before 0 where an encoder has added a delay.
        if !std::mem::replace(&mut self.started, true) {
            self.next = self.next.min(start);
        }
        if start < self.next {
            let reason = "its time stamps run backwards".to_owned();
            let error = self.corrupt(None, reason, Remedy::Gap);
            self.tolerate(error)?;
            return Ok(0);
        }
        let mut lost = 0;
        let (from, to) = self.window.clip(self.next, start);
        if from < to {
            let guess = if self.next <= self.window.begin {
                "its first packet is a later one; was it cut out of a longer file without encoding it again?"
            } else {
                "samples are missing"
            };
            let reason = self.failure.take().unwrap_or_else(|| guess.to_owned());
            lost = self.lose(start, reason, Remedy::Gap)?;
        }
        self.failure = None;
        self.next = start;
        Ok(lost)
    }

    /// Tells of the loss of all up to a time stamp, and gives the samples that are lost of the recording.
    fn lose(&mut self, until: i64, reason: String, remedy: Remedy) -> Result<u64, SourceError> {
        let (from, to) = self.window.clip(self.next, until);
        let lost = u64::try_from(to.saturating_sub(from)).unwrap_or(0);
        let hopeless = lost > LONGEST_GAP * u64::from(self.rate);
        let remedy = if hopeless { Remedy::None } else { remedy };
        let error = self.corrupt((lost > 0).then(|| lost as f64 / f64::from(self.rate)), reason, remedy);
        if hopeless {
            return Err(error);
        }
        self.tolerate(error)?;
        self.next = until;
        Ok(lost)
    }

    /// The average of the channels, from a packet's sample `from` on.
    fn mix(&self, from: usize, length: usize, mono: &mut Vec<f64>) {
        let channels = self.planes.len() as f64;
        for (index, plane) in self.planes.iter().enumerate() {
            let samples = plane.iter().skip(from).take(length);
            if index == 0 {
                mono.extend(samples);
            } else {
                mono.iter_mut().zip(samples).for_each(|(sum, sample)| *sum += sample);
            }
        }
        if channels > 1.0 {
            mono.iter_mut().for_each(|sum| *sum /= channels);
        }
    }

    /// Takes note of a packet that cannot be decoded. How much is lost shows when the next one comes.
    fn failed(&mut self, reason: String) -> Result<(), SourceError> {
        if self.corruption == Corruption::Refuse || !self.timed {
            let remedy = if self.timed { Remedy::Gap } else { Remedy::None };
            return Err(self.corrupt(None, reason, remedy));
        }
        self.failure = Some(reason);
        Ok(())
    }

    /// The end of the packets, `early` if the format expected more.
    fn end(&mut self, early: bool) -> Result<(), SourceError> {
        self.ended = true;
        while let Some(damage) = self.damage.pop_front() {
            self.lose(self.next.saturating_add(damage.lost), damage.to_string(), Remedy::End)?;
        }
        let short = match self.window.end {
            Some(end) => self.next < end,
            None => (early || self.cut) && self.delimited || self.failure.is_some(),
        };
        if short {
            let expected = self.window.end.map(|end| self.seconds(end));
            let error =
                SourceError::CutShort { path: self.path.clone(), reached: self.seconds(self.next), expected };
            self.tolerate(error)?;
        } else if !self.damaged && self.decoder.finalize().verify_ok == Some(false) {
            self.tolerate(SourceError::Checksum { path: self.path.clone() })?;
        }
        Ok(())
    }

    fn tolerate(&mut self, error: SourceError) -> Result<(), SourceError> {
        match self.corruption {
            Corruption::Refuse => Err(error),
            Corruption::Tolerate => {
                self.damaged = true;
                self.tolerated.push(error);
                Ok(())
            }
        }
    }

    /// The header's rate and channels can be missing or another's; those of the first packet count, for all.
    fn check_spec(&mut self, rate: u32, channels: usize) -> Result<(), SourceError> {
        if (rate, channels) == (self.rate, self.channels) {
            return Ok(());
        }
        check_rate(&self.path, rate)?;
        check_channels(&self.path, channels)?;
        if self.started && rate != self.rate {
            let reason = format!("its sample rate changes from {} to {rate} Hz", self.rate);
            return Err(self.corrupt(None, reason, Remedy::None));
        }
        self.channels = channels;
        if rate != self.rate {
            self.rate = rate;
            let track = self.format.tracks().iter().find(|track| track.id == self.track).cloned();
            if let Some(track) = track {
                self.read_timing(&track)?;
            }
        }
        Ok(())
    }

    fn check_finite(&self, start: i64, mono: &[f64]) -> Result<(), SourceError> {
        match mono.iter().position(|sample| !sample.is_finite()) {
            None => Ok(()),
            Some(index) => Err(SourceError::NotFinite {
                path: self.path.clone(),
                at: self.seconds(start.saturating_add(index as i64)),
            }),
        }
    }

    /// The time of a time stamp in seconds since the recording's first sample.
    fn seconds(&self, stamp: i64) -> f64 {
        let stamp = self.window.end.map_or(stamp, |end| stamp.min(end));
        stamp.saturating_sub(self.window.begin).max(0) as f64 / f64::from(self.rate.max(1))
    }

    fn corrupt(&self, lost: Option<f64>, reason: String, remedy: Remedy) -> SourceError {
        SourceError::Corrupt { path: self.path.clone(), at: self.seconds(self.next), lost, reason, remedy }
    }

    fn chained(&self) -> SourceError {
        SourceError::Unsupported {
            path: self.path.clone(),
            codec: "several streams in one Ogg file".to_owned(),
            reason: "a chained stream",
        }
    }
}

/// Runs what calls symphonia, and makes an error of its panics: on damaged files some of its assertions fail, such as one
/// on seeking further than 2^63 bytes. Whoever gets an error drops the decoder, so no broken state is used again.
fn guarded<T>(path: &Path, run: impl FnOnce() -> Result<T, SourceError>) -> Result<T, SourceError> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let reason = panic.downcast_ref::<String>().cloned();
        let reason = reason.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(SourceError::DecoderFailed { path: path.to_owned(), reason: reason.unwrap_or_default() })
    })
}

impl Window {
    fn clip(&self, from: i64, to: i64) -> (i64, i64) {
        (from.max(self.begin), self.end.map_or(to, |end| to.min(end)))
    }
}

/// Whether the number of samples in a header is what was encoded, and not an estimate from the bit rate.
fn states_length(format: FormatId, track: &Track) -> bool {
    match format {
        // With a LAME header, delay and length are exact. Without one symphonia estimates, and does not say so.
        FORMAT_ID_MP1 | FORMAT_ID_MP2 | FORMAT_ID_MP3 => track.delay.is_some(),
        FORMAT_ID_ADTS | FORMAT_ID_MKV => false,
        _ => true,
    }
}

/// Opens a regular file that is not empty.
fn open_file(path: &Path) -> Result<File, SourceError> {
    let read_error = |error| SourceError::Read { path: path.to_owned(), error };
    let metadata = match std::fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(crate::sessions::not_found(path)),
        result => result.map_err(read_error)?,
    };
    if !metadata.is_file() {
        let what = if metadata.is_dir() { "a folder" } else { "a device or pipe" };
        return Err(SourceError::NotAFile { path: path.to_owned(), what });
    }
    if metadata.len() == 0 {
        return Err(SourceError::EmptyFile { path: path.to_owned() });
    }
    File::open(path).map_err(read_error)
}

/// Symphonia reads nothing of an MP4 whose sound is cut short, and does not say why.
fn check_complete(path: &Path, file: &mut File) -> Result<(), SourceError> {
    let path = path.to_owned();
    let missing = mp4::missing(file).and_then(|missing| file.rewind().map(|()| missing));
    match missing {
        Ok(0) => Ok(()),
        Ok(missing) => Err(SourceError::Incomplete { path, missing }),
        Err(error) => Err(SourceError::Read { path, error }),
    }
}

/// Symphonia skips what it does not understand of a bare stream, and does not say so.
fn follow(path: &Path, format: &dyn FormatReader) -> Result<Option<Stream>, SourceError> {
    let Some(coding) = Coding::of(format.format_info().format) else { return Ok(None) };
    File::open(path)
        .and_then(|file| Stream::follow(file, coding))
        .map_err(|error| SourceError::Read { path: path.to_owned(), error })
}

fn probe(path: &Path, source: Box<dyn MediaSource>) -> Result<Box<dyn FormatReader>, SourceError> {
    let stream = MediaSourceStream::new(source, Default::default());
    // The content decides, not the name: recordings with a wrong extension are common.
    let probed = PROBE.probe(&Hint::new(), stream, FormatOptions::default(), MetadataOptions::default());
    let path = path.to_owned();
    probed.map_err(|error| match error {
        // The probe itself has no other way to say that it found nothing.
        Error::Unsupported(reason) if reason.starts_with("core (probe)") => {
            let looks_like = looks_like(&path);
            SourceError::NotAudio { path, looks_like }
        }
        // Symphonia has no other error for parts of a header that are not there.
        Error::Unsupported(reason) if !reason.contains("missing") => {
            SourceError::Unsupported { path, codec: "a variant of its format".to_owned(), reason }
        }
        Error::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => {
            SourceError::BrokenHeader { path, reason: "the file ends within it".to_owned() }
        }
        Error::IoError(error) => SourceError::Read { path, error },
        error => SourceError::BrokenHeader { path, reason: error.to_string() },
    })
}

fn looks_like(path: &Path) -> Option<&'static str> {
    let mut head = Vec::with_capacity(sniff::LENGTH);
    File::open(path).ok()?.take(sniff::LENGTH as u64).read_to_end(&mut head).ok()?;
    sniff::looks_like(&head)
}

/// The track that the file marks as its default, or its first one.
fn select_track(
    path: &Path,
    format: &dyn FormatReader,
) -> Result<(Track, AudioCodecParameters), SourceError> {
    format
        .default_track(TrackType::Audio)
        .and_then(|track| {
            let parameters = track.codec_params.as_ref()?.audio()?;
            Some((track.clone(), parameters.clone()))
        })
        .ok_or_else(|| SourceError::NoAudioTrack { path: path.to_owned() })
}

fn channel_count(parameters: &AudioCodecParameters) -> Option<usize> {
    parameters.channels.as_ref().map(|channels| channels.count())
}

fn check_channels(path: &Path, channels: usize) -> Result<(), SourceError> {
    if (1..=MOST_CHANNELS).contains(&channels) {
        return Ok(());
    }
    Err(SourceError::Channels { path: path.to_owned(), channels, most: MOST_CHANNELS })
}

fn check_rate(path: &Path, rate: u32) -> Result<(), SourceError> {
    if RATES.contains(&rate) {
        return Ok(());
    }
    let (least, most) = (*RATES.start(), *RATES.end());
    Err(SourceError::SampleRate { path: path.to_owned(), rate, least, most })
}

/// Why no decoder could be made.
fn unsupported(path: &Path, parameters: &AudioCodecParameters, error: &Error) -> SourceError {
    let path = path.to_owned();
    let (codec, reason) = match parameters.codec {
        codecs::CODEC_ID_OPUS => ("Opus", "symphonia 0.6 has no decoder for it"),
        codecs::CODEC_ID_AAC => ("AAC", "only AAC-LC of one or two channels is decoded, not HE-AAC"),
        codecs::CODEC_ID_SPEEX => ("Speex", ""),
        codecs::CODEC_ID_AC3 => ("AC-3", ""),
        codecs::CODEC_ID_EAC3 => ("E-AC-3", ""),
        codecs::CODEC_ID_DCA => ("DTS", ""),
        codecs::CODEC_ID_WMA => ("Windows Media Audio", ""),
        codecs::CODEC_ID_WAVPACK => ("WavPack", ""),
        codecs::CODEC_ID_MP1 => ("MPEG layer 1", ""),
        codecs::CODEC_ID_MP2 => ("MPEG layer 2", ""),
        codec => {
            return match error {
                Error::Unsupported(reason) => {
                    SourceError::Unsupported { path, codec: format!("codec {codec}"), reason }
                }
                error => SourceError::BrokenHeader { path, reason: error.to_string() },
            };
        }
    };
    match error {
        Error::Unsupported(_) => SourceError::Unsupported { path, codec: codec.to_owned(), reason },
        error => SourceError::BrokenHeader { path, reason: error.to_string() },
    }
}
