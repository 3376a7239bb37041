//! The opinion pool: evidence of several inputs in, one opinion out.

use std::collections::BTreeSet;

use undertone_messages::{Contribution, Profile};

use crate::arguments::{MissingLabels, Weighting};
use crate::config::{Abstention, Config};
use crate::error::FusionError;
use crate::model::{Fit, Scaling};
use crate::opinion::{Evidence, Opinion};
use crate::{TEXT_MODALITY, VOICE_MODALITY};

/// If all inputs together are less certain than this, their weights stay as they were.
const UNSURE: f64 = 1e-6;
/// Logarithms are taken of probabilities from here on, so that one input's certainty does not silence all others.
const LEAST: f64 = 1e-4;

/// The result for a segment.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pooled {
    pub(crate) profile: Profile,
    /// Empty if there is no estimate.
    pub(crate) labels: Vec<String>,
    pub(crate) probabilities: Vec<f32>,
    pub(crate) weighting: undertone_messages::Weighting,
    pub(crate) model: String,
    pub(crate) contributions: Vec<Contribution>,
    pub(crate) bias: Vec<f32>,
    pub(crate) temperature: f32,
    pub(crate) score: f32,
    pub(crate) confidence: f32,
    pub(crate) abstained: bool,
    pub(crate) anomaly: bool,
}

/// Pools the evidence of a segment. The order of `evidence` does not matter.
pub(crate) fn pool(
    segment: u64,
    mut evidence: Vec<Evidence>,
    config: &Config,
) -> Result<Pooled, FusionError> {
    // A fixed order, in which sums are taken too: addition of floating-point numbers is not associative.
    evidence.sort_by(|one, other| (&one.modality, &one.input).cmp(&(&other.modality, &other.input)));
    let fit = fit(segment, &evidence, config)?;
    let weights = weights(&evidence, fit, config);
    let opinions = align(&evidence, &weights, config.missing_labels)?;
    let total: f64 = weights.iter().sum();
    let labels: Vec<String> = match opinions.iter().flatten().next() {
        Some(opinion) if total > 0.0 => opinion.iter().map(|(label, _)| label.clone()).collect(),
        _ => Vec::new(),
    };
    check_labels(segment, &labels, config)?;
    // Without an estimate there is nothing to fit, and that is so as well where all weights of a fit are 0.
    let fit = fit.filter(|_| !labels.is_empty());
    let factors = factors(&evidence, &weights, fit, labels.len());
    let (pooled, bias, temperature) = match fit {
        Some(Fit::Logarithmic(logistic)) => {
            (logarithmic(&opinions, &factors, &logistic.bias), logistic.bias.as_slice(), 1.0)
        }
        Some(Fit::Linear(scaling)) => {
            let pooled = linear(&opinions, &factors, labels.len());
            (scaled(&pooled, scaling), scaling.bias.as_slice(), scaling.temperature)
        }
        None => (linear(&opinions, &factors, labels.len()), &[][..], 1.0),
    };
    let threshold = match (config.abstention, fit) {
        (Abstention::Below(confidence), _) => confidence,
        (Abstention::Coverage(coverage), Some(fit)) => fit.threshold(coverage),
        // Without a fit there is no estimate.
        (Abstention::Coverage(_), None) => 0.0,
    };
    let of = |name: &str| {
        labels.iter().zip(&pooled).find_map(|(label, probability)| (label == name).then_some(*probability))
    };
    let score = of("positive").zip(of("negative")).map_or(0.0, |(positive, negative)| positive - negative);
    let probabilities = floats(&pooled);
    let confidence = probabilities.iter().copied().fold(0.0, f32::max);
    Ok(Pooled {
        profile: profile(&evidence, config),
        abstained: labels.is_empty() || confidence < threshold as f32,
        anomaly: evidence.iter().any(|evidence| evidence.detail.anomaly.is_some_and(|anomaly| anomaly > 1.0)),
        weighting: config.weighting.into(),
        model: config.model.as_ref().map_or_else(String::new, |model| model.identity().to_owned()),
        contributions: contributions(evidence, opinions, &weights, &factors),
        bias: floats(bias),
        temperature: temperature as f32,
        labels,
        probabilities,
        score: score as f32,
        confidence,
    })
}

/// What the model of fusion, if there is one, says of the models that have an opinion; nothing if none has.
fn fit<'a>(segment: u64, evidence: &[Evidence], config: &'a Config) -> Result<Option<Fit<'a>>, FusionError> {
    let taking_part = evidence.iter().filter(|evidence| takes_part(evidence, config));
    let mut found: Vec<String> = taking_part.map(|evidence| evidence.model.clone()).collect();
    found.sort();
    let models: BTreeSet<String> = found.iter().cloned().collect();
    // A model on two inputs would count twice, and no fit was made for that.
    let is_set = models.len() == found.len();
    match &config.model {
        Some(model) if !found.is_empty() => match model.fit(&models, config.weighting).filter(|_| is_set) {
            Some(fit) => Ok(Some(fit)),
            None => Err(FusionError::NoFit {
                segment,
                weighting: undertone_messages::Weighting::from(config.weighting).name(),
                model: model.identity().to_owned(),
                found: found.join(" and "),
                known: model.known(config.weighting),
            }),
        },
        _ => Ok(None),
    }
}

