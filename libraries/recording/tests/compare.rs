//! A comparison finds what differs, says where it is in words, and calls nothing exact that is not.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod session;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, Output};

use arrow::array::StructArray;
use session::{Said, Sent, folder, message, record, record_unfinished, session};
use undertone_messages::{
    AudioFrame, Emotion, Message, Phase, Sentiment, Speech, Transcript, TranscriptStatus, Watermark, Word,
};
use undertone_recording::{
    Comparison, Content, Difference, Exception, ExceptionKind, Manifest, Options, RecordingError, compare,
    repair, results, verify,
};

/// Two recordings side by side.
struct Pair {
    _folder: tempfile::TempDir,
    first: PathBuf,
    second: PathBuf,
}

impl Pair {
    fn of(first: &[Sent], second: &[Sent]) -> Self {
        Self::with([(first, Content::Messages), (second, Content::Messages)])
    }

    fn with([first, second]: [(&[Sent], Content); 2]) -> Self {
        let folder = folder();
        let paths = ["first", "second"].map(|name| folder.path().join(name));
        record(&paths[0], first.0, first.1);
        record(&paths[1], second.0, second.1);
        let [first, second] = paths;
        Self { _folder: folder, first, second }
    }

    fn compare(&self, options: &Options) -> Result<Comparison, RecordingError> {
        compare(&self.first, &self.second, options)
    }

    fn command(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_recording"));
        command.arg("compare").args([&self.first, &self.second]).args(arguments).output().unwrap()
    }

    /// The first difference, of the only stream that differs, in its only message that does.
    fn difference(&self) -> Difference {
        let comparison = self.compare(&Options::default()).unwrap();
        assert!(!comparison.is_exact());
        let streams: Vec<_> = comparison.streams.iter().filter(|stream| stream.differing > 0).collect();
        assert_eq!(streams.len(), 1);
        assert_eq!(streams[0].differing, 1);
        let difference = comparison.first_difference().unwrap().clone();
        assert_eq!(streams[0].difference.as_ref(), Some(&difference));
        assert!(comparison.to_string().ends_with(&format!("first difference: {difference}")), "{comparison}");
        assert_eq!(self.command(&[]).status.code(), Some(1));
        difference
    }
}

