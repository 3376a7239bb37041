//! What one input holds of a segment: its probabilities, or why it has none.

use std::collections::BTreeMap;

use undertone_messages::{Detail, Emotion, Scope};

use crate::arguments::Pooling;
use crate::error::FusionError;

/// How far the sum of a model's probabilities may be from 1.
const TOLERANCE: f64 = 1e-3;

/// Probabilities of labels that exclude each other. The labels are in lower case and in alphabetical order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Opinion(BTreeMap<String, f64>);

impl Opinion {
    pub(crate) fn labels(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub(crate) fn label_count(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn probability(&self, label: &str) -> Option<f64> {
        self.0.get(label).copied()
    }

    /// How sure the opinion is: 1 − H/ln K for the entropy H over K labels. 0 for equal probabilities, 1 for certainty.
    pub(crate) fn certainty(&self) -> f64 {
        if self.0.len() < 2 {
            return 1.0;
        }
        let entropy: f64 = self.0.values().filter(|p| **p > 0.0).map(|p| -p * p.ln()).sum();
        (1.0 - entropy / (self.0.len() as f64).ln()).clamp(0.0, 1.0)
    }

    /// The mean of opinions on the same labels, or each label's maximum scaled so that they sum to 1.
    fn pool(opinions: &[Self], maximum: bool) -> Option<Self> {
        let mut pooled = opinions.first()?.0.clone();
        for (label, value) in &mut pooled {
            let values = opinions.iter().filter_map(|opinion| opinion.probability(label));
            *value = if maximum { values.fold(0.0, f64::max) } else { values.sum() };
        }
        let sum: f64 = pooled.values().sum();
        pooled.values_mut().for_each(|value| *value /= sum);
        Some(Self(pooled))
    }
}

/// What one input holds of a segment that it has closed, or will not close any more.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Evidence {
    pub(crate) input: String,
    pub(crate) modality: String,
    pub(crate) model: String,
    /// Sample index behind the last sample that it covers.
    pub(crate) end: u64,
    /// The opinion, or why there is none.
    pub(crate) opinion: Result<Opinion, String>,
    /// What the model told of the segment beyond its labels.
    pub(crate) detail: Detail,
}

impl Evidence {
    /// The input and its model, with the labels, for error messages.
    pub(crate) fn describe(&self) -> String {
        let labels: Vec<_> = self.opinion.iter().flat_map(Opinion::labels).collect();
        format!("input `{}`, model {}, has: {}", self.input, self.model, labels.join(", "))
    }
}

/// Reads an input's messages.
pub(crate) struct Reader<'a> {
    pub(crate) input: &'a str,
    pub(crate) pooling: Pooling,
    /// New names of labels in lower case.
    pub(crate) mapping: Option<&'a BTreeMap<String, String>>,
}

