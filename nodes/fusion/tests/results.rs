//! What results say, in small examples worked by hand, and what is refused.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first thing that is not as it must be"
)]

mod streams;

use streams::{Sent, Step, config, emotion, run, segment, speech, text, transcript, voice};
use undertone_fusion::{Awaited, Config, Emotion, Fusion, FusionError};
use undertone_messages::{
    Contribution, Detail, Phase, Profile, Scope, Sentiment, SentimentStatus, TranscriptStatus, Weighting,
};
use undertone_stage::{CourseError, Join};

const ALL: [&str; 4] = ["speech", "acoustic", "text", "transcript"];

fn on(input: &'static str, step: Step) -> (&'static str, Step) {
    (input, step)
}

/// Segment 0, samples 16000 to 48000, with these closing messages.
fn one_segment(config: &Config, closing: Vec<(&'static str, Step)>) -> Result<Sent, FusionError> {
    let ledger = segment(0, 16_000, 48_000).into_iter().map(|step| on("speech", step));
    run(config, ledger.chain(closing))
}

fn only(sent: &Sent) -> &Sentiment {
    assert_eq!(sent.sentiment.len(), 1, "{sent:?}");
    sent.sentiment[0].as_ref().unwrap()
}

/// Equal up to the rounding of an `f32`.
fn close(values: &[f32], expected: &[f32]) {
    let near = values.iter().zip(expected).all(|(value, expected)| (value - expected).abs() < 1e-6);
    assert!(near && values.len() == expected.len(), "{values:?} for {expected:?}");
}

fn spoken(step: Step) -> Vec<(&'static str, Step)> {
    let words = transcript(0, TranscriptStatus::Final, "We won.");
    vec![on("acoustic", voice(0, &[0.5, 0.3, 0.2])), on("transcript", words), on("text", step)]
}

#[test]
fn voice_and_text_are_weighted_as_the_arguments_say() {
    let sent = one_segment(&config(&ALL, &[]), spoken(text(0, &[0.1, 0.2, 0.7]))).unwrap();
    let contribution = |modality: &str, weight: f32, probabilities: [f32; 3]| Contribution {
        modality: modality.to_owned(),
        model: format!("{modality}-model@0123456789ab"),
        weight,
        weights: vec![weight; 3],
        probabilities: probabilities.to_vec(),
        end: 1,
        reason: String::new(),
        detail: Detail::default(),
    };
    let provisional = Sentiment {
        segment: 0,
        start: 16_000,
        end: 48_000,
        status: SentimentStatus::Provisional,
        profile: Profile::AudioOnly,
        labels: ["negative", "neutral", "positive"].map(str::to_owned).to_vec(),
        probabilities: vec![0.5, 0.3, 0.2],
        weighting: Weighting::Fixed,
        model: String::new(),
        contributions: vec![contribution("voice", 1.0, [0.5, 0.3, 0.2])],
        bias: Vec::new(),
        temperature: 1.0,
        score: -0.3,
        confidence: 0.5,
        abstained: false,
        anomaly: false,
        text: String::new(),
        degraded: String::new(),
    };
    // 0.65 · 0.1 + 0.35 · 0.5 = 0.24, 0.65 · 0.2 + 0.35 · 0.3 = 0.235, 0.65 · 0.7 + 0.35 · 0.2 = 0.525
    let result = Sentiment {
        status: SentimentStatus::Final,
        profile: Profile::Both,
        probabilities: vec![0.24, 0.235, 0.525],
        contributions: vec![
            contribution("text", 0.65, [0.1, 0.2, 0.7]),
            contribution("voice", 0.35, [0.5, 0.3, 0.2]),
        ],
        score: 0.285,
        confidence: 0.525,
        text: "We won.".to_owned(),
        ..provisional.clone()
    };
    assert_eq!(sent.provisional, [Some(provisional)]);
    assert_eq!(sent.sentiment, [Some(result)]);
    assert_eq!(sent.watermark, [Some(48_000)]);
}

#[test]
fn a_rejected_transcript_leaves_the_voice_alone() {
    for (estimate, reason) in [
        (text(0, &[]), "too short"),
        // A text model that does not care about the status of a transcript.
        (text(0, &[0.1, 0.1, 0.8]), "the transcript was rejected: nobody speaks"),
    ] {
        let closing = vec![
            on("acoustic", voice(0, &[0.5, 0.3, 0.2])),
            on("transcript", transcript(0, TranscriptStatus::Rejected, "Thank you.")),
            on("text", estimate),
        ];
        let sent = one_segment(&config(&ALL, &[]), closing).unwrap();
        let result = only(&sent);
        assert_eq!((result.profile, result.text.as_str()), (Profile::AudioOnly, ""));
        close(&result.probabilities, &[0.5, 0.3, 0.2]);
        let contributions = result.contributions.iter().map(|c| (c.weight, c.reason.as_str()));
        assert_eq!(contributions.collect::<Vec<_>>(), [(0.0, reason), (1.0, "")]);
    }
}

#[test]
fn a_silent_branch_is_not_waited_for_until_it_is_heard_again() {
    let whole = |number: u64| segment(number, number * 32_000, number * 32_000 + 16_000);
    let ledger = (0..4).flat_map(whole).map(|step| on("speech", step));
    let mut steps: Vec<_> = ledger.collect();
    steps.extend((0..4).map(|number| on("acoustic", voice(number, &[0.5, 0.3, 0.2]))));
    let said = |number| {
        [
            on("transcript", transcript(number, TranscriptStatus::Final, "We won.")),
            on("text", text(number, &[0.1, 0.2, 0.7])),
        ]
    };
    let given_up = ["text", "transcript"].map(|input| on(input, Step::GivenUp));
    let profiles = |steps: &[(&'static str, Step)]| -> Vec<_> {
        let sent = run(&config(&ALL, &[]), steps.to_vec()).unwrap();
        sent.sentiment
            .iter()
            .flatten()
            .map(|result| (result.segment, result.profile, result.degraded.clone()))
            .collect()
    };
    let without = "without text and transcript, silent for too long".to_owned();
    let silent = |number| (number, Profile::AudioOnly, without.clone());
    assert_eq!(profiles(&steps), []);
    // One that is given up is not waited for in the segments behind, either.
    steps.extend(given_up.clone());
    assert_eq!(profiles(&steps), [0, 1, 2, 3].map(silent));
    // Late words of segments that are done are passed over, and segments behind them are waited for again.
    steps.extend(said(0).into_iter().chain(said(1)).chain(said(2)).chain(said(3)));
    steps.extend(whole(4).into_iter().map(|step| on("speech", step)));
    steps.push(on("acoustic", voice(4, &[0.5, 0.3, 0.2])));
    assert_eq!(profiles(&steps).len(), 4);
    steps.extend(said(4));
    assert_eq!(profiles(&steps).last(), Some(&(4, Profile::Both, String::new())));
}

#[test]
fn what_is_awaited_is_told() {
    let mut fusion = Fusion::begin(&config(&ALL, &[]));
    let mut output = Vec::new();
    let mut take =
        |fusion: &mut Fusion, input, step| streams::apply(fusion, input, step, &mut output).unwrap();
    let awaited = |segment, inputs: &[&'static str]| Some(Awaited { segment, inputs: inputs.to_vec() });
    assert_eq!(fusion.awaited(), None);
    segment(0, 0, 16_000).into_iter().for_each(|step| take(&mut fusion, "speech", step));
    take(&mut fusion, "acoustic", voice(0, &[0.5, 0.3, 0.2]));
    assert_eq!(fusion.awaited(), awaited(Some(0), &["text", "transcript"]));
    take(&mut fusion, "text", Step::GivenUp);
    assert_eq!(fusion.awaited(), awaited(Some(0), &["transcript"]));
    take(&mut fusion, "transcript", transcript(0, TranscriptStatus::Final, "We won."));
    assert_eq!(fusion.awaited(), None);
    for input in ["transcript", "speech", "acoustic"] {
        take(&mut fusion, input, Step::End);
    }
    assert_eq!(fusion.awaited(), awaited(None, &["text"]));
    take(&mut fusion, "text", Step::Lost);
    assert_eq!(fusion.awaited(), None);
    assert!(fusion.is_done());
}

#[test]
fn a_dead_branch_is_not_waited_for() {
    let dead = || vec![on("text", Step::Lost), on("transcript", Step::Lost)];
    let closing = [vec![on("acoustic", voice(0, &[0.5, 0.3, 0.2]))], dead()].concat();
    let sent = one_segment(&config(&ALL, &[]), closing).unwrap();
    let result = only(&sent);
    assert_eq!(result.profile, Profile::AudioOnly);
    assert_eq!(result.contributions[0].modality, "text");
    assert_eq!(result.contributions[0].reason, "input `text` ended early");
    assert_eq!(result.contributions[0].end, 16_000, "it covers nothing");

    let words = transcript(0, TranscriptStatus::Final, "We won.");
    let closing =
        vec![on("acoustic", Step::Lost), on("transcript", words), on("text", text(0, &[0.1, 0.2, 0.7]))];
    let sent = one_segment(&config(&ALL, &[]), closing).unwrap();
    let result = only(&sent);
    assert_eq!((result.profile, result.text.as_str()), (Profile::TextOnly, "We won."));
    assert_eq!(result.contributions[1].modality, "voice", "though it never said so");
    assert_eq!(sent.provisional, [], "there was never anything to say before the text");
}

#[test]
fn without_any_estimate_there_is_a_result_that_abstains() {
    let sent =
        one_segment(&config(&["speech", "acoustic"], &[]), vec![on("acoustic", voice(0, &[]))]).unwrap();
    let result = only(&sent);
    assert_eq!((result.profile, result.abstained), (Profile::Neither, true));
    assert_eq!((result.labels.len(), result.probabilities.len()), (0, 0));
    assert_eq!((result.score, result.confidence), (0.0, 0.0));
    assert_eq!(result.contributions[0].reason, "too short");
    assert_eq!(sent.watermark, [Some(48_000)]);
    assert_eq!(sent.provisional, []);
}

#[test]
fn a_result_below_the_threshold_abstains() {
    let abstained = |below: &str| {
        let config = config(&["speech", "acoustic"], &["--abstain-below", below]);
        let sent = one_segment(&config, vec![on("acoustic", voice(0, &[0.5, 0.25, 0.25]))]).unwrap();
        only(&sent).abstained
    };
    assert!(!abstained("0.0"));
    assert!(!abstained("0.5"));
    assert!(abstained("0.51"));
}

#[test]
fn an_unsure_text_gives_weight_to_the_voice() {
    let weights = |voiced: &[f32], written: &[f32]| {
        let labels = |step: Step| match step {
            Step::Emotion(emotion) => {
                let labels = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
                Step::Emotion(Emotion { labels, ..emotion })
            }
            step => step,
        };
        let emotion = |modality, p| Step::Emotion(emotion(modality, Scope::Segment, 0, p));
        let config = config(&["speech", "acoustic", "text"], &["--weighting", "entropy"]);
        let closing = vec![
            on("acoustic", labels(emotion("voice", voiced))),
            on("text", labels(emotion("text", written))),
        ];
        let sent = one_segment(&config, closing).unwrap();
        only(&sent).contributions.iter().map(|contribution| contribution.weight).collect::<Vec<f32>>()
    };
    let (unsure, half, sure) = ([0.25; 4], [0.5, 0.5, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]);
    // Text first. Certainty is 0, 1/2 and 1.
    assert_eq!(weights(&sure, &unsure), [0.0, 1.0]);
    assert_eq!(weights(&unsure, &half), [1.0, 0.0]);
    assert_eq!(weights(&unsure, &unsure), [0.65, 0.35]);
    assert_eq!(weights(&half, &half), [0.65, 0.35]);
    // 0.65 · 1/2 = 0.325 beside 0.35 · 1
    close(&weights(&sure, &half), &[0.325 / 0.675, 0.35 / 0.675]);
}

#[test]
fn an_input_of_any_name_takes_part_with_its_share() {
    let config = config(&["speech", "acoustic", "text", "face"], &["--weight", "face=0.2"]);
    let face = Step::Emotion(emotion("face", Scope::Segment, 0, &[1.0, 0.0, 0.0]));
    let closing = vec![
        on("face", face),
        on("acoustic", voice(0, &[0.0, 1.0, 0.0])),
        on("text", text(0, &[0.0, 0.0, 1.0])),
    ];
    let sent = one_segment(&config, closing).unwrap();
    // 0.2, and of the remaining 0.8 the voice 0.35 and the text 0.65
    close(&only(&sent).probabilities, &[0.2, 0.28, 0.52]);
    let modalities: Vec<_> = only(&sent).contributions.iter().map(|piece| piece.modality.as_str()).collect();
    assert_eq!(modalities, ["face", "text", "voice"]);
    assert_eq!(only(&sent).profile, Profile::Both);
}

#[test]
fn a_weight_of_zero_silences_an_input() {
    let config = config(&["speech", "acoustic", "text"], &["--text-weight", "1"]);
    let both = vec![on("acoustic", voice(0, &[0.5, 0.3, 0.2])), on("text", text(0, &[0.1, 0.2, 0.7]))];
    let sent = one_segment(&config, both).unwrap();
    close(&only(&sent).probabilities, &[0.1, 0.2, 0.7]);
    assert_eq!(only(&sent).profile, Profile::TextOnly);
    close(&only(&sent).contributions[1].probabilities, &[0.5, 0.3, 0.2]);
    assert_eq!(sent.provisional, []);

    let alone = vec![on("acoustic", voice(0, &[0.5, 0.3, 0.2])), on("text", text(0, &[]))];
    let sent = one_segment(&config, alone).unwrap();
    assert_eq!((only(&sent).profile, only(&sent).abstained), (Profile::Neither, true));
    assert_eq!(only(&sent).contributions[1].reason, "its weight is 0");
}

/// A two-class text model, as those trained on SST-2 are, beside a voice model with three classes.
fn sst2(negative: f32, positive: f32) -> Step {
    let labels = ["NEGATIVE", "POSITIVE"].map(str::to_owned).to_vec();
    let model = "distilbert-sst2@ba9876543210".to_owned();
    let base = emotion("text", Scope::Segment, 0, &[negative, positive]);
    Step::Emotion(Emotion { labels, model, ..base })
}

#[test]
fn labels_that_differ_are_refused_with_models_and_labels() {
    let error = one_segment(&config(&ALL, &[]), spoken(sst2(0.2, 0.8))).unwrap_err().to_string();
    assert!(
        error.contains("input `text`, model distilbert-sst2@ba9876543210, has: negative, positive"),
        "{error}"
    );
    assert!(
        error.contains("input `acoustic`, model voice-model@0123456789ab, has: negative, neutral, positive"),
        "{error}"
    );
    assert!(error.contains("--missing-labels infer") && error.contains("--map"), "{error}");
}

#[test]
fn missing_labels_are_inferred_from_the_inputs_that_have_them() {
    let config = config(&ALL, &["--missing-labels", "infer"]);
    let sent = one_segment(&config, spoken(sst2(0.2, 0.8))).unwrap();
    let result = only(&sent);
    // The voice says 0.3 neutral, so the text divides 0.7: 0.14 and 0.56. Then 0.65 · 0.14 + 0.35 · 0.5 = 0.266,
    // 0.3, and 0.65 · 0.56 + 0.35 · 0.2 = 0.434.
    close(&result.probabilities, &[0.266, 0.3, 0.434]);
    close(&result.contributions[0].probabilities, &[0.14, 0.3, 0.56]);
    assert_eq!(result.labels, ["negative", "neutral", "positive"]);

    let closing = vec![
        on("acoustic", voice(0, &[])),
        on("transcript", transcript(0, TranscriptStatus::Final, "We won.")),
        on("text", sst2(0.2, 0.8)),
    ];
    let sent = one_segment(&config, closing).unwrap();
    assert_eq!(only(&sent).labels, ["negative", "positive"], "nobody knows anything of neutral");
}

#[test]
fn labels_that_no_input_has_in_full_cannot_be_inferred() {
    let config = config(&ALL, &["--missing-labels", "infer"]);
    let Step::Emotion(happy) = sst2(0.2, 0.8) else { unreachable!() };
    let happy = Step::Emotion(Emotion { labels: vec!["sad".to_owned(), "happy".to_owned()], ..happy });
    let error = one_segment(&config, spoken(happy)).unwrap_err();
    assert!(matches!(error, FusionError::NoneHasAll { .. }), "{error}");
}

#[test]
fn labels_are_compared_by_name_not_by_place_or_case() {
    let Step::Emotion(mixed) = text(0, &[0.1, 0.2, 0.7]) else { unreachable!() };
    let labels = ["Positive", "NEGATIVE", "neutral"].map(str::to_owned).to_vec();
    let mixed = Step::Emotion(Emotion { labels, ..mixed });
    let sent = one_segment(&config(&ALL, &[]), spoken(mixed)).unwrap();
    // The text means 0.2, 0.7, 0.1 in alphabetical order: 0.65 · 0.2 + 0.35 · 0.5, and so on.
    close(&only(&sent).probabilities, &[0.305, 0.56, 0.135]);
}

#[test]
fn labels_can_be_mapped() {
    let words =
        ["--map", "text:NEGATIVE=sad", "--map", "text:POSITIVE=happy", "--map", "acoustic:negative=sad"];
    let words =
        [&words[..], &["--map", "acoustic:neutral=happy", "--map", "acoustic:positive=happy"]].concat();
    let sent = one_segment(&config(&ALL, &words), spoken(sst2(0.2, 0.8))).unwrap();
    assert_eq!(only(&sent).labels, ["happy", "sad"]);
    close(&only(&sent).probabilities, &[0.65 * 0.8 + 0.35 * 0.5, 0.65 * 0.2 + 0.35 * 0.5]);
    assert_eq!(only(&sent).score, 0.0, "there is no negative and positive");
}

#[test]
fn provisional_results_do_not_wait_for_earlier_final_ones() {
    let mut steps = vec![];
    for (number, start) in [(0, 0), (1, 1000), (2, 2000)] {
        steps.extend(segment(number, start, start + 1000).into_iter().map(|step| on("speech", step)));
        steps.push(on("acoustic", voice(number, &[0.5, 0.3, 0.2])));
    }
    let sent = run(&config(&ALL, &[]), steps).unwrap();
    let segments: Vec<_> = sent.provisional.iter().flatten().map(|result| result.segment).collect();
    assert_eq!(segments, [0, 1, 2]);
    assert_eq!((sent.sentiment, sent.watermark), (vec![], vec![]));
}

#[test]
fn streams_that_break_the_contract_are_refused() {
    let open = || on("speech", speech(Phase::Open, 0, 0, 10));
    let ended = || on("speech", speech(Phase::Final, 0, 0, 10));
    let cancelled = || on("speech", speech(Phase::Cancelled, 0, 0, 10));
    let closed = |segment| on("acoustic", voice(segment, &[0.5, 0.3, 0.2]));
    let window =
        |segment| on("acoustic", Step::Emotion(emotion("voice", Scope::Window, segment, &[0.5, 0.3, 0.2])));
    let end = |input| on(input, Step::End);
    let input = || "acoustic".to_owned();
    let cases = [
        (
            "twice",
            vec![closed(0), closed(0)],
            CourseError::OutOfOrder { input: input(), segment: 0, latest: 0 }.into(),
        ),
        (
            "late",
            vec![closed(0), window(0)],
            CourseError::OutOfOrder { input: input(), segment: 0, latest: 0 }.into(),
        ),
        (
            "done and late",
            vec![open(), ended(), closed(0), window(0)],
            CourseError::OutOfOrder { input: input(), segment: 0, latest: 0 }.into(),
        ),
        (
            "back",
            vec![closed(1), closed(0)],
            CourseError::OutOfOrder { input: input(), segment: 0, latest: 1 }.into(),
        ),
        (
            "left out",
            vec![open(), ended(), window(1)],
            CourseError::Skipped { input: input(), segment: 0 }.into(),
        ),
        (
            "ended",
            vec![open(), ended(), end("acoustic")],
            CourseError::Skipped { input: input(), segment: 0 }.into(),
        ),
        (
            "ended first",
            vec![end("acoustic"), open(), ended()],
            CourseError::Skipped { input: input(), segment: 0 }.into(),
        ),
        ("behind", vec![end("acoustic"), window(0)], CourseError::AfterEnd { input: input() }.into()),
        ("two ends", vec![end("acoustic"), end("acoustic")], CourseError::AfterEnd { input: input() }.into()),
        (
            "cancelled",
            vec![open(), cancelled(), closed(0)],
            FusionError::Cancelled { input: input(), segment: 0 },
        ),
        (
            "cancelled later",
            vec![closed(0), open(), cancelled()],
            FusionError::Cancelled { input: input(), segment: 0 },
        ),
        (
            "from nowhere",
            vec![window(3), end("speech")],
            FusionError::UnknownSegment { input: input(), segment: 3, segments: 0..0 },
        ),
        (
            "from nowhere later",
            vec![end("speech"), closed(0)],
            FusionError::UnknownSegment { input: input(), segment: 0, segments: 0..0 },
        ),
        (
            "from before the first segment",
            vec![
                closed(2),
                on("speech", speech(Phase::Open, 5, 0, 10)),
                on("speech", speech(Phase::Cancelled, 5, 0, 0)),
                end("speech"),
            ],
            FusionError::UnknownSegment { input: input(), segment: 2, segments: 5..6 },
        ),
        (
            "from before the first segment, later",
            vec![
                on("speech", speech(Phase::Open, 5, 0, 10)),
                closed(2),
                on("speech", speech(Phase::Cancelled, 5, 0, 0)),
                end("speech"),
            ],
            FusionError::UnknownSegment { input: input(), segment: 2, segments: 5..6 },
        ),
        ("ledger", vec![open(), on("speech", Step::Lost)], FusionError::LedgerLost),
        (
            "other modality",
            vec![window(0), on("acoustic", text(0, &[0.5, 0.3, 0.2]))],
            FusionError::Modality { input: input(), before: "voice".to_owned(), now: "text".to_owned() },
        ),
    ];
    for (name, steps, expected) in cases {
        let error = run(&config(&["speech", "acoustic", "text"], &[]), steps).unwrap_err();
        assert_eq!(error, expected, "{name}");
    }
    for (input, step) in [("face", voice(0, &[])), ("transcript", transcript(0, TranscriptStatus::Final, ""))]
    {
        let error = run(&config(&["speech", "acoustic"], &[]), [(input, step)]).unwrap_err().to_string();
        assert_eq!(error, format!("there is no input `{input}`; fusion was set up with: speech, acoustic"));
    }
}

#[test]
fn changed_arguments_count_from_the_next_result_on() {
    let mut fusion = Fusion::begin(&config(&["speech", "acoustic"], &[]));
    let mut output = vec![];
    for (number, below) in [(0, "0.6"), (1, "0.4")] {
        fusion.adjust(config(&["speech", "acoustic"], &["--abstain-below", below]));
        for step in segment(number, number * 10, number * 10 + 10) {
            streams::apply(&mut fusion, "speech", step, &mut output).unwrap();
        }
        let closing = voice(number, &[0.5, 0.25, 0.25]);
        streams::apply(&mut fusion, "acoustic", closing, &mut output).unwrap();
    }
    let abstained: Vec<_> = Sent::new(output).sentiment.iter().flatten().map(|r| r.abstained).collect();
    assert_eq!(abstained, [true, false]);
}