/// The labels of a result are those that the model of fusion was fitted for, if there is one.
fn check_labels(segment: u64, labels: &[String], config: &Config) -> Result<(), FusionError> {
    match &config.model {
        Some(model) if !labels.is_empty() && labels != model.labels() => Err(FusionError::OtherLabels {
            segment,
            model: model.identity().to_owned(),
            known: model.labels().join(", "),
            labels: labels.join(", "),
        }),
        _ => Ok(()),
    }
}

/// The linear pool, Σ wᵢ·Pᵢ.
fn linear(opinions: &[Option<Aligned>], factors: &[Vec<f64>], labels: usize) -> Vec<f64> {
    let mut pooled = vec![0.0; labels];
    for (opinion, factors) in opinions.iter().zip(factors) {
        for ((sum, factor), (_, probability)) in pooled.iter_mut().zip(factors).zip(opinion.iter().flatten())
        {
            *sum += factor * probability;
        }
    }
    pooled
}

/// Probabilities whose logarithms are those of `pooled` divided by the temperature, and the bias.
fn scaled(pooled: &[f64], scaling: &Scaling) -> Vec<f64> {
    let scale = |(probability, bias): (&f64, &f64)| probability.powf(1.0 / scaling.temperature) * bias.exp();
    normalised(pooled.iter().zip(&scaling.bias).map(scale).collect())
}

/// The logarithmic pool, exp(Σ wᵢ·log Pᵢ + b), scaled so that it sums to 1.
fn logarithmic(opinions: &[Option<Aligned>], factors: &[Vec<f64>], bias: &[f64]) -> Vec<f64> {
    let mut logits = bias.to_vec();
    for (opinion, factors) in opinions.iter().zip(factors) {
        for ((logit, factor), (_, probability)) in
            logits.iter_mut().zip(factors).zip(opinion.iter().flatten())
        {
            *logit += factor * probability.max(LEAST).ln();
        }
    }
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    normalised(logits.into_iter().map(|logit| (logit - largest).exp()).collect())
}

/// Whether an input has an opinion that counts.
fn takes_part(evidence: &Evidence, config: &Config) -> bool {
    evidence.opinion.is_ok() && (config.weighting == Weighting::Learned || base(evidence, config) > 0.0)
}

/// The weight that the arguments give an input.
fn base(evidence: &Evidence, config: &Config) -> f64 {
    config.weights.get(&evidence.input).copied().unwrap_or(0.0)
}

/// The weight of each piece of evidence, in the logarithmic pool its share in the sum of all |wᵢ|. They sum to 1, or are
/// all 0 if nothing with a weight has an opinion.
fn weights(evidence: &[Evidence], fit: Option<Fit<'_>>, config: &Config) -> Vec<f64> {
    let weight = |evidence: &Evidence| match (&evidence.opinion, fit) {
        (Err(_), _) => 0.0,
        (Ok(_), Some(Fit::Logarithmic(logistic))) => {
            logistic.weights.get(&evidence.model).into_iter().flatten().map(|weight| weight.abs()).sum()
        }
        (Ok(_), _) => base(evidence, config),
    };
    let weights = normalised(evidence.iter().map(weight).collect());
    if config.weighting != Weighting::Entropy {
        return weights;
    }
    let certain = |(evidence, weight): (&Evidence, &f64)| {
        weight * evidence.opinion.as_ref().map_or(0.0, Opinion::certainty)
    };
    let certain: Vec<f64> = evidence.iter().zip(&weights).map(certain).collect();
    if certain.iter().sum::<f64>() < UNSURE { weights } else { normalised(certain) }
}

/// What the probabilities in each opinion are multiplied by, or in the logarithmic pool their logarithms, label by label.
fn factors(evidence: &[Evidence], weights: &[f64], fit: Option<Fit<'_>>, labels: usize) -> Vec<Vec<f64>> {
    let factors = |(evidence, weight): (&Evidence, &f64)| match (&evidence.opinion, fit) {
        (Err(_), _) => Vec::new(),
        (Ok(_), Some(Fit::Logarithmic(logistic))) => {
            logistic.weights.get(&evidence.model).cloned().unwrap_or_default()
        }
        (Ok(_), _) => vec![*weight; labels],
    };
    evidence.iter().zip(weights).map(factors).collect()
}