fn tolerance(tolerance: f64) -> Options {
    Options { tolerance, ..Options::default() }
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// A session in which `change` was made to the message of one type.
fn changed<B: undertone_messages::Body>(change: impl Fn(&mut B)) -> Vec<Sent> {
    let change = |message: &StructArray| {
        let Ok(Message { session, seq, body: Some(mut body) }) = Message::<B>::decode(message) else {
            return message.clone();
        };
        change(&mut body);
        session::message(&session, seq, Some(body))
    };
    let fields = Message::<B>::fields();
    session("s", 3)
        .into_iter()
        .map(|(topic, message)| (topic, if *message.fields() == fields { change(&message) } else { message }))
        .collect()
}

fn difference<B: undertone_messages::Body>(change: impl Fn(&mut B)) -> Difference {
    Pair::of(&session("s", 3), &changed(change)).difference()
}

#[test]
fn the_same_is_the_same_byte_for_byte() {
    let pair = Pair::of(&session("s", 3), &session("s", 3));
    let comparison = pair.compare(&Options::default()).unwrap();
    assert!(comparison.is_exact());
    assert_eq!(comparison.streams.len(), 7);
    assert!(comparison.to_string().ends_with("the same, byte for byte"), "{comparison}");
    let output = pair.command(&[]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{comparison}\n"));
}

/// The order of sessions and topics among each other is the machine's doing.
#[test]
fn the_order_between_streams_does_not_count() {
    let (a, b) = (session("a", 1), session("b", 2));
    let one_by_one = [a.clone(), b.clone()].concat();
    let interleaved: Vec<Sent> = a.into_iter().zip(b).flat_map(|(a, b)| [b, a]).rev().collect::<Vec<_>>();
    let mut interleaved = interleaved;
    interleaved.sort_by_key(|(_, message)| undertone_messages::Header::read(message).unwrap().seq);
    assert!(Pair::of(&one_by_one, &interleaved).compare(&Options::default()).unwrap().is_exact());
}

#[test]
fn a_field_that_differs_is_named_with_both_values() {
    let found = difference::<Speech>(|speech| speech.segment = 4);
    assert_eq!(found.field, "segment");
    assert_eq!(found.text, "`segment` is 3 against 4");
    assert_eq!((found.topic.as_str(), found.session.as_str(), found.seq), ("vad/speech", "s", 0));
    assert_eq!((found.segment, found.sample), (Some(3), Some(1504)));
    assert_eq!(
        found.to_string(),
        "vad/speech, session `s`, message 0, segment 3, at 0.094 s (sample 1504): `segment` is 3 against 4"
    );

    let found = difference::<Speech>(|speech| speech.phase = Phase::More);
    assert_eq!(found.text, r#"`phase` is "open" against "more""#);

    let found = difference::<Sentiment>(|sentiment| sentiment.abstained = true);
    assert_eq!(found.text, "`abstained` is false against true");

    // A watermark belongs to no segment.
    let found = difference::<Watermark>(|watermark| watermark.position += 1);
    assert_eq!((found.segment, found.sample), (None, Some(1504)));
    assert_eq!(
        found.to_string(),
        "fusion/watermark, session `s`, message 0, at 0.094 s (sample 1504): `position` is 1504 against 1505"
    );
}

#[test]
fn the_first_field_that_differs_is_told() {
    let found = difference::<Speech>(|speech| {
        speech.probability = 0.75;
        speech.end += 1;
    });
    assert_eq!(found.text, "`end` is 1504 against 1505");
}

#[test]
fn the_last_bit_of_a_float_is_a_difference() {
    let next = |float: &mut f32| *float = f32::from_bits(float.to_bits() + 1);
    let found = difference::<Speech>(|speech| next(&mut speech.probability));
    assert_eq!(found.text, "`probability` is 0.5 against 0.50000006");
    let found = difference::<Sentiment>(|sentiment| next(&mut sentiment.contributions[1].probabilities[2]));
    assert_eq!(found.field, "contributions[1].probabilities[2]");
    assert!(found.text.starts_with("`contributions[1].probabilities[2]` is 0.45"), "{found}");
}

#[test]
fn floats_that_look_alike_are_told_apart() {
    let pair = |first: f32, second: f32| {
        let score = |score| changed::<Sentiment>(move |sentiment| sentiment.score = score);
        Pair::of(&score(first), &score(second))
    };
    assert_eq!(pair(0.0, -0.0).difference().text, "`score` is 0 against -0");
    // One that signals, and the same when it was touched.
    let (signalling, quiet) = (f32::from_bits(0x7f80_0001), f32::from_bits(0x7fc0_0001));
    let found = pair(signalling, quiet).difference();
    assert_eq!(found.text, "`score` is NaN (bits 0x7f800001) against NaN (bits 0x7fc00001)");
    assert!(pair(quiet, quiet).compare(&Options::default()).unwrap().is_exact());
}

#[test]
fn lists_are_compared_element_by_element() {
    let found = difference::<Speech>(|speech| speech.samples = vec![0.5; 15].into());
    assert_eq!(found.text, "`samples` has 16 elements against 15");

    let samples = |changed: &[usize]| {
        let changed = changed.to_vec();
        move |frame: &mut AudioFrame| {
            let mut samples = frame.samples.to_vec();
            changed.iter().for_each(|index| samples[*index] += 1.0);
            frame.samples = samples.into();
        }
    };
    let found = difference(samples(&[5]));
    assert_eq!(found.field, "samples[5]");
    assert_eq!(found.text, "`samples[5]` is 0.45625 against 1.45625");
    let found = difference(samples(&[5, 7, 15]));
    assert_eq!(found.text, "`samples[5]` is 0.45625 against 1.45625, and 2 more of its 16 elements differ");

    let found = difference::<Emotion>(|emotion| emotion.labels[1] = "calm".to_owned());
    assert_eq!(found.text, r#"`labels[1]` is "neutral" against "calm""#);

    let found = difference::<Transcript>(|transcript| {
        transcript.words[2].probability = 0.625;
        transcript.words[2].end += 1;
        transcript.words[4].text = "Canadians".to_owned();
    });
    assert_eq!(found.field, "words[2].end");
    assert_eq!(found.text, "`words[2].end` is 760 against 761, and 1 more of its 5 elements differ");
    let found = difference::<Transcript>(|transcript| transcript.words[2].probability = 0.625);
    assert_eq!(found.text, "`words[2].probability` is 0.5 against 0.625");
}

#[test]
fn long_texts_are_cut_around_their_difference() {
    let text = |before: usize, middle: &'static str, behind: usize| {
        changed::<Transcript>(move |said| said.text = "so ".repeat(before) + middle + &" on".repeat(behind))
    };
    let found =
        Pair::of(&text(40, "my fellow Americans", 0), &text(40, "my fellow Canadians", 0)).difference();
    let so = format!("…{} ", " so".repeat(13));
    assert_eq!(found.text, format!(r#"`text` is {so}my fellow Americans" against {so}my fellow Canadians""#));
    let found = Pair::of(&text(0, "yes", 40), &text(0, "no", 40)).difference();
    let on = " on".repeat(18);
    assert_eq!(found.text, format!(r#"`text` is "yes{on} o… against "no{on} on…"#));
}

#[test]
fn a_message_that_one_has_alone_is_told() {
    let watermark = |seq| ("sink/watermark", message("s", seq, Some(Watermark { position: seq * 16_000 })));
    let end = ("sink/watermark", message::<Watermark>("s", 3, None));
    let whole = [watermark(0), watermark(1), watermark(2)];
    let found = Pair::of(&whole, &whole[..2]).difference();
    assert_eq!((found.seq, found.sample, found.field.as_str()), (2, Some(32_000), ""));
    assert_eq!(found.text, "it is in the first recording alone");
    let found = Pair::of(&whole[..2], &whole).difference();
    assert_eq!((found.seq, found.text.as_str()), (2, "it is in the second recording alone"));
    // The end of a stream has nulls for all else.
    let found =
        Pair::of(&whole, &[&whole[..2], &[("sink/watermark", message::<Watermark>("s", 2, None))]].concat())
            .difference();
    assert_eq!(found.text, "`last` is false against true");
    let ended = [&whole[..], &[end]].concat();
    assert!(Pair::of(&ended, &ended).compare(&Options::default()).unwrap().is_exact());
}

#[test]
fn a_null_is_not_a_value() {
    use arrow::array::{ArrayRef, BooleanArray, Float32Array, LargeListArray, StringArray, UInt64Array};
    use arrow::datatypes::Float32Type;
    use std::sync::Arc;
    let message = |score: Option<f32>, values: Option<Vec<Option<f32>>>| {
        let list = LargeListArray::from_iter_primitive::<Float32Type, _, _>([values]);
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("session", Arc::new(StringArray::from(vec!["s"]))),
            ("seq", Arc::new(UInt64Array::from(vec![0]))),
            ("last", Arc::new(BooleanArray::from(vec![false]))),
            ("score", Arc::new(Float32Array::from(vec![score]))),
            ("values", Arc::new(list)),
        ];
        let fields = columns.into_iter().map(|(name, array)| {
            (Arc::new(arrow::datatypes::Field::new(name, array.data_type().clone(), true)), array)
        });
        [("a/b", StructArray::from(fields.collect::<Vec<_>>()))]
    };
    let whole = message(Some(0.0), Some(vec![Some(1.0), Some(2.0)]));
    let told = |other: [Sent; 1]| Pair::of(&whole, &other).difference().text;
    assert_eq!(told(message(None, Some(vec![Some(1.0), Some(2.0)]))), "`score` is 0 against null");
    assert_eq!(told(message(Some(0.0), None)), "`values` is a list of 2 elements against null");
    assert_eq!(told(message(Some(0.0), Some(vec![Some(1.0), None]))), "`values[1]` is 2 against null");
}

#[test]
fn a_session_that_one_has_alone_is_told() {
    let both = [session("a", 1), session("b", 2)].concat();
    let pair = Pair::of(&both, &session("a", 1));
    let comparison = pair.compare(&Options::default()).unwrap();
    assert!(!comparison.is_exact());
    let alone: Vec<_> = comparison.streams.iter().filter(|stream| stream.differing > 0).collect();
    assert_eq!(alone.len(), 7);
    for stream in alone {
        assert_eq!((stream.session.as_str(), stream.first, stream.second), ("b", 2, 0));
        assert_eq!(stream.difference.as_ref().unwrap().text, "it is in the first recording alone");
    }
}

#[test]
fn messages_of_another_type_are_told() {
    let speech = session("s", 3).into_iter().filter(|(topic, _)| *topic == "vad/speech");
    let watermark = Said::Watermark(Watermark { position: 1 }).message("s", 0);
    let speech: Vec<Sent> = speech.take(1).collect();
    let found = Pair::of(&speech, &[("vad/speech", watermark)]).difference();
    assert!(found.text.starts_with("the fields are session, seq, last, segment, start"), "{found}");
    assert!(found.text.ends_with("against session, seq, last, position"), "{found}");
}

/// A field whose type has changed since.
#[test]
fn a_field_of_another_type_is_told() {
    use arrow::array::{ArrayRef, BooleanArray, Float32Array, Float64Array, StringArray, UInt64Array};
    use std::sync::Arc;
    let message = |score: ArrayRef| {
        let columns: [(&str, ArrayRef, bool); 4] = [
            ("session", Arc::new(StringArray::from(vec!["s"])), false),
            ("seq", Arc::new(UInt64Array::from(vec![0])), false),
            ("last", Arc::new(BooleanArray::from(vec![false])), false),
            ("score", score, true),
        ];
        let fields = columns.into_iter().map(|(name, array, nullable)| {
            (Arc::new(arrow::datatypes::Field::new(name, array.data_type().clone(), nullable)), array)
        });
        [("a/b", StructArray::from(fields.collect::<Vec<_>>()))]
    };
    let (single, double) = (Float32Array::from(vec![0.5]), Float64Array::from(vec![0.5]));
    let found = Pair::of(&message(Arc::new(single)), &message(Arc::new(double))).difference();
    assert_eq!(found.text, "`score` is a f32 against a f64");
}

/// What went wrong first is most likely what made the rest go wrong.
#[test]
fn the_first_difference_is_first_in_time() {
    let (first, mut second) =
        ([session("s", 3), session("t", 90)].concat(), changed::<Sentiment>(|said| said.score = 0.0));
    second.extend(session("t", 90).into_iter().map(|(topic, message)| match topic {
        "acoustic/emotion" => {
            let Message { session, seq, body } = Message::<Emotion>::decode(&message).unwrap();
            let body = body.map(|body| Emotion { modality: "face".to_owned(), ..body });
            (topic, session::message(&session, seq, body))
        }
        _ => (topic, message),
    }));
    let comparison = Pair::of(&first, &second).compare(&Options::default()).unwrap();
    let differing: Vec<_> = comparison.streams.iter().filter(|stream| stream.differing > 0).collect();
    // By name, the other one is first.
    assert_eq!(differing[0].topic, "acoustic/emotion");
    assert_eq!(differing.len(), 2);
    let found = comparison.first_difference().unwrap();
    assert_eq!((found.topic.as_str(), found.session.as_str()), ("fusion/sentiment", "s"));
}

#[test]
fn the_number_of_differing_messages_is_counted() {
    let watermarks = |wrong: &[u64]| -> Vec<Sent> {
        let position = |seq| if wrong.contains(&seq) { 1 } else { 0 };
        (0..50).map(|seq| ("a/b", message("s", seq, Some(Watermark { position: position(seq) })))).collect()
    };
    let pair = Pair::of(&watermarks(&[]), &watermarks(&[7, 12, 48]));
    let comparison = pair.compare(&Options::default()).unwrap();
    assert_eq!(comparison.streams[0].differing, 3);
    assert_eq!(comparison.first_difference().unwrap().seq, 7);
    assert!(comparison.to_string().contains("no, 3 differ"), "{comparison}");
}

#[test]
fn digests_alone_tell_which_messages_differ() {
    let (first, second) = (session("s", 3), changed::<Speech>(|speech| speech.probability = 0.75));
    let contents = [Content::Messages, Content::Digests];
    for (a, b) in [(0, 1), (1, 0), (1, 1)] {
        let same = Pair::with([(&first, contents[a]), (&first, contents[b])]);
        assert!(same.compare(&Options::default()).unwrap().is_exact());
        let found = Pair::with([(&first, contents[a]), (&second, contents[b])]).difference();
        assert_eq!((found.topic.as_str(), found.seq), ("vad/speech", 0));
        assert_eq!(found.text, "the digests differ, and the content was not recorded");
        // Where one of them was recorded whole, it tells the time.
        let known = (a, b) != (1, 1);
        assert_eq!((found.segment, found.sample), if known { (Some(3), Some(1504)) } else { (None, None) });
    }
}

#[test]
fn a_tolerance_is_for_floats_alone() {
    let close = |share: f32| {
        changed::<Sentiment>(move |sentiment| {
            sentiment.score += share;
            sentiment.contributions[0].probabilities[1] += share;
        })
    };
    let pair = Pair::of(&session("s", 3), &close(1e-4));
    let comparison = pair.compare(&tolerance(1e-3)).unwrap();
    assert!(comparison.is_exact());
    assert!(comparison.to_string().ends_with("the same, but for floats within 1e-3"), "{comparison}");
    assert_eq!(pair.command(&["--tolerance", "0.001"]).status.code(), Some(0));
    let comparison = pair.compare(&tolerance(1e-5)).unwrap();
    assert_eq!(comparison.first_difference().unwrap().field, "contributions[0].probabilities[1]");
    assert_eq!(pair.command(&["--tolerance", "0.00001"]).status.code(), Some(1));

    // By share for large ones.
    let large = |score: f32| changed::<Sentiment>(move |sentiment| sentiment.score = score);
    let pair = Pair::of(&large(1e6), &large(1.0001e6));
    assert!(pair.compare(&tolerance(1e-3)).unwrap().is_exact());
    assert!(!pair.compare(&tolerance(1e-5)).unwrap().is_exact());

    // What is the same bit by bit is the same, whatever it is.
    let odd = |text: &'static str, score: f32| {
        changed::<Sentiment>(move |sentiment| {
            sentiment.contributions[0].weight = f32::NAN;
            sentiment.confidence = f32::INFINITY;
            sentiment.score = score;
            sentiment.text = text.to_owned();
        })
    };
    assert!(Pair::of(&odd("a", 0.5), &odd("a", 0.5001)).compare(&tolerance(1e-3)).unwrap().is_exact());
    let pair = Pair::of(&odd("a", 0.5), &odd("b", 0.5001));
    let found = pair.compare(&tolerance(1e-3)).unwrap();
    assert_eq!(found.first_difference().unwrap().text, r#"`text` is "a" against "b""#);
    let pair = Pair::of(&odd("a", 0.5), &odd("a", f32::NAN));
    assert!(!pair.compare(&tolerance(1e9)).unwrap().is_exact());
    for (one, other) in [(0.5, f32::INFINITY), (f32::NEG_INFINITY, f32::INFINITY)] {
        let pair = Pair::of(&odd("a", one), &odd("a", other));
        assert!(!pair.compare(&tolerance(0.05)).unwrap().is_exact(), "{one} against {other}");
    }

    for wrong in ["nan", "-1", "inf", "much"] {
        let output = pair.command(&[&format!("--tolerance={wrong}")]);
        assert_eq!(output.status.code(), Some(2), "{wrong}");
    }
}

#[test]
fn topics_are_chosen_and_left_out() {
    let pair = Pair::of(&session("s", 3), &changed::<Speech>(|speech| speech.segment = 4));
    let some = |chosen: &[&str]| Options { topics: names(chosen), ..Options::default() };
    let all_but = |left: &[&str]| Options { except: names(left), ..Options::default() };
    let topics = |options: &Options| {
        let comparison = pair.compare(options).unwrap();
        let topics = comparison.streams.iter().map(|stream| stream.topic.clone());
        (topics.collect::<Vec<_>>(), comparison.is_exact())
    };
    assert_eq!(topics(&some(&["asr/transcript"])), (vec!["asr/transcript".to_owned()], true));
    assert_eq!(topics(&some(&["vad/speech"])), (vec!["vad/speech".to_owned()], false));
    let (rest, exact) = topics(&all_but(&["vad/speech"]));
    assert!(exact && rest.len() == 6 && !rest.contains(&"vad/speech".to_owned()));
    assert_eq!(pair.command(&["--except", "vad/speech"]).status.code(), Some(0));
    assert_eq!(pair.command(&["--topic", "vad/speech", "--topic", "asr/transcript"]).status.code(), Some(1));

    // A mistyped topic is not one without differences.
    for (options, arguments) in [
        (some(&["vad/speeches"]), ["--topic", "vad/speeches"]),
        (all_but(&["vad/speeches"]), ["--except", "vad/speeches"]),
    ] {
        let error = pair.compare(&options).unwrap_err().to_string();
        assert!(error.contains("no topic `vad/speeches`; it has: acoustic/emotion, "), "{error}");
        let output = pair.command(&arguments);
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8(output.stderr).unwrap().starts_with("error: "));
    }
}

#[test]
fn topics_that_one_has_alone_are_told() {
    let whole = session("s", 3);
    let part: Vec<Sent> = whole.iter().filter(|(topic, _)| *topic != "vad/speech").cloned().collect();
    let pair = Pair::of(&whole, &part);
    let comparison = pair.compare(&Options::default()).unwrap();
    assert_eq!(comparison.only_first, ["vad/speech"]);
    assert!(comparison.only_second.is_empty());
    let told = format!("not compared, only in {}: vad/speech", pair.first.display());
    assert!(comparison.to_string().contains(&told), "{comparison}");
    let error = pair.compare(&Options { topics: names(&["vad/speech"]), ..Options::default() }).unwrap_err();
    assert!(matches!(error, RecordingError::NoTopic { path, .. } if path == pair.second));
}

#[test]
fn nothing_in_common_is_not_the_same() {
    let of =
        |wanted: &str| session("s", 3).into_iter().filter(|(topic, _)| *topic == wanted).collect::<Vec<_>>();
    let pair = Pair::of(&of("vad/speech"), &of("asr/transcript"));
    let comparison = pair.compare(&Options::default()).unwrap();
    assert!(!comparison.is_exact());
    assert!(comparison.to_string().contains("nothing to compare"), "{comparison}");
    assert_eq!(pair.command(&[]).status.code(), Some(1));
}

#[test]
fn what_happened_in_a_run_makes_sameness_prove_nothing() {
    let pair = Pair::of(&session("s", 3), &session("s", 3));
    let mut manifest = Manifest::read(&pair.second).unwrap();
    manifest.exceptions.push(Exception {
        kind: ExceptionKind::Gap,
        place: "source".to_owned(),
        session: Some("s".to_owned()),
        sample: Some(16_000),
        amount: Some(160),
        text: "160 samples were lost".to_owned(),
    });
    manifest.write(&pair.second).unwrap();
    let comparison = pair.compare(&Options::default()).unwrap();
    assert_eq!(comparison.first_difference(), None);
    assert!(!comparison.is_exact());
    let told = format!(
        "no difference was found, but this is not exact:\n  {}: source, session `s`, at 1.000 s: 160 samples were lost",
        pair.second.display()
    );
    assert!(comparison.to_string().ends_with(&told), "{comparison}");
    assert_eq!(pair.command(&[]).status.code(), Some(1));
}

#[test]
fn an_unfinished_recording_is_not_compared() {
    let pair = Pair::of(&session("s", 3), &session("s", 3));
    std::fs::remove_dir_all(&pair.second).unwrap();
    drop(record_unfinished(&pair.second, &session("s", 3), Content::Messages));
    for (first, second) in [(&pair.first, &pair.second), (&pair.second, &pair.first)] {
        let error = compare(first, second, &Options::default()).unwrap_err();
        assert!(matches!(&error, RecordingError::Unfinished(folder) if *folder == pair.second), "{error}");
    }
    let output = pair.command(&[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("recording repair"));
    repair(&pair.second).unwrap();
    assert_eq!(pair.command(&[]).status.code(), Some(1));
}

#[test]
fn a_damaged_recording_is_neither_compared_nor_read() {
    let topics = session("s", 3).into_iter().map(|(topic, _)| topic).collect::<BTreeSet<_>>();
    for topic in topics {
        let file = format!("{topic}.arrow");
        // Cut short, with another recording's file in the place of its own, and without it.
        for damage in ["cut", "foreign", "missing"] {
            let pair = Pair::of(&session("s", 3), &session("s", 3));
            let damaged = pair.second.join(&file);
            let bytes = std::fs::read(&damaged).unwrap();
            match damage {
                "cut" => std::fs::write(&damaged, &bytes[..bytes.len() / 2]).unwrap(),
                "foreign" => {
                    let other = folder();
                    record(&other.path().join("other"), &session("s", 4), Content::Messages);
                    std::fs::copy(other.path().join("other").join(&file), &damaged).unwrap();
                }
                _ => std::fs::remove_file(&damaged).unwrap(),
            }
            for (first, second) in [(&pair.first, &pair.second), (&pair.second, &pair.first)] {
                let error = compare(first, second, &Options::default()).unwrap_err().to_string();
                assert!(error.contains(pair.second.to_str().unwrap()), "{damage} {topic}: {error}");
            }
            assert_eq!(pair.command(&[]).status.code(), Some(2), "{damage} {topic}");
            // What is not asked for need not be whole.
            let others = Options { except: names(&[topic]), ..Options::default() };
            assert!(pair.compare(&others).unwrap().is_exact(), "{damage} {topic}");
            let found = results(&[pair.first.clone(), pair.second.clone()], "fusion/sentiment");
            assert_eq!(found.is_err(), topic == "fusion/sentiment", "{damage} {topic}");
        }
    }
}

/// A device that connects to the gateway again under the name that it had.
#[test]
fn a_name_that_comes_again_is_a_session_of_its_own() {
    let both = [session("s", 3), session("s", 4)].concat();
    let pair = Pair::of(&both, &both);
    assert_eq!(verify(&pair.first).unwrap(), 28);
    assert!(pair.compare(&Options::default()).unwrap().is_exact());
    let found = results(&[pair.first.clone(), pair.second.clone()], "fusion/sentiment").unwrap();
    let starts: Vec<_> = found
        .sessions
        .iter()
        .map(|((name, count), rows)| {
            (name.as_str(), *count, rows.len(), rows[0].0[1].as_ref().unwrap().start)
        })
        .collect();
    assert_eq!(starts, [("s", 1, 1, 480), ("s", 2, 1, 640)]);
    assert!(found.to_string().contains("session `s`, number 2 of that name"), "{found}");
    // One of two that differs is found.
    let other = Pair::of(&both, &[session("s", 3), session("s", 5)].concat());
    assert_eq!(other.compare(&Options::default()).unwrap().first_difference().unwrap().session, "s");
}

/// Results as they were before they carried the weights that they used.
#[test]
fn results_of_a_version_with_other_fields_are_set_side_by_side() {
    let without = |(topic, message): Sent| {
        let fields = message.fields().iter().cloned().zip(message.columns().iter().cloned());
        let kept = fields.filter(|(field, _)| field.name() != "weighting");
        let message = if topic == "fusion/sentiment" { kept.collect::<Vec<_>>().into() } else { message };
        (topic, message)
    };
    let old: Vec<Sent> = session("s", 3).into_iter().map(without).collect();
    let error = Message::<Sentiment>::decode(&old[5].1).unwrap_err().to_string();
    assert!(error.contains("`weighting`") && error.contains("another version"), "{error}");
    let pair = Pair::of(&old, &session("s", 3));
    let found = pair.compare(&Options::default()).unwrap().first_difference().unwrap().text.clone();
    assert!(found.starts_with("the fields are session, seq,") && found.contains("weighting"), "{found}");
    let found = results(&[pair.first.clone(), pair.second.clone()], "fusion/sentiment").unwrap();
    let score = found.score(1);
    assert_eq!((score.utterances, score.matched, score.same_label, score.word_edits), (1, 1, 1, 0));
    // What is no result is still none.
    let speech = results(std::slice::from_ref(&pair.first), "vad/speech").unwrap_err().to_string();
    assert!(speech.contains("`labels`"), "{speech}");
}

#[test]
fn a_rejected_transcript_is_told_like_any_other() {
    let found = difference::<Transcript>(|transcript| {
        transcript.status = TranscriptStatus::Rejected;
        transcript.words = vec![Word { text: "and".to_owned(), start: 0, end: 1, probability: 0.5 }];
    });
    assert_eq!(found.text, "`words` has 5 elements against 1");
}

/// The other subcommands, as a user meets them.
mod command {
    use super::*;

    fn recording(arguments: &[&str]) -> (Option<i32>, String, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_recording")).args(arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    #[test]
    fn a_recording_is_shown_verified_and_repaired() {
        let folder = folder();
        let path = folder.path().join("recording");
        let name = path.to_str().unwrap();
        drop(record_unfinished(&path, &session("s", 3), Content::Messages));
        let (code, _, error) = recording(&["verify", name]);
        assert_eq!(code, Some(2));
        assert!(
            error.contains("was not finished") && error.contains(&format!("recording repair {name}")),
            "{error}"
        );
        let (code, shown, _) = recording(&["show", name]);
        assert_eq!(code, Some(0));
        assert!(shown.contains("vad/speech: not finished\n"), "{shown}");
        assert!(shown.contains("not exact") && shown.contains("`recording repair`"), "{shown}");
        let (code, text, _) = recording(&["repair", name]);
        assert_eq!(code, Some(0));
        assert!(text.contains("vad/speech: session `s`, 2 messages, 0.1 s, "), "{text}");
        assert!(text.contains("recorder did not finish it"), "{text}");
        let (code, _, error) = recording(&["repair", name]);
        assert_eq!(
            (code, error.as_str()),
            (Some(2), format!("error: {name} is finished, so there is nothing to repair\n").as_str())
        );
        let (code, text, _) = recording(&["verify", name]);
        assert_eq!((code, text), (Some(0), format!("{name}: 14 messages, all as the manifest says\n")));
        let (code, shown, _) = recording(&["show", name]);
        assert_eq!(code, Some(0));
        assert!(
            shown.starts_with("recorded 2") && shown.contains("acoustic/emotion: session `s`"),
            "{shown}"
        );
    }

    #[test]
    fn a_folder_without_a_recording_is_an_error() {
        let folder = folder();
        let name = folder.path().to_str().unwrap();
        for arguments in [&["show", name][..], &["verify", name], &["repair", name], &["compare", name, name]]
        {
            let (code, text, error) = recording(arguments);
            assert_eq!((code, text.as_str()), (Some(2), ""));
            assert_eq!(error, format!("error: {name} is not a recording: there is no manifest.json in it\n"));
        }
    }
}