impl Reader<'_> {
    /// The evidence in the messages of a segment, of which the last is `closing`.
    pub(crate) fn evidence(&self, reports: &[Emotion], closing: &Emotion) -> Result<Evidence, FusionError> {
        let (opinion, end) = match self.pooled(reports)? {
            Some((opinion, end)) => (Ok(opinion), end),
            None => (self.opinion(closing)?, closing.end),
        };
        Ok(Evidence {
            input: self.input.to_owned(),
            modality: closing.modality.clone(),
            model: closing.model.clone(),
            end,
            opinion,
            detail: closing.detail.clone(),
        })
    }

    /// The opinion pooled from the windows, and where the last of them ends, if windows are asked for and there.
    fn pooled(&self, reports: &[Emotion]) -> Result<Option<(Opinion, u64)>, FusionError> {
        if self.pooling == Pooling::Segment {
            return Ok(None);
        }
        let mut opinions: Vec<Opinion> = Vec::new();
        let mut end = 0;
        for window in reports.iter().filter(|report| report.scope == Scope::Window) {
            let Ok(opinion) = self.opinion(window)? else { continue };
            if opinions.first().is_some_and(|first| !first.labels().eq(opinion.labels())) {
                return Err(self.problem(window, "its labels are others than those before".to_owned()));
            }
            opinions.push(opinion);
            end = end.max(window.end);
        }
        Ok(Opinion::pool(&opinions, self.pooling == Pooling::Max).map(|opinion| (opinion, end)))
    }

    /// The opinion in a message, or why there is none.
    fn opinion(&self, emotion: &Emotion) -> Result<Result<Opinion, String>, FusionError> {
        if emotion.labels.is_empty() {
            let reason = if emotion.reason.is_empty() { "no reason given" } else { &emotion.reason };
            return Ok(Err(reason.to_owned()));
        }
        let mut given = BTreeMap::new();
        for (label, &probability) in emotion.labels.iter().zip(&emotion.probabilities) {
            if !(0.0..=1.0 + TOLERANCE as f32).contains(&probability) {
                return Err(self.problem(emotion, format!("the probability of `{label}` is {probability}")));
            }
            if given.insert(label.to_lowercase(), f64::from(probability)).is_some() {
                return Err(self.problem(emotion, format!("the label `{label}` is there twice")));
            }
        }
        let sum: f64 = given.values().sum();
        if (sum - 1.0).abs() > TOLERANCE {
            return Err(self.problem(emotion, format!("the probabilities sum to {sum:.3}, not 1")));
        }
        self.rename(emotion, given).map(Ok)
    }

    /// Gives the labels their new names and adds up those that get the same.
    fn rename(&self, emotion: &Emotion, given: BTreeMap<String, f64>) -> Result<Opinion, FusionError> {
        let Some(mapping) = self.mapping else { return Ok(Opinion(given)) };
        if let Some(label) = mapping.keys().find(|label| !given.contains_key(*label)) {
            return Err(FusionError::UnknownLabel {
                input: self.input.to_owned(),
                model: emotion.model.clone(),
                label: label.clone(),
                labels: emotion.labels.join(", "),
            });
        }
        let mut renamed = BTreeMap::new();
        for (label, probability) in given {
            let name = mapping.get(&label).cloned().unwrap_or(label);
            *renamed.entry(name).or_insert(0.0) += probability;
        }
        Ok(Opinion(renamed))
    }

    fn problem(&self, emotion: &Emotion, problem: String) -> FusionError {
        FusionError::Probabilities {
            input: self.input.to_owned(),
            model: emotion.model.clone(),
            segment: emotion.segment,
            problem,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn emotion(scope: Scope, end: u64, probabilities: &[(&str, f32)]) -> Emotion {
        Emotion {
            segment: 0,
            start: 0,
            end,
            modality: "voice".to_owned(),
            scope,
            labels: probabilities.iter().map(|(label, _)| (*label).to_owned()).collect(),
            probabilities: probabilities.iter().map(|(_, probability)| *probability).collect(),
            model: "cnn@0123456789ab".to_owned(),
            reason: if probabilities.is_empty() { "too short".to_owned() } else { String::new() },
            detail: Detail::default(),
        }
    }

    fn reader(pooling: Pooling) -> Reader<'static> {
        Reader { input: "acoustic", pooling, mapping: None }
    }

    fn opinion(probabilities: &[(&str, f64)]) -> Opinion {
        Opinion(probabilities.iter().map(|(label, p)| ((*label).to_owned(), *p)).collect())
    }

    /// Windows (0.5, 0.5) and (0.25, 0.75), a window without an estimate, and (1, 0) for the segment.
    fn reports() -> Vec<Emotion> {
        vec![
            emotion(Scope::Window, 100, &[("a", 0.5), ("b", 0.5)]),
            emotion(Scope::Window, 200, &[("a", 0.25), ("b", 0.75)]),
            emotion(Scope::Window, 300, &[]),
            emotion(Scope::Segment, 400, &[("a", 1.0), ("b", 0.0)]),
        ]
    }

    fn pooled(pooling: Pooling, reports: &[Emotion]) -> (Result<Opinion, String>, u64) {
        let evidence = reader(pooling).evidence(reports, reports.last().unwrap()).unwrap();
        (evidence.opinion, evidence.end)
    }

    #[test]
    fn windows_are_pooled_as_asked() {
        assert_eq!(pooled(Pooling::Segment, &reports()), (Ok(opinion(&[("a", 1.0), ("b", 0.0)])), 400));
        assert_eq!(pooled(Pooling::Mean, &reports()), (Ok(opinion(&[("a", 0.375), ("b", 0.625)])), 200));
        // The highest are 0.5 and 0.75, which sum to 1.25.
        assert_eq!(pooled(Pooling::Max, &reports()), (Ok(opinion(&[("a", 0.4), ("b", 0.6)])), 200));
    }

    #[test]
    fn without_windows_the_estimate_of_the_segment_counts() {
        for pooling in [Pooling::Mean, Pooling::Max] {
            let segment = &reports()[2..];
            assert_eq!(pooled(pooling, segment), (Ok(opinion(&[("a", 1.0), ("b", 0.0)])), 400));
            let none = [emotion(Scope::Segment, 50, &[])];
            assert_eq!(pooled(pooling, &none), (Err("too short".to_owned()), 50));
        }
    }

    #[test]
    fn labels_are_renamed_added_up_and_put_in_order() {
        let mapping = [("sad", "negative"), ("angry", "negative"), ("happy", "positive")];
        let mapping = mapping.map(|(from, to)| (from.to_owned(), to.to_owned())).into_iter().collect();
        let reader = Reader { mapping: Some(&mapping), ..reader(Pooling::Segment) };
        let labels = [("Sad", 0.25), ("neutral", 0.125), ("HAPPY", 0.5), ("angry", 0.125)];
        let read = reader.opinion(&emotion(Scope::Segment, 1, &labels)).unwrap().unwrap();
        assert_eq!(read, opinion(&[("negative", 0.375), ("neutral", 0.125), ("positive", 0.5)]));
        let error = reader.opinion(&emotion(Scope::Segment, 1, &[("sad", 0.5), ("happy", 0.5)])).unwrap_err();
        assert!(error.to_string().contains("label `angry` of input `acoustic`"), "{error}");
        assert!(error.to_string().ends_with("has: sad, happy"), "{error}");
    }

    #[test]
    fn what_is_no_probability_is_refused() {
        for (probabilities, expected) in [
            (&[("a", 0.9), ("b", 0.8)][..], "sum to 1.700"),
            (&[("a", 0.5), ("b", 0.4)], "sum to 0.900"),
            (&[("a", f32::NAN), ("b", 1.0)], "`a` is NaN"),
            (&[("a", -0.5), ("b", 1.5)], "`a` is -0.5"),
            (&[("a", 0.5), ("A", 0.5)], "`A` is there twice"),
        ] {
            let error =
                reader(Pooling::Segment).opinion(&emotion(Scope::Segment, 1, probabilities)).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
            assert!(
                error.to_string().contains("input `acoustic`, model cnn@0123456789ab, segment 0"),
                "{error}"
            );
        }
    }

    #[test]
    fn windows_with_other_labels_are_refused() {
        let mut reports = reports();
        reports[1].labels = vec!["a".to_owned(), "c".to_owned()];
        let error = reader(Pooling::Mean).evidence(&reports, &reports[3]).unwrap_err();
        assert!(error.to_string().contains("its labels are others than those before"), "{error}");
    }

    #[test]
    fn certainty_runs_from_equal_probabilities_to_one() {
        assert_eq!(opinion(&[("a", 0.5), ("b", 0.5)]).certainty(), 0.0);
        assert_eq!(opinion(&[("a", 1.0), ("b", 0.0)]).certainty(), 1.0);
        assert_eq!(opinion(&[("a", 1.0)]).certainty(), 1.0);
        // Half of the four labels share the probability equally: H = ln 2, ln K = 2 ln 2.
        assert_eq!(opinion(&[("a", 0.5), ("b", 0.5), ("c", 0.0), ("d", 0.0)]).certainty(), 0.5);
    }
}