/// Numbers as messages have them.
fn floats(values: &[f64]) -> Vec<f32> {
    values.iter().map(|value| *value as f32).collect()
}

/// Scales weights so that they sum to 1, unless they are all 0.
fn normalised(mut weights: Vec<f64>) -> Vec<f64> {
    let sum: f64 = weights.iter().sum();
    if sum > 0.0 {
        weights.iter_mut().for_each(|weight| *weight /= sum);
    }
    weights
}

/// Probabilities of the result's labels, in their order.
type Aligned = Vec<(String, f64)>;

/// Gives all opinions the same labels.
fn align(
    evidence: &[Evidence],
    weights: &[f64],
    missing: MissingLabels,
) -> Result<Vec<Option<Aligned>>, FusionError> {
    let held = || evidence.iter().filter_map(|evidence| Some((evidence, evidence.opinion.as_ref().ok()?)));
    let labels: BTreeSet<&str> = held().flat_map(|(_, opinion)| opinion.labels()).collect();
    let lacking = held().find(|(_, opinion)| opinion.label_count() < labels.len());
    if let Some((lacking, opinion)) = lacking {
        // The first that has a label which the lacking one has not.
        let other = held()
            .find(|(_, other)| other.labels().any(|label| opinion.probability(label).is_none()))
            .map(|(evidence, _)| evidence.describe())
            .unwrap_or_default();
        let one = lacking.describe();
        if missing == MissingLabels::Refuse {
            return Err(FusionError::Labels { one, other });
        }
        if held().all(|(_, opinion)| opinion.label_count() < labels.len()) {
            return Err(FusionError::NoneHasAll { one, other });
        }
    }
    let inferred = infer(evidence, weights, &labels);
    let aligned = |opinion: &Opinion| {
        let lacking = || inferred.iter().filter(|(label, _)| opinion.probability(label).is_none());
        let left = 1.0 - lacking().map(|(_, probability)| probability).sum::<f64>();
        let known = |label: &str| opinion.probability(label).map(|probability| left * probability);
        inferred.iter().map(|(label, mean)| (label.clone(), known(label).unwrap_or(*mean))).collect()
    };
    Ok(evidence.iter().map(|evidence| evidence.opinion.as_ref().ok().map(aligned)).collect())
}

/// The probability of each label according to the opinions that have all labels: their mean by weight, or their plain
/// mean if none of them has a weight.
fn infer(evidence: &[Evidence], weights: &[f64], labels: &BTreeSet<&str>) -> Aligned {
    let complete: Vec<(&Opinion, f64)> = evidence
        .iter()
        .zip(weights)
        .filter_map(|(evidence, weight)| Some((evidence.opinion.as_ref().ok()?, *weight)))
        .filter(|(opinion, _)| opinion.label_count() == labels.len())
        .collect();
    let total: f64 = complete.iter().map(|(_, weight)| weight).sum();
    let plain = 1.0 / complete.len() as f64;
    let mean = |label: &str| -> f64 {
        let share = |weight: f64| if total > 0.0 { weight / total } else { plain };
        complete
            .iter()
            .map(|(opinion, weight)| share(*weight) * opinion.probability(label).unwrap_or(0.0))
            .sum()
    };
    labels.iter().map(|label| ((*label).to_owned(), mean(label))).collect()
}

/// Which of voice and text have an opinion that counts.
fn profile(evidence: &[Evidence], config: &Config) -> Profile {
    let took_part = |modality: &str| {
        evidence.iter().any(|evidence| evidence.modality == modality && takes_part(evidence, config))
    };
    match (took_part(VOICE_MODALITY), took_part(TEXT_MODALITY)) {
        (true, true) => Profile::Both,
        (true, false) => Profile::AudioOnly,
        (false, true) => Profile::TextOnly,
        (false, false) => Profile::Neither,
    }
}

fn contributions(
    evidence: Vec<Evidence>,
    opinions: Vec<Option<Aligned>>,
    weights: &[f64],
    factors: &[Vec<f64>],
) -> Vec<Contribution> {
    let unused = weights.iter().all(|weight| *weight == 0.0);
    let given = evidence.into_iter().zip(opinions).zip(weights.iter().zip(factors));
    let contributions = given.map(|((evidence, aligned), (weight, factors))| {
        let reason = match evidence.opinion {
            Err(reason) => reason,
            Ok(_) if unused => "its weight is 0".to_owned(),
            Ok(_) => String::new(),
        };
        let aligned: Aligned = aligned.filter(|_| !unused).unwrap_or_default();
        Contribution {
            modality: evidence.modality,
            model: evidence.model,
            weight: *weight as f32,
            weights: floats(factors),
            probabilities: aligned.into_iter().map(|(_, probability)| probability as f32).collect(),
            end: evidence.end,
            reason,
            detail: evidence.detail,
        }
    });
    contributions.collect()
}
